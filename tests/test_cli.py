"""``jjt``: the right thing on the right use, one line and exit code 2 on the wrong one."""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.settings import Settings
from tests.conftest import ROOT
from tests.e2e.server import FUNCTIONS

Run = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a registry of one function, and wide terminals."""
    (tmp_path / "registry").mkdir()
    shutil.copy(FUNCTIONS / "two_waves.py", tmp_path / "registry")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Run:
    """Run a command in this process: its exit code, and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


WRONG = [
    ((), "Usage:"),
    (("serv",), "No such command 'serv'"),
    (("serve", "--port", "eighty"), "--port"),
    (("serve", "--port", "99999"), "port"),
    (("serve", "--log", "xml"), "--log"),
    (("serve", "--block-seconds", "0"), "block_seconds"),
    (("plan",), "name"),
    (("plan", "two_waves", "--n1", "0"), "--n1"),
    (("plan", "two_waves", "--memory-bytes", "-1"), "memory_bytes"),
    (("plan", "nothing"), "no function 'nothing'"),
    (("plan", "two_waves@old"), "not here in version"),
    (("plan", "two_waves", "--wrt", "params"), "params"),
    (("plan", "two_waves", "--algorithm", "magic"), "magic"),
    (("run", "two_waves"), "x1"),
    (("run", "two_waves", "nothing.npy"), "nothing.npy"),
    (("run", "two_waves", "registry/two_waves.py"), "registry/two_waves.py"),
    (("run", "two_waves", "registry/two_waves.py", "-o", "nowhere/k.npy"), "nowhere"),
    (("run", "two_waves", "registry/two_waves.py", "--precision", "low"), "--precision"),
    (("run", "two_waves", "registry/two_waves.py", "--verify", "0"), "--verify"),
    (("run", "two_waves", "registry/two_waves.py", "--verify", "4097"), "--verify"),
    (("keys", "add", "--keys", "keys"), "name"),
    (("keys", "add", "lab"), "--keys"),
    (("keys", "list"), "--keys"),
    (("keys", "add", "a b", "--keys", "keys"), "name"),
    (("keys", "add", "lab", "--keys", "keys", "--requests-per-second", "0"), "requests_per_second"),
    (("keys", "add", "lab", "--keys", "keys", "--bytes-burst", "5"), "bytes_burst goes with"),
    (("serve", "--cors-origins", "lab.example"), "is no origin"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(row[0]) or "nothing" for row in WRONG])
def test_wrong_use_exits_2_with_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    if arguments:
        assert len(err.splitlines()) == 1, err
        assert err.startswith("jjt")


def test_help_shows_every_setting_with_its_default_and_its_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "serve", "--help")
    text = " ".join(out.split())
    assert code == 0
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"JJT_{name.upper()}]" in text
        assert str(field.description) in text
    assert "default: 8000" in text
    assert "default: registry" in text


def test_help_is_quick_because_it_loads_no_jax() -> None:
    script = (
        "import sys\nfrom app.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'jax', 'fastapi', 'uvicorn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("serve", "functions", "plan", "run", "demo", "bench", "version"):
        assert re.search(rf"^  {command} +[A-Z].*\.$", done.stdout, re.MULTILINE), command


def test_version_names_the_service_python_and_jax(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "version")
    assert code == 0
    assert re.fullmatch(r"jjt \d+\.\d+\.\d+, Python 3\.\d+\.\d+, JAX \d+\.\d+\.\d+(\.\d+)?\n", out)


def test_functions_are_listed_with_what_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "functions")
    assert code == 0
    assert re.search(r"^two_waves +[0-9a-f]{8} +x +2 +Two waves over three numbers", out, re.MULTILINE)


def test_check_names_the_file_that_fails_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "functions", "--check")[0] == 0
    (folder / "registry" / "broken.py").write_text("raise RuntimeError('no weights here')")
    code, out, _ = run(capsys, "functions", "--check")
    assert code == 1
    assert re.search(r"^fails +registry/broken\.py: .*no weights here", out, re.MULTILINE)
    assert re.search(r"^loads +registry/two_waves\.py: two_waves$", out, re.MULTILINE)
    code, _, err = run(capsys, "functions")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "registry/broken.py" in err


def test_a_plan_is_a_table_of_all_algorithms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "plan", "two_waves", "--n1", "3", "--n2", "5")
    assert code == 0
    assert "n1 = 3, n2 = 5, k = 2, p = 3" in out
    for name in ("contraction", "forward", "vector_products", "structured"):
        assert re.search(rf"{name} +[\d.e-]+ +[\d,]+ +[\d.e+]+", out), out
    assert out.count("→") == 1


def test_a_plan_that_nothing_fits_says_why_and_exits_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "plan", "two_waves", "--memory-bytes", "1")
    assert code == 1
    assert out.count("refused: ") == 4
    assert "→" not in out


