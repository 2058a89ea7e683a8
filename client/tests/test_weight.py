"""What the client brings along: httpx, NumPy, and what they need."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("jax", "jaxlib", "app", "safetensors", "ml_dtypes", "pydantic", "pandas", "torch")
ALLOWED = {"jjt-client", "httpx", "numpy", "anyio", "certifi", "h11", "httpcore", "idna", "sniffio", "pip"}
ALLOWED |= {"typing-extensions", "exceptiongroup", "truststore", "setuptools"}

THREE_LINES = """
from jjt_client import Client
with Client({url!r}) as service:
    matrix = service.jjt("squares", [1.0, 2.0, 3.0])
print(matrix.tolist())
"""


def run(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def test_importing_the_client_loads_neither_jax_nor_the_service() -> None:
    found = run(sys.executable, "-c", "import sys, jjt_client; print(*sys.modules)").split()
    assert "jjt_client.async_client" in found
    assert not set(HEAVY) & {name.partition(".")[0] for name in found}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_empty_environment_gets_little_and_three_lines_get_the_matrix(
    service: str, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ROOT)
    listed = run(python, "-I", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()}
    assert {"jjt-client", "httpx", "numpy"} <= names <= ALLOWED
    program = tmp_path / "program.py"
    program.write_text(THREE_LINES.format(url=service))
    assert run(python, "-I", program) == "[[1.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 9.0]]\n"
    typed = (
        "import jjt_client, pathlib; print((pathlib.Path(jjt_client.__file__).parent / 'py.typed').is_file())"
    )
    assert run(python, "-I", "-c", typed) == "True\n"
