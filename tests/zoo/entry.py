"""What an entry of the zoo is, and random parameters and examples for it. Knows no engine."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from app import ArraySpec, Function, function


@dataclass(frozen=True, eq=False)
class Entry:
    """A function of the zoo, and what is known about it.

    Args:
        function: the function; its sizes are prime and distinct, so that a swapped axis shows.
        wrts: variables that J is taken of.
        cannot: algorithm to the reason why it cannot do this function.
    """

    function: Function
    wrts: tuple[str, ...]
    cannot: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.name


def entry(
    *,
    x: Any,
    params: Any = None,
    wrts: tuple[str, ...] = ("x", "params"),
    cannot: Mapping[str, str] | None = None,
    x64: bool = False,
) -> Callable[[Callable[[Any, Any], Any]], Entry]:
    """Decorate an apply to make an ``Entry``; the first of ``wrts`` is the function's own."""

    def declare(apply: Callable[[Any, Any], Any]) -> Entry:
        declared = function(x=x, params=params, wrt=wrts[0], x64=x64, version="1")(apply)
        return Entry(declared, wrts, cannot or {})

    return declare


def f32(*shape: int, low: float | None = None, high: float | None = None) -> ArraySpec:
    """The spec of a float32 array."""
    return ArraySpec("float32", shape, low, high)


def weights(seed: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Normal numbers of ``shape``, scaled by the last axis as a layer's weights are."""
    numbers = np.random.default_rng(seed).normal(size=shape)
    return np.asarray(numbers / np.sqrt(shape[-1] if shape else 1), dtype)


def examples(entry: Entry, n: int, seed: int = 0) -> Any:
    """``n`` random examples in the bounds of the entry's specs.

    Returns:
        The tree of ``function.x``, each leaf a NumPy array ``[n, *shape]`` of the spec's dtype.
    """
    rng = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])

    def draw(spec: ArraySpec) -> np.ndarray:
        shape = (n, *spec.shape)
        low, high = spec.low, spec.high
        match np.dtype(spec.dtype).kind:
            case "b":
                return rng.integers(0, 2, shape).astype(bool)
            case "i" | "u":
                numbers = rng.integers(int(low or 0), int(high if high is not None else 100), shape)
            case _ if low is not None or high is not None:
                numbers = rng.uniform(low if low is not None else -1, high if high is not None else 1, shape)
            case _:
                numbers = rng.normal(size=shape)
        return numbers.astype(spec.dtype)

    return jax.tree.map(draw, entry.function.x)