@pytest.mark.parametrize("symmetric", [False, True])
def test_run_writes_the_matrix(folder: Path, capsys: pytest.CaptureFixture[str], symmetric: bool) -> None:
    random = np.random.default_rng(3)
    x1, x2 = (random.standard_normal((n, 3), dtype=np.float32) for n in (5, 7))
    np.save("x1.npy", x1)
    np.save("x2.npy", x2)
    files = ["x1.npy"] if symmetric else ["x1.npy", "x2.npy"]
    code, out, err = run(capsys, "run", "two_waves", *files, "-o", "k.npy", "--algorithm", "forward")
    left, right = (
        np.stack([[[np.cos(x[0]), 1, 0], [0, 0, 2 * x[2]]] for x in side])
        for side in (x1, x1 if symmetric else x2)
    )
    assert code == 0
    assert re.match(r"k\.npy: 5 × 2 × [57] × 2 float32, two_waves@[0-9a-f]{8} by forward\n", out)
    assert "blocks" in err
    np.testing.assert_allclose(
        np.load("k.npy"), np.einsum("iaq,jbq->iajb", left, right), rtol=1e-5, atol=1e-6
    )
    assert not Path("k.npy.part").exists()


def test_run_says_how_far_off_recomputed_entries_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("x1.npy", np.random.default_rng(3).standard_normal((5, 3), dtype=np.float32))
    code, out, _ = run(capsys, "run", "two_waves", "x1.npy", "--verify", "20")
    assert code == 0
    said = re.search(
        r"^of 20 entries, recomputed in float64, none is off by more than ([\d.e+-]+) eps of "
        r"the rows' norms; "
        r"the function itself is off by ([\d.e+-]+) eps of its largest output$",
        out,
        re.MULTILINE,
    )
    assert said, out
    assert float(said[1]) < 64
    code, out, _ = run(capsys, "run", "two_waves", "x1.npy")
    assert (code, len(out.splitlines())) == (0, 1)


def test_run_takes_the_leaves_of_a_tree_from_an_npz(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "registry" / "spring.py").write_text(
        "from app import ArraySpec, function\n"
        "@function(x={'a': ArraySpec('float32'), 'b': ArraySpec('float32', (2,))})\n"
        "def spring(params, x):\n"
        "    return x['a'] * x['b']\n"
    )
    np.savez("x1.npz", a=np.float32(2), b=np.array([3, 5], np.float32))
    code, out, _ = run(capsys, "run", "spring", "x1.npz")
    assert code == 0
    assert out.startswith("k.npy: 2 × 2 float32")
    np.testing.assert_allclose(np.load("k.npy"), [[9 + 4, 15], [15, 25 + 4]])
    np.savez("x1.npz", a=np.float32(2))
    code, _, err = run(capsys, "run", "spring", "x1.npz")
    assert code == 2
    assert "x1.b" in err


def test_run_that_fails_leaves_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x1.npy", np.zeros((2, 4), np.float32))
    code, _, err = run(capsys, "run", "two_waves", "x1.npy")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert not list(folder.glob("k.npy*"))


def test_an_object_array_is_not_unpickled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([object], dtype=object), allow_pickle=True)
    Path("x1.npy").write_bytes(buffer.getvalue())
    code, _, err = run(capsys, "run", "two_waves", "x1.npy")
    assert code == 2
    assert "x1.npy" in err


def test_demo_shows_a_matrix_and_a_bar_for_each_stage(folder: Path) -> None:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "app", "demo", "--registry", str(folder / "registry")],
        cwd=ROOT,
        env=os.environ | {"JJT_DATA": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - began < 110
    assert "two_waves" in done.stdout
    assert len(re.findall(r"^(?: *-?\d\.\d{7}e[+-]\d\d){2} *$", done.stdout, re.MULTILINE)) == 2
    for stage in ("decode", "queue", "compile", "compute", "encode"):
        assert len(re.findall(rf"^{stage} +[\d.]+", done.stdout, re.MULTILINE)) == 2
    assert "█" in done.stdout


def test_a_key_is_printed_once_listed_by_its_limits_and_removed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JJT_KEYS", "keys")
    limits = ("--requests-per-second", "5", "--bytes-per-second", "1e6", "--device-seconds-per-minute", "20")
    code, secret, said = run(capsys, "keys", "add", "lab", *limits)
    assert code == 0
    assert re.fullmatch(r"jjt_[\w-]{43}\n", secret), "alone, to be sent into a file"
    assert secret.strip() not in said
    assert run(capsys, "keys", "add", "room")[0] == 0
    code, listed, _ = run(capsys, "keys", "list")
    assert code == 0
    for limit in ("5 requests a second, 50 at once", "bytes a second", "20 device seconds a minute", "none"):
        assert limit in listed
    for known in (secret.strip(), (folder / "keys").read_text().split('"sha256":"')[1][:64]):
        assert known not in listed
    assert run(capsys, "keys", "remove", "lab")[0] == 0
    assert "lab" not in run(capsys, "keys", "list")[1]
    for wrong in (("add", "room"), ("remove", "lab"), ("list", "--keys", "nothing")):
        code, out, err = run(capsys, "keys", *wrong)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
