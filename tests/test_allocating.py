"""A process keeps the memory that it has had, and its threads share it."""

import os
import platform
import re
import subprocess
import sys

import pytest

from app.cli import main
from app.cli.allocating import ARENAS
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
THREADS = """
import ctypes, threading
from app.cli import allocating
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
PAGES = """
import resource
from app.cli import allocating
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touch():
    bytearray(b"1") * (96 * 2**20)
touch()
before = faults()
for _ in range(4): touch()
print(faults() - before)
"""


def _run(script: str, call: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    return subprocess.run(
        [sys.executable, "-c", script.format(call=call)],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize(("call", "few"), [("allocating.keep_memory()", True), ("", False)])
def test_threads_share_few_pools_of_memory(call: str, few: bool) -> None:
    arenas = re.findall(r"^Arena \d+:", _run(THREADS, call).stderr, re.MULTILINE)
    assert arenas
    assert (len(arenas) <= ARENAS) is few


@pytest.mark.parametrize(
    ("call", "variables", "anew"),
    [
        ("allocating.keep_memory()", {}, False),
        ("allocating.keep_memory()", {"MALLOC_MMAP_THRESHOLD_": "131072"}, True),
        ("", {}, True),
    ],
)
def test_large_blocks_are_had_from_the_system_once(call: str, variables: dict[str, str], anew: bool) -> None:
    pages = int(_run(PAGES, call, **variables).stdout)
    assert (pages > 1000) is anew


def test_every_command_keeps_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr("app.cli.keep_memory", lambda: kept.append(True))
    with pytest.raises(SystemExit):
        main(["version"])
    assert kept == [True]
