"""Pinned requirements → an environment under ``.bench/``, made where it is missing or its pins changed."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.serving import ROOT

PLACE = ROOT / ".bench"
PYTHONS = ("python3.11", "python3.12")  # what all of the pinned packages have wheels for


def environment(name: str) -> Path:
    """The interpreter of an environment with what ``benchmarks/peers/NAME.txt`` pins; ours if that is empty.

    Raises:
        FileNotFoundError: where there is no Python 3.11 or 3.12 to make it with.
        subprocess.CalledProcessError: where a package cannot be installed.
    """
    if not name:
        return Path(sys.executable)
    pins = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")
    place = PLACE / name
    python, made = place / "bin" / "python", place / "made.txt"
    if made.exists() and made.read_text(encoding="utf-8") == pins:
        return python
    print(f"making {place.relative_to(ROOT)}", flush=True)
    subprocess.run([_interpreter(), "-m", "venv", "--clear", str(place)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(Path(__file__).parent / f"{name}.txt")], check=True)
    made.write_text(pins, encoding="utf-8")
    return python


def _interpreter() -> str:
    if f"python{sys.version_info.major}.{sys.version_info.minor}" in PYTHONS:
        return sys.executable
    for name in PYTHONS:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(f"the peers need one of {', '.join(PYTHONS)} on the path")
