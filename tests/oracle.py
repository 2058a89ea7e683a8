r"""The dense answer in float64, and the bound that every other answer is held against.

    |K - K*|  ≤  c · eps · ‖J1 row‖ ‖J2 row‖

An entry of K can cancel to nearly nothing, so the bound is not relative to the entry. Knows no engine:
the grammar of wrt is read here a second time, by other means.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.zoo import Entry, examples

N1, N2 = 3, 2  # examples of x1 and of x2, wherever the zoo is computed
SLACK = 64.0  # c of the bound, unless the function's own rounding needs more
QUICK = {"xla_backend_optimization_level": 0}  # the oracle is run once for each compile

Path = tuple[str, ...]
Sides = tuple[np.ndarray, np.ndarray]  # Jacobians of x1 and of x2


@dataclass(frozen=True)
class Reference:
    """Two dense Jacobians, twice: in float64, and in the function's own dtypes.

    Args:
        exact: ``(J1, J2)``, float64 ``[n1, k, p]`` and ``[n2, k, p]``.
        own: the same, as the function's own dtypes give them.
        eps: of the coarsest dtype among the variable and the outputs.
    """

    exact: Sides
    own: Sides
    eps: float

    @cached_property
    def matrix(self) -> np.ndarray:
        """K*, float64 ``[n1, k, n2, k]``."""
        return gram(*self.exact)

    @cached_property
    def scale(self) -> np.ndarray:
        """The products of the norms of the rows, ``[n1, k, n2, k]``."""
        first, second = (np.linalg.norm(rows, axis=2) for rows in self.exact)
        return np.multiply.outer(first, second)

    @cached_property
    def slack(self) -> float:
        """c: 64, or four times what the dense answer in the function's own dtype misses, if more."""
        missed = np.abs(gram(*self.own) - self.matrix)
        floor = np.where(self.scale > 0, self.eps * self.scale, np.inf)
        return max(SLACK, 4 * float((missed / floor).max()))

    def side(self, rows: slice | int, columns: slice | int) -> "Reference":
        """The same for some examples of either side."""

        def cut(both: Sides) -> Sides:
            first, second = both
            return (
                first[rows].reshape(-1, *first.shape[1:]),
                second[columns].reshape(-1, *second.shape[1:]),
            )

        return Reference(cut(self.exact), cut(self.own), self.eps)

    @property
    def symmetric(self) -> "Reference":
        """The same for x2 = x1."""
        return Reference((self.exact[0], self.exact[0]), (self.own[0], self.own[0]), self.eps)


