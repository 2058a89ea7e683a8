"""Contestants → processes that answer, each on a port of its own; one that cannot be had becomes a note."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks.peers.environments import environment
from benchmarks.service.kinds import ROOT, Contestant

START_SECONDS = 240.0
FUNCTIONS = ("sqrt_mean.py", "arm_pose.py")


class Absent(Exception):
    """A server that cannot be had here, and why."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(contestant: Contestant, folder: Path) -> Iterator[str]:
    """The URL of a server that is ready; it is ended afterwards.

    Raises:
        Absent: where it cannot be installed, or does not start.
    """
    try:
        python = environment(contestant.environment)
    except (subprocess.CalledProcessError, OSError) as error:
        raise Absent(f"{contestant.name} was left out: it cannot be installed here ({error})") from None
    port = free_port()
    command = [part.format(port=port, registry=folder / "registry") for part in contestant.command]
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    own = {name: value.format(folder=folder) for name, value in contestant.variables.items()}
    variables = {"JJT_DATA": str(folder / "data"), "JJT_LOG": "json", **own}
    with (folder / f"{contestant.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [python, *command], cwd=ROOT, env=kept | variables, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await(process, url + contestant.ready, contestant.name)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], url: str, name: str) -> None:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise Absent(f"{name} was left out: it does not start here")


@contextmanager
def all_running(
    contestants: Sequence[Contestant], folder: Path
) -> Iterator[tuple[dict[str, str], list[str]]]:
    """URLs by the names of servers, and notes on those that are absent."""
    registry = folder / "registry"
    registry.mkdir()
    for name in FUNCTIONS:
        shutil.copy(ROOT / "registry" / name, registry)
    urls, notes = {}, []
    with ExitStack() as stack:
        for contestant in contestants:
            try:
                urls[contestant.name] = stack.enter_context(running(contestant, folder))
            except Absent as absent:
                notes.append(str(absent))
        yield urls, notes
