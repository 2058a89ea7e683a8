"""Threads of a service share their memory: what one frees another can use."""

import os
import platform
import re
import subprocess
import sys

import pytest

from app.cli.serving import ARENAS
from tests.conftest import ROOT

SCRIPT = """
import ctypes, threading
from app.cli import serving
{call}
barrier = threading.Barrier(12)
def allocate():
    barrier.wait()
    held = [bytes(5000 + n) for n in range(200)]
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
@pytest.mark.parametrize(("call", "few"), [("serving.have_few_arenas()", True), ("", False)])
def test_threads_share_few_pools_of_memory(call: str, few: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(call=call)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    arenas = re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE)
    assert arenas
    assert (len(arenas) <= ARENAS) is few