def gram(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``[n1, k, p]`` and ``[n2, k, p]`` to float64 ``[n1, k, n2, k]``; sums no coarser than float32."""
    wide = np.result_type(first.dtype, np.float32)
    return np.tensordot(first.astype(wide), second.astype(wide), (2, 2)).astype(np.float64)


def close(matrix: np.ndarray, reference: Reference) -> None:
    """Hold a matrix against the bound.

    Args:
        matrix: the answer, of any shape with the entries of ``reference.matrix`` in C order.
        reference: what it should be.

    Raises:
        AssertionError: for a wrong number of entries, a NaN, or an entry past the bound.
    """
    assert matrix.size == reference.matrix.size, f"{matrix.shape} for {reference.matrix.shape}"
    missed = np.abs(matrix.astype(np.float64).reshape(reference.matrix.shape) - reference.matrix)
    allowed = reference.slack * reference.eps * reference.scale
    if not (missed <= allowed).all():
        worst = np.unravel_index(np.argmax(np.nan_to_num(missed - allowed, nan=np.inf)), missed.shape)
        place = tuple(int(index) for index in worst)
        raise AssertionError(
            f"K{place} is off by {missed[worst]:.3e}; allowed are {allowed[worst]:.3e}, "
            f"{reference.slack:.0f} eps of the rows' norms"
        )


def reference(entry: Entry, wrt: str, *, wide: bool = True) -> Reference:
    """The dense answer for ``N1`` and ``N2`` random examples, from ``inputs``.

    Args:
        entry: a function.
        wrt: the variable.
        wide: False for a function that names its dtypes, so that it cannot be traced in float64; the dense
            answer in its own dtypes then stands for the exact one.
    """
    exact, own = _jacobians(entry, wide), _jacobians(entry, False)
    paths = [path for path in own.leaves if any(_matches(pattern, path) for pattern in _patterns(wrt))]

    def rows(dense: _Dense) -> Sides:
        wide = np.result_type(np.float32, *(dense.leaves[path].dtype for path in paths))
        whole = np.concatenate([dense.leaves[path].astype(wide) for path in paths], axis=2)
        return whole[:N1], whole[N1:]

    dtypes = [own.output, *(own.leaves[path].dtype for path in paths)]
    return Reference(rows(exact), rows(own), max(float(jnp.finfo(dtype).eps) for dtype in dtypes))


def inputs(entry: Entry) -> tuple[Any, Any]:
    """The examples that ``reference`` is for: trees with ``N1`` and ``N2`` on the leading axis."""
    return examples(entry, N1, seed=1), examples(entry, N2, seed=2)


def parameters(entry: Entry) -> Any:
    """The entry's parameters, made where they are a callable."""
    params = entry.function.params
    return params() if callable(params) else params


@dataclass(frozen=True)
class _Dense:
    leaves: dict[Path, np.ndarray]  # ("params", "head", "w") -> [N1 + N2, k, size]
    output: np.dtype


@cache
def _jacobians(entry: Entry, exact: bool) -> _Dense:
    """J of both sides with respect to every floating leaf of the parameters and of x."""
    with jax.enable_x64(exact or entry.function.x64):
        both = jax.tree.map(lambda *sides: np.concatenate(sides), *inputs(entry))
        named = jax.tree_util.tree_leaves_with_path({"params": parameters(entry), "x": both})
        shape = jax.tree.structure({"params": parameters(entry), "x": both})
        floats = [jnp.issubdtype(leaf.dtype, jnp.floating) for _, leaf in named]
        leaves = [
            jnp.asarray(leaf, "float64") if exact and is_float else jnp.asarray(leaf)
            for (_, leaf), is_float in zip(named, floats, strict=True)
        ]
        paths = [tuple(jax.tree_util.keystr((key,), simple=True) for key in path) for path, _ in named]
        picked = [index for index, is_float in enumerate(floats) if is_float]

        def flat(variable: list[Any], constants: list[Any]) -> tuple[jax.Array, jax.Array]:
            whole = list(constants)
            for index, value in zip(picked, variable, strict=True):
                whole[index] = value
            tree = jax.tree.unflatten(shape, whole)
            outputs = jax.tree.leaves(entry.function.apply(tree["params"], tree["x"]))
            y = jnp.concatenate([output.ravel() for output in outputs])
            return y, y

        axes = [0 if path[0] == "x" else None for path in paths]
        mode = jax.jacfwd if "contraction" in entry.cannot else jax.jacrev
        dense = jax.vmap(mode(flat, has_aux=True), ([axes[index] for index in picked], axes))
        rows, outputs = jax.jit(dense, compiler_options=QUICK)([leaves[index] for index in picked], leaves)
        found = {
            paths[index]: np.asarray(row).reshape(*row.shape[:2], -1)
            for index, row in zip(picked, rows, strict=True)
        }
        return _Dense(found, outputs.dtype)


def _patterns(wrt: str) -> Iterator[Path]:
    """Split a wrt at its commas and dots, but not within brackets."""
    for part in re.findall(r"(?:\[[^\]]*\]|[^,])+", wrt):
        yield tuple(piece.strip("[]") for piece in re.findall(r"\[[^\]]*\]|[^.\[\]]+", part))


def _matches(pattern: Path, path: Path) -> bool:
    """Whether a path begins with a pattern, component by component."""
    return len(pattern) <= len(path) and all(
        want in ("*", have) for want, have in zip(pattern, path[: len(pattern)], strict=True)
    )
