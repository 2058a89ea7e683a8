"""Function + arrays + wrt → ``Problem``: checked against the function's spec, and cast. Knows no bytes.

All that can be refused is refused here: names, shapes, dtypes, bounds, wrt. Nothing is paid for yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal

import numpy as np

from app.engine.casts import cast
from app.engine.signature import Signature
from app.engine.variables import Path, Selection, render
from app.engine.view import View, viewed
from app.errors import SpecMismatch
from app.function import Function

Precision = Literal["highest", "high", "default"]


@dataclass(frozen=True, eq=False)
class Side:
    """The examples of one side.

    Args:
        leaves: of x, each ``[n, *leaf]``, in the dtype that travels to the device.
        n: number of examples.
        batched: whether the side came with a batch axis; one that did not has no n axis in the answer.
    """

    leaves: tuple[np.ndarray, ...]
    n: int
    batched: bool


@dataclass(frozen=True, eq=False)
class Problem:
    """What is asked: a function, the examples of both sides, and the variable.

    Args:
        signature: the function's shapes.
        left: x1.
        right: x2, or None where it was left out: x2 = x1, and an exactly symmetric answer.
        wrt: the variable, as the request named it.
        selection: the leaves that wrt names.
        precision: of the products.
        asked: what of the matrix; the whole of it.
    """

    signature: Signature
    left: Side
    right: Side | None
    wrt: str
    selection: Selection
    precision: Precision = "highest"
    asked: Literal["matrix"] = "matrix"

    @property
    def function(self) -> Function:
        """The function of both sides."""
        return self.signature.function

    @property
    def symmetric(self) -> bool:
        """Whether x2 was left out. Never decided by comparing values."""
        return self.right is None

    @property
    def n1(self) -> int:
        """Number of examples of x1."""
        return self.left.n

    @property
    def n2(self) -> int:
        """Number of examples of x2."""
        return (self.right or self.left).n

    @cached_property
    def sizes(self) -> tuple[int, int, int, int]:
        """``(n1, k, n2, k)``."""
        return self.n1, self.signature.k, self.n2, self.signature.k

    @property
    def shape(self) -> tuple[int, ...]:
        """``sizes`` without the n axes of sides that were given as one example."""
        n1, k, n2, _ = self.sizes
        left, right = self.left, self.right or self.left
        return (*((n1,) if left.batched else ()), k, *((n2,) if right.batched else ()), k)

    @cached_property
    def answer_bytes(self) -> int:
        """Of the matrix."""
        return prod(self.sizes) * np.dtype(self.dtype).itemsize

    @cached_property
    def dtype(self) -> str:
        """Name of the matrix's dtype."""
        return self.signature.dtype(self.wrt)

    @cached_property
    def view(self) -> View:
        """The function seen from the variable."""
        return viewed(self.signature, self.selection, self.dtype, self.precision)


def problem(
    signature: Signature,
    arrays: Mapping[str, np.ndarray],
    weak: frozenset[str] = frozenset(),
    *,
    wrt: str | None = None,
    precision: Precision = "highest",
) -> Problem:
    """Check named arrays against a function's spec, and cast them.

    Args:
        signature: of the function.
        arrays: by dotted name below ``x1`` and ``x2``; one more leading axis than the spec is a batch.
        weak: names of the arrays that were JSON numbers.
        wrt: the variable; the function's own by default.
        precision: of the products.

    Raises:
        SpecMismatch: for names, shapes, dtypes, bounds or a wrt that do not fit, saying what would.
    """
    wrt = wrt or signature.function.wrt
    selection = signature.selection(wrt)
    known = _known(signature)
    if not arrays.keys() <= known:
        unknown = next(name for name in arrays if name not in known)
        raise SpecMismatch(_unknown(unknown, signature, arrays))
    left = _side("x1", signature, arrays, weak)
    right = _side("x2", signature, arrays, weak) if _given("x2", arrays) else None
    return Problem(signature, left, right, wrt, selection, precision)


def _given(root: str, arrays: Mapping[str, np.ndarray]) -> bool:
    return root in arrays or any(name.startswith(f"{root}.") for name in arrays)


def _known(signature: Signature) -> frozenset[str]:
    """Names that arrays can have; remembered, since every request asks."""
    kept = signature.function.kept
    if "names" not in kept:
        kept["names"] = frozenset(
            render(root, *path) for root in ("x1", "x2") for path in _reachable(signature)
        )
    return kept["names"]


def _reachable(signature: Signature) -> set[Path]:
    """Paths of the leaves, and of the sequences above them that one array may hold whole."""
    paths = set(signature.x_paths)
    for path in signature.x_paths:
        depth = len(path)
        while depth and path[depth - 1].isdigit():
            depth -= 1
            paths.add(path[:depth])
    return paths


