"""The house stands as it is drawn: stairs go down only, light rooms stay light."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS = [re.findall(r"\w+", floor) for floor in PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]]
MOST_LINES = 300
NAMES_WITHOUT_A_RULE = {"utils", "helpers", "common", "core", "base", "manager", "service"}
UPWARDS = [
    ("app/errors.py", "app.specs"),
    ("app/specs.py", "app.function"),
    ("app/function.py", "app.engine"),
    ("app/settings.py", "jax"),
    ("app/wire/__init__.py", "app.engine"),
    ("app/wire/__init__.py", "jax"),
    ("app/engine/__init__.py", "app.metrics"),
    ("app/engine/__init__.py", "asyncio"),
    ("app/engine/__init__.py", "pathlib"),
    ("app/metrics.py", "fastapi"),
    ("app/catalog/__init__.py", "app.scheduler"),
    ("app/scheduler/__init__.py", "app.api"),
    ("app/api/__init__.py", "app.cli"),
]


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, to be broken."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_import_contracts_hold(copy: Path) -> None:
    done = _lint_imports(copy)
    assert done.returncode == 0, done.stdout


def test_every_import_that_goes_up_is_found(copy: Path) -> None:
    for module, imported in UPWARDS:
        with (copy / module).open("a", encoding="utf-8") as file:
            file.write(f"\nimport {imported}\n")
    done = _lint_imports(copy)
    assert done.returncode != 0
    for module, imported in UPWARDS:
        importer = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        assert re.search(rf"{importer} -> {imported}\b", done.stdout), f"{importer} -> {imported} went unseen"


def test_a_module_without_a_floor_is_found(copy: Path) -> None:
    (copy / "app" / "floorless.py").touch()
    done = _lint_imports(copy)
    assert done.returncode != 0
    assert "floorless" in done.stdout


def test_picture_in_the_readme_shows_the_floors_of_the_contract() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    picture = next(part for part in readme.split("```") if "floor 4" in part)
    places = {}
    for module in (module for floor in LAYERS for module in floor if module != "__main__"):
        found = re.search(rf"(?<![\w/]){module}(?![\w/])", picture)
        assert found, f"{module} is not in the picture"
        places[module] = picture.count("\n", 0, found.start())
    heights = [places[module] for floor in LAYERS for module in floor if module in places]
    assert heights == sorted(heights)
    assert len(set(heights)) == 6


@pytest.mark.parametrize("module", ["app", "app.wire", "app.settings", "app.errors"])
def test_import_of_a_light_room_loads_no_jax_and_no_http(module: str) -> None:
    script = (
        f"import sys, {module}; print(sorted({{'jax', 'jaxlib', 'fastapi', 'starlette'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_import_of_the_engine_loads_no_http() -> None:
    script = "import sys, app.engine; print(sorted({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_only_public_names_of_jax_are_imported() -> None:
    private = []
    for file in [*(ROOT / "app").rglob("*.py"), *(ROOT / "registry").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), names=names):
                    modules = [f"{module}.{alias.name}" for alias in names]
                case _:
                    continue
            private += [name for name in modules if re.match(r"jax(lib)?\b.*\._|jaxlib\.", name)]
    assert not private


def test_modules_stay_small_and_have_telling_names() -> None:
    for file in (ROOT / "app").rglob("*.py"):
        assert file.stem not in NAMES_WITHOUT_A_RULE, file
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, (
            f"{file.relative_to(ROOT)} has {lines} lines; along which noun does it split?"
        )


def test_public_names_are_those_that_a_registry_file_needs() -> None:
    import app

    assert app.__all__ == ["ArraySpec", "Function", "function"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_pins_every_package_and_names_no_download_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ file", text)
    for line in filter(lambda line: line and not line.lstrip().startswith("#"), text.splitlines()):
        assert re.match(r"[\w.\[\]-]+==[\w.]+( ; .+)?$", line), line


def test_both_locks_agree_and_hold_what_the_project_asks_for() -> None:
    runtime, dev = (
        set(re.findall(r"^[\w.\[\]-]+==.*$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert _names(runtime) <= _names(dev)
    assert {line.partition(" ;")[0] for line in runtime} <= {line.partition(" ;")[0] for line in dev}
    assert _names(PROJECT["project"]["dependencies"]) <= _names(runtime)
    assert _names(PROJECT["project"]["optional-dependencies"]["traces"]) <= _names(runtime)
    assert _names(PROJECT["dependency-groups"]["dev"]) <= _names(dev)


def _names(requirements: object) -> set[str]:
    assert isinstance(requirements, (set, list))
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}
