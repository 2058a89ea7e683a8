"""Compiled programs in a folder: found again, bounded, and read where nothing can be written.

JAX's configuration is one for a process, so each case is a process of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMPILE = """
import os, sys
import jax, jax.numpy as jnp
from pathlib import Path
from app.api.logs import configure
from app.catalog import keep_programs
from app.engine.compilations import heard

folder, most_bytes, programs, user = Path(sys.argv[1]), *map(int, sys.argv[2:])
configure("json")
if user:
    os.seteuid(user)
keep_programs(folder, most_bytes)
sources = []
with heard(sources.append):
    for n in range(programs):
        jax.jit(lambda x: jnp.sin(x) @ x.T).lower(jax.ShapeDtypeStruct((n + 2, 7), "float32")).compile()
print(*(sources.count(source) for source in ("compiler", "disk")))
"""
NOBODY = 65534


def compiled(folder: Path, programs: int, most_bytes: int = 1 << 24, user: int = 0) -> tuple[list[int], str]:
    """Compile some programs; how many came from the compiler and from the disk, and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(folder), str(most_bytes), str(programs), str(user)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return [int(number) for number in done.stdout.split()], done.stderr


def sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.glob("*/*-cache")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three programs, that was named from where the process began."""
    folder = tmp_path_factory.mktemp("programs")
    assert compiled(Path(os.path.relpath(folder, ROOT)), 3)[0] == [3, 0]
    return folder


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "programs"))


def test_a_program_is_compiled_once_and_then_read(copy: Path) -> None:
    assert compiled(copy, 4) == ([1, 3], "")
    assert len(sizes(copy)) == 4


def test_the_folder_stays_below_its_bound(copy: Path) -> None:
    bound = int(1.2 * sum(sizes(copy)))
    assert compiled(copy, 9, bound)[0] == [6, 3]
    assert 2 <= len(sizes(copy)) <= 4
    assert sum(sizes(copy)) <= bound


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_folder_that_can_only_be_read_is_read(copy: Path) -> None:
    for path in [copy, *copy.parents[:-2]]:
        path.chmod(0o755)
    before = sorted(path.name for path in copy.rglob("*"))
    counts, said = compiled(copy, 4, user=NOBODY)
    assert counts == [1, 3]
    assert len(said.splitlines()) == 1
    assert "cannot be written" in said
    assert sorted(path.name for path in copy.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_folder_that_can_only_be_read_and_is_damaged_is_not(copy: Path) -> None:
    for path in [copy, *copy.parents[:-2]]:
        path.chmod(0o755)
    entry = next(copy.glob("*/*-cache"))
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.write_bytes(data)
    assert compiled(copy, 3, user=NOBODY)[0] == [3, 0]
    counts, said = compiled(copy, 3)
    assert counts == [1, 2]
    assert entry.name in said
    assert compiled(copy, 3) == ([0, 3], "")


def test_checksums_go_where_their_programs_went(copy: Path) -> None:
    assert compiled(copy, 9, int(1.2 * sum(sizes(copy))))[0] == [6, 3]
    (own,) = copy.iterdir()

    def named(suffix: str) -> set[str]:
        return {file.name.removesuffix(suffix) for file in own.glob(f"*{suffix}")}

    assert named("-cache") < named("-sum"), "JAX drops programs, and knows no checksums"
    assert compiled(copy, 9)[1] == ""
    assert named("-cache") == named("-sum")


def test_where_nothing_can_be_kept_everything_compiles(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counts, said = compiled(tmp_path / "file" / "below", 2)
    assert counts == [2, 0]
    assert len(said.splitlines()) == 1


def test_the_environment_changes_with_the_device_and_with_the_engines_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import app.engine
    from app.catalog.environment import environment

    (tmp_path / "engine.py").write_text("SIDE = 1\n")
    monkeypatch.setattr(app.engine, "__file__", str(tmp_path / "__init__.py"))
    fresh = environment.__wrapped__
    before = fresh("cpu")
    assert fresh("cpu") == before
    assert fresh("another") != before
    (tmp_path / "engine.py").write_text("SIDE = 2\n")
    assert fresh("cpu") != before
