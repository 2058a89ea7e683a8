"""What importing this floor brings along."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_wire_loads_neither_jax_nor_an_http_framework():
    code = "import app.wire, sys; print(sorted({'jax', 'jaxlib', 'fastapi', 'starlette'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
