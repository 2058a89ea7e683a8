"""Lines of JSON on stdin → ways to the matrix, built and run in this process, and lines of JSON back.

``{"list": true}`` answers ``{"implementations": [NAME, …]}``. ``{"case": NAME, "implementation": NAME,
"arrays": PATH}`` builds one, in place of what was built before, and answers ``{"seconds": …}``. ``{"run":
true}`` calls it and answers ``{"seconds": …}``, those of one call until the result is in memory; with
``"matrix": PATH`` it is one call alone, and the matrix ``[n1, k, n2, k]`` is written there as npy.
What goes wrong is answered as ``{"error": …}``.
"""

import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import settled, timed
from benchmarks.peers.cases import CASES, Arrays, Case, load

MEMORY_SHARE = 0.75  # of the machine's memory; what needs more fails here and not elsewhere


@dataclass(frozen=True)
class Built:
    """A way to the matrix.

    Args:
        call: computes it, and returns when it is in memory.
        matrix: of what ``call`` returned, ``[n1, k, n2, k]``.
    """

    call: Callable[[], Any]
    matrix: Callable[[Any], np.ndarray]


Build = Callable[[Case, Arrays], Built]


def serve(builds: Mapping[str, Build]) -> None:
    """Answer until stdin ends.

    Args:
        builds: by the names of the implementations.
    """
    bound_memory()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what packages print is no answer
    worker = Worker(builds)
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
        answers.write(json.dumps(answer) + "\n")


class Worker:
    """Answers requests; holds what was built last."""

    def __init__(self, builds: Mapping[str, Build]) -> None:
        self._builds = builds
        self._built: Built | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        if "list" in request:
            return {"implementations": list(self._builds)}
        if "case" in request:
            return {"seconds": timed(lambda: self._build(request))}
        assert self._built is not None, "nothing was built"
        built = self._built
        if "matrix" not in request:
            return {"seconds": settled(built.call)}
        kept: list[Any] = []
        seconds = timed(lambda: kept.append(built.call()))
        np.save(request["matrix"], built.matrix(kept[0]))
        return {"seconds": seconds}

    def _build(self, request: Mapping[str, Any]) -> None:
        build = self._builds[request["implementation"]]
        self._built = build(CASES[request["case"]], load(Path(request["arrays"])))


def bound_memory() -> None:
    """Let this process take a part of the machine's memory, and fail beyond it; addresses alone are free."""
    most = int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
