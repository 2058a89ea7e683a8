"""The vocabulary: frozen values that the rooms hand to one another. No JAX, no HTTP.

``ArraySpec`` is what a function declares, ``Message`` what the wire said, ``Block`` a rectangle of the
matrix, and ``Answer`` all that an encoder needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *INTEGERS, "bool")
MOST_VERIFIED = 4096  # entries of one matrix


@dataclass(frozen=True)
class ArraySpec:
    """Dtype and shape of one array of one example, and the bounds of its values.

    Args:
        dtype: a name of ``DTYPES``.
        shape: the dimensions of one example, without a batch axis.
        low: smallest value, included.
        high: bound from above, excluded. Integers outside ``[low, high)`` are refused; for floats the
            bounds only say where random examples are drawn from.

    Raises:
        ValueError: for a dtype or a shape that no function can have here.
    """

    dtype: str
    shape: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        name = np.dtype(self.dtype).name if not isinstance(self.dtype, str) else self.dtype
        if name.startswith("complex"):
            raise ValueError(
                f"dtype {name!r}: complex inputs are not supported; declare two real arrays, such as "
                "x=(ArraySpec('float32', shape), ArraySpec('float32', shape)), and join them in apply"
            )
        if name not in DTYPES:
            raise ValueError(f"dtype {name!r} is unknown; expected one of {', '.join(DTYPES)}")
        shape = tuple(self.shape)
        for size in shape:
            if isinstance(size, str):
                raise ValueError(
                    f"shape {shape!r}: dimensions of any length are not supported; give {size!r} a number"
                )
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"shape {shape!r}: {size!r} is not a positive integer")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low!r} is not below high {self.high!r}")
        object.__setattr__(self, "dtype", name)
        object.__setattr__(self, "shape", tuple(int(size) for size in shape))


class Message(NamedTuple):
    """Named arrays and options, as the wire said.

    Args:
        arrays: by dotted name: ``x1``, ``x2.position``, ``x1.0``; a component that holds a dot is
            quoted, ``x1.[a.b]``. Sizes were checked against the bytes before any was allocated.
        options: name to value, as text where the wire has no types.
        weak: names of the arrays that came as JSON numbers: int64, uint64 or float64 that take the
            dtype of the spec.
    """

    arrays: Mapping[str, np.ndarray]
    options: Mapping[str, str | int | float | bool]
    weak: frozenset[str] = frozenset()


class Block(NamedTuple):
    """A rectangle of the matrix: the unit of computing, of memory, of cancelling, of storing.

    Args:
        rows: range of examples of x1, as start and stop.
        columns: range of examples of x2, as start and stop.
        array: ``[rows, k, columns, k]``, in host memory.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    array: np.ndarray


def place(block: Block, whole: np.ndarray | None, sizes: tuple[int, int, int, int]) -> np.ndarray:
    """Put a block where it belongs in a matrix.

    Args:
        block: one of those that cover the matrix.
        whole: the matrix so far, ``[n1, k, n2, k]``, or None before the first block.
        sizes: of the matrix.

    Returns:
        The matrix; the block's own array where that is all of it.
    """
    if whole is None:
        if block.array.shape == tuple(sizes):
            return block.array
        whole = np.empty(sizes, block.array.dtype)
    whole[slice(*block.rows), :, slice(*block.columns), :] = block.array
    return whole


@dataclass
class Times:
    """Seconds that one request spent in each stage, and when stages ended.

    What is called ``…_ended`` is on the clock of ``perf_counter``; 0.0 where the stage was not come to.
    ``landings`` has, for an answer of several blocks, when the first of them landed and what each took.
    """

    decode: float = 0.0
    queue: float = 0.0
    compile: float = 0.0
    compute: float = 0.0
    encode: float = 0.0
    verify: float = 0.0
    stream: float = 0.0
    decode_ended: float = 0.0
    compile_ended: float = 0.0
    compute_ended: float = 0.0
    encode_ended: float = 0.0
    verify_ended: float = 0.0
    stream_ended: float = 0.0
    landings: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Receipt:
    """What came out when entries of a matrix were computed a second time, another way.

    Args:
        entries: how many were.
        error: the largest |K - K*|, in units of eps · ‖J1 row‖ · ‖J2 row‖; eps of the coarsest dtype among
            the variable and the outputs. Infinite where one of the two is finite and the other is not, or
            where both rows vanish and K does not.
        place: where it is, as ``(i, a, j, b)``.
        dtype: what K* was computed in: float64, or the function's own where it cannot be traced so.
        evaluation: the function's own error: the largest |y - y*| among the outputs of the examples that
            the entries belong to, in units of eps · max |y*|; eps of the dtype of y, y* in float64 and the
            maximum over the outputs of one example. None where y* was not to be had.
    """

    entries: int
    error: float
    place: tuple[int, int, int, int]
    dtype: str
    evaluation: float | None = None


@dataclass(eq=False)
class Answer:
    """All that an encoder needs: the matrix, as blocks, and what is said beside it.

    The one hand-over that is no value: its blocks can be taken up once, and it keeps what was made of them.

    Args:
        function: the function's name.
        version: its version.
        wrt: the variable, as the request named it.
        algorithm: the one that was used, never ``auto``.
        sizes: ``(n1, k, n2, k)``.
        shape: ``sizes`` without the n axes of sides that were given as one example.
        dtype: name of the matrix's dtype.
        blocks: rectangles that cover the matrix, each entry once.
        times: seconds per stage so far.
        batch: requests that were computed as one with this one, itself included.
        verified: what recomputing some entries showed, where that was asked for.
    """

    function: str
    version: str
    wrt: str
    algorithm: str
    sizes: tuple[int, int, int, int]
    shape: tuple[int, ...]
    dtype: str
    blocks: Iterable[Block]
    times: Times = field(default_factory=Times)
    batch: int = 1
    verified: Receipt | None = None

    @cached_property
    def matrix(self) -> np.ndarray:
        """The blocks in one array of ``shape``; takes them up, once."""
        whole: np.ndarray | None = None
        for block in self.blocks:
            whole = place(block, whole, self.sizes)
        if whole is None:
            raise ValueError("an answer without blocks has no matrix")
        return whole if whole.shape == self.shape else whole.reshape(self.shape)

    @cached_property
    def non_finite(self) -> int:
        """Number of entries that are NaN or infinite."""
        return int(self.matrix.size - np.count_nonzero(np.isfinite(self.matrix)))
