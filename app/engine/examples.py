"""Inputs to try a function with: its own example, or random ones in the bounds of its spec."""

from typing import Any

import numpy as np

from app.engine.signature import Signature
from app.specs import FLOATS, ArraySpec


def random_examples(signature: Signature, n: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Leaves of n random examples, each ``[n, *leaf]``, in the dtypes that travel to the device."""
    return [
        _draw(spec, (n, *spec.shape), generator).astype(aval.dtype)
        for spec, aval in zip(signature.x_specs, signature.x_avals, strict=True)
    ]


def example(
    signature: Signature, n1: int | None = None, n2: int | None = None, seed: int = 0
) -> tuple[Any, Any]:
    """Both inputs of a function, as trees of NumPy arrays.

    Args:
        signature: its shapes.
        n1: examples of x1, or None for a single one.
        n2: examples of x2, or None for a single one.
        seed: of the random inputs.

    Returns:
        The function's own ``(x1, x2)`` where it declares one and no number is given, else random ones.
    """
    declared = signature.function.example
    if declared is not None and n1 is None and n2 is None:
        return declared()
    generator = np.random.default_rng(seed)
    return _tree(signature, n1, generator), _tree(signature, n2, generator)


def _tree(signature: Signature, n: int | None, generator: np.random.Generator) -> Any:
    leaves = random_examples(signature, n or 1, generator)
    return signature.x_treedef.unflatten(leaves if n is not None else [leaf[0] for leaf in leaves])


def _draw(spec: ArraySpec, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    if spec.dtype == "bool":
        return generator.random(shape) < 0.5
    if spec.dtype in FLOATS:
        if spec.low is None or spec.high is None:
            return generator.standard_normal(shape) + (spec.low or 0.0)
        return generator.uniform(spec.low, spec.high, shape)
    low = int(spec.low) if spec.low is not None else 0
    high = int(spec.high) if spec.high is not None else low + 10
    return generator.integers(low, high, shape)
