"""Functions in closed form -> questions with inputs of their own, and the matrix that is right for each.

No two questions are alike, so that an answer that belongs to another client shows. Sends nothing.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.catalog import Catalog

FUNCTIONS = Path(__file__).with_name("functions")
NPZ, NPY = "application/x-npz", "application/x-npy"
SOME_ROWS = 8  # of a large kernel, that are held against what is right
Jacobian = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Question:
    """What is asked, as bytes, and what is right.

    Args:
        function: its name.
        x1: ``[n1, d]``, or ``[d]`` for one example.
        x2: likewise; None where it is left out.
        deadline_seconds: the option; None where it is left out.
    """

    function: str
    x1: np.ndarray
    x2: np.ndarray | None = None
    deadline_seconds: float | None = None

    def request(self) -> bytes:
        """The whole of it in HTTP/1.1, arrays in npz, the answer in npy."""
        arrays = {"x1": self.x1} if self.x2 is None else {"x1": self.x1, "x2": self.x2}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        body = file.getvalue()
        option = f"&deadline_seconds={self.deadline_seconds}" if self.deadline_seconds else ""
        head = (
            f"POST /jjt?function={self.function}{option} HTTP/1.1\r\nHost: x\r\nContent-Type: {NPZ}\r\n"
            f"Accept: {NPY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def wrong(self, content: bytes) -> str:
        """What is wrong with the body of a 200; nothing if nothing is."""
        try:
            matrix = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            return f"no matrix: {error}"
        shape, rows = self.shape, None
        if matrix.shape != shape:
            return f"shape {matrix.shape} for {shape}"
        if self.x1.ndim == 2 and len(self.x1) > SOME_ROWS:
            rows = np.random.default_rng(len(content)).choice(len(self.x1), SOME_ROWS, replace=False)
        wanted = self.right(rows)
        got = matrix if rows is None else matrix[rows]
        missed = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        return "" if missed < 2e-3 else f"off by {missed:.1e} of the largest entry"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the answer."""
        sides = (self.x1, self.x1 if self.x2 is None else self.x2)
        k = OUTPUTS[self.function]
        return tuple(size for side in sides for size in (*side.shape[:-1], k))

    def right(self, rows: np.ndarray | None = None) -> np.ndarray:
        """The matrix, or some rows of it, in float64."""
        left = self.x1 if rows is None else self.x1[rows]
        right = self.x1 if self.x2 is None else self.x2
        return KERNELS[self.function](left.astype(float), right.astype(float))


def ask(function: str, source: np.random.Generator, n: int | None = None, n2: int | None = None) -> Question:
    """A question about random inputs: one example, or n on each side, or n and n2."""

    def drawn(count: int | None) -> np.ndarray:
        shape = (INPUTS[function],) if count is None else (count, INPUTS[function])
        return source.uniform(-1, 1, shape).astype(np.float32)

    return Question(function, drawn(n), None if n2 is None else drawn(n2))


def _outer(j1: np.ndarray, j2: np.ndarray) -> np.ndarray:
    """``[*n1, k, p]``, ``[*n2, k, p]`` -> ``[*n1, k, *n2, k]``."""
    return np.tensordot(j1, j2, (-1, -1))


def _sines(way: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """K of x -> sin(way x)."""

    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.cos(x @ way.T)[..., None] * way

    return lambda x1, x2: _outer(jacobian(x1), jacobian(x2))


def _small(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    weights = _params("small").astype(float)

    def jacobian(x: np.ndarray) -> np.ndarray:
        return (1 - np.tanh(x @ weights) ** 2)[..., None] * weights.T

    return _outer(jacobian(x1), jacobian(x2))


def _network(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    inner, outer = (_params("network")[name].astype(float) for name in ("inner", "outer"))
    h1, h2 = np.tanh(x1 @ inner), np.tanh(x2 @ inner)
    d1, d2 = (1 - h1**2) * outer, (1 - h2**2) * outer
    kernel = np.tensordot(h1, h2, (-1, -1)) + np.tensordot(x1, x2, (-1, -1)) * np.tensordot(d1, d2, (-1, -1))
    return kernel.reshape(*x1.shape[:-1], 1, *x2.shape[:-1], 1)


def _params(name: str) -> Any:
    return _CATALOG.get(name).params


_CATALOG = Catalog((FUNCTIONS,))
_CATALOG.load()
INPUTS = {"steady": 128, "long": 3, "small": 4, "network": 32}
OUTPUTS = {"steady": 4, "long": 3, "small": 20, "network": 1}
KERNELS = {
    "steady": _sines(np.linalg.matrix_power(_params("steady").astype(float), 18_000)[:4]),
    "long": _sines(np.eye(3)),
    "small": _small,
    "network": _network,
}
