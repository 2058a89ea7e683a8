"""The contract that every algorithm keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Protocol

import numpy as np
from jax import Array, ShapeDtypeStruct

from app.engine.view import View

Kernel = Callable[[Sequence[Array], Sequence[Array], Sequence[Array] | None], Array]


@dataclass(frozen=True)
class Keepsake:
    """An array that depends on a function's parameters alone, and is therefore computed once.

    Args:
        leaf: name of the leaf of the variable that it serves.
        dtype: name of its dtype.
        shape: its shape.
        flops: of computing it, which whoever finds it saves.
    """

    leaf: str
    dtype: str
    shape: tuple[int, ...]
    flops: float

    @property
    def aval(self) -> ShapeDtypeStruct:
        """Shape and dtype, as JAX has them."""
        return ShapeDtypeStruct(self.shape, np.dtype(self.dtype))

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


class Algorithm(Protocol):
    """One way to a block of the matrix."""

    @property
    def name(self) -> str:
        """As the literature and requests call it."""
        ...

    def chunk(self, view: View, rows: int, columns: int, memory_bytes: int) -> int:
        """How many rows or columns of J to hold at a time, for blocks of these sizes; at least 1."""
        ...

    def kept(self, view: View) -> list[Keepsake]:
        """What depends on the parameters alone and is computed once; most often nothing."""
        ...

    def keep(self, view: View, params: Sequence[Array]) -> list[Array]:
        """The arrays of ``kept``; can be compiled."""
        ...

    def explicit(self, view: View) -> tuple[str, ...]:
        """Leaves whose gradients are formed though it can do without, and why: ``leaf: reason``."""
        ...

    def kernel(self, view: View, chunk: int) -> Kernel:
        """A function of one block that can be compiled.

        Returns:
            ``(params, x1, x2) -> block``: params the arrays of the parameters, and behind them those of
            ``keep``; x1 leaves ``[n1, *leaf]``, x2 leaves ``[n2, *leaf]`` or None, which means x1 and an
            exactly symmetric block; block ``[n1, k, n2, k]`` in the dtype of the view. Tracing it raises
            TypeError, ValueError or NotImplementedError where the algorithm cannot do the function.
        """
        ...


class Unstructured:
    """For algorithms that see neither leaves nor parameters, but numbers."""

    def kept(self, view: View) -> list[Keepsake]:
        """Nothing."""
        del view
        return []

    def keep(self, view: View, params: Sequence[Array]) -> list[Array]:
        """Nothing."""
        del view, params
        return []

    def explicit(self, view: View) -> tuple[str, ...]:
        """None: no gradient is anything else."""
        del view
        return ()


def evenly(limit: float, most: int) -> int:
    """The size of equal chunks of ``most``, each of at most ``limit`` and at least 1: little is padded."""
    return ceil(most / ceil(most / max(1, int(limit))))