def _unknown(name: str, signature: Signature, arrays: Mapping[str, np.ndarray]) -> str:
    root = name.partition(".")[0]
    root = root if root in ("x1", "x2") else "x1"
    expected = ", ".join(
        f"{render(root, *path)} {_spec_text(signature, i)}" for i, path in enumerate(signature.x_paths)
    )
    if signature.x_paths == ((),) and name.startswith((f"{root}.0", f"{root}.1")):
        return f"{root} is ragged, or holds objects; expected {expected}, or a batch of them"
    return f"array {name[:64]!r} is not part of x; expected {expected}; came {_names(arrays)}"


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    """The names that came, each and all of them cut where they are long."""
    names = [name if len(name) <= 64 else f"{name[:64]}…" for name in sorted(arrays)]
    return ", ".join(names[:8] + ["…"] * (len(names) > 8)) or "none"


def _spec_text(signature: Signature, index: int) -> str:
    spec = signature.x_specs[index]
    return f"{spec.dtype} {list(spec.shape)}"


def _side(root: str, signature: Signature, arrays: Mapping[str, np.ndarray], weak: frozenset[str]) -> Side:
    if signature.x_paths == ((),) and root in arrays:  # what most functions take, and most requests bring
        array, spec = arrays[root], signature.x_specs[0]
        n = _examples(root, array, spec.shape)
        leaf = cast(root, array, signature.x_avals[0].dtype, spec, root in weak)
        return Side((leaf if n is not None else leaf[None],), 1 if n is None else n, n is not None)
    leaves: list[np.ndarray] = []
    counts: dict[str, int | None] = {}
    taken: list[tuple[str, tuple[int, ...]]] = []
    for path, spec, aval in zip(signature.x_paths, signature.x_specs, signature.x_avals, strict=True):
        name = render(root, *path)
        array, source, inside = _find(root, path, arrays)
        taken.append((source, inside))
        counts[name] = _examples(name, array, spec.shape)
        leaves.append(cast(name, array, np.dtype(aval.dtype), spec, source in weak))
    _check_nothing_is_left(root, arrays, taken)
    if len(set(counts.values())) > 1:
        raise SpecMismatch(
            f"the arrays of {root} do not agree: "
            + ", ".join(f"{name} {'single' if n is None else f'n = {n}'}" for name, n in counts.items())
            + "; expected all single, or all with one n"
        )
    n = next(iter(counts.values()))
    batch = tuple(leaf if n is not None else leaf[None] for leaf in leaves)
    return Side(batch, 1 if n is None else n, n is not None)


def _examples(name: str, array: np.ndarray, shape: tuple[int, ...]) -> int | None:
    """How many examples an array holds; None for one without a batch axis."""
    if array.shape == shape:
        return None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and array.shape[0] > 0:
        return array.shape[0]
    raise SpecMismatch(
        f"{name} has shape {list(array.shape)}; expected {list(shape)} for one example, "
        f"or {['n', *shape]} with n > 0 for a batch".replace("'n'", "n")
    )


def _check_nothing_is_left(
    root: str, arrays: Mapping[str, np.ndarray], taken: list[tuple[str, tuple[int, ...]]]
) -> None:
    """Refuse arrays, and parts of arrays that stand for sequences, which no leaf took."""
    sources = {source for source, _ in taken}
    for name in arrays:
        if name.partition(".")[0] == root and name not in sources:
            raise SpecMismatch(
                f"array {name!r} is given beside the arrays below it; expected one or the other"
            )
    parts: dict[tuple[str, tuple[int, ...]], set[int]] = {}
    for source, inside in taken:
        for depth, index in enumerate(inside):
            parts.setdefault((source, inside[:depth]), set()).add(index)
    for (source, prefix), indices in parts.items():
        came = arrays[source].shape[len(prefix)]
        if came != len(indices):
            raise SpecMismatch(f"{source} has {came} parts; expected {len(indices)}, one for each array of x")


def _find(root: str, path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str, tuple[int, ...]]:
    """The array of one leaf, the name that it came under, and where in that array it lies."""
    inside: tuple[int, ...] = ()
    above: Any = path
    while True:
        name = render(root, *above)
        if name in arrays:
            array = arrays[name]
            for index in inside:
                if array.ndim == 0 or index >= len(array):
                    raise SpecMismatch(f"{name} has shape {list(array.shape)}: it has no part {index}")
                array = array[index]
            return array, name, inside
        if not above or not above[-1].isdigit():
            raise SpecMismatch(f"array {render(root, *path)!r} is missing; came {_names(arrays)}")
        inside = (int(above[-1]), *inside)
        above = above[:-1]
