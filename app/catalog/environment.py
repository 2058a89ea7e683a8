"""What a kept thing depends on besides its function: the machine, JAX, the device and the engine's own code.

What was compiled, measured or priced under one identity is worth nothing under another. Touches no device.
"""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

import jax

import app.engine
from app.catalog.versions import files_of

_CPU = Path("/proc/cpuinfo")
_TOLD = ("model name", "flags", "Features", "CPU part")


@cache
def machine() -> str:
    """8 hex digits: the processor, its instructions and the number of its cores.

    A program that was compiled for one processor may end the process on another.
    """
    told = [platform.machine(), platform.system(), str(os.cpu_count()), *_instructions()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


@cache
def environment(device_kind: str) -> str:
    """16 hex digits: the machine, the kind of its device, the version of JAX, and the code of the engine."""
    digest = hashlib.sha256(f"{machine()} {device_kind} {jax.__version__}".encode())
    folder = Path(app.engine.__file__).parent
    for file in files_of(folder):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _instructions() -> list[str]:
    try:
        lines = _CPU.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.processor()]
    return sorted({line for line in lines if line.partition(":")[0].strip() in _TOLD})
