"""A peer in another process and environment, asked by lines of JSON: the parent's end.

The other end is ``foreign.serve``, whose docstring says what can be asked.
"""

import json
import os
import select
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import PLACE, ROOT, environment

BUILD_SECONDS = 300.0  # of compiling, at most
MOST_SECONDS = 20.0  # of one call; what takes longer is out of reach


class OutOfReach(Exception):
    """A peer that cannot do a case, and why."""


@dataclass(frozen=True)
class Peer:
    """What people use.

    Args:
        name: in the table.
        environment: that it runs in; empty for ours.
        module: in ``foreign``.
        symmetric: whether it knows only x2 = x1.
    """

    name: str
    environment: str
    module: str
    symmetric: bool = False


PEERS = (
    Peer("neural-tangents", "neural-tangents", "tangents"),
    Peer("torch.func", "torch", "functorch"),
    Peer("by hand", "", "hand"),
    Peer("autogram", "torch", "autogram", symmetric=True),
)


class Worker:
    """One process of a peer."""

    def __init__(self, peer: Peer) -> None:
        self.lost = False  # it gave no answer, or none in time
        python = environment(peer.environment)
        PLACE.mkdir(exist_ok=True)
        flags = {"XLA_FLAGS"} if peer.environment else set()  # unknown to an older JAX
        with (PLACE / f"{peer.module}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", f"benchmarks.peers.foreign.{peer.module}"],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if name not in flags},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )

    def implementations(self) -> list[str]:
        """Names of the ways that it knows."""
        return self._ask({"list": True}, BUILD_SECONDS)["implementations"]

    def build(self, case: str, implementation: str, arrays: Path) -> None:
        """Build one way for a case. Raises ``OutOfReach``."""
        request = {"case": case, "implementation": implementation, "arrays": str(arrays)}
        self._ask(request, BUILD_SECONDS)

    def first(self, matrix: Path) -> float:
        """Seconds of one call, whose matrix is written. Raises ``OutOfReach``."""
        return self._ask({"run": True, "matrix": str(matrix)}, MOST_SECONDS)["seconds"]

    def run(self) -> float:
        """Seconds of one call. Raises ``OutOfReach``."""
        return self._ask({"run": True}, 3 * MOST_SECONDS)["seconds"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, request: Mapping[str, Any], limit_seconds: float) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            if not select.select([stdout], [], [], limit_seconds)[0]:
                self.lost = True
                raise OutOfReach(f"more than {limit_seconds:.0f} s")
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.lost = True
            raise OutOfReach(f"the process ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.lost = True
            raise OutOfReach(answer["error"])
        return answer
