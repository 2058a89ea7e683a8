r"""``conv_general_dilated``: $y_{esf} = \sum_c a_{esc}\,\theta_{ecf}$ with a the patches of the input.

Feature groups are E, output pixels S, a patch C, the output features of a group F.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from app.engine.structure.uses import Axes, Use, factored
from app.engine.structure.values import LinearView
from app.engine.structure.windows import Windows


def convolution(
    view: LinearView, position: int, arrays: Sequence[Array], params: Mapping[str, Any]
) -> Use | None:
    """A leaf as the kernel of a convolution; None for a leaf that is convolved, or with grouped batches.

    Args:
        view: of the leaf, as operand ``position``.
        position: 1 for the kernel.
        arrays: input and kernel.
        params: of the equation.
    """
    if position != 1 or params["batch_group_count"] != 1:
        return None
    numbers, groups = params["dimension_numbers"], params["feature_group_count"]
    image = arrays[0].transpose(numbers.lhs_spec)
    index = view.index.transpose(numbers.rhs_spec)
    features, depth, *window = index.shape
    index = index.reshape(groups, features // groups, depth, *window)
    index = index.transpose(0, *range(2, index.ndim), 1)  # [g, I, *window, O / g]
    patches = _patches(image, window, params)  # [N, channels, *window, *out]
    count, channels, out = image.shape[0], image.shape[1], patches.shape[2 + len(window) :]
    patches = patches.reshape(count, groups, channels // groups, *window, *out)
    d = len(window)
    a = patches.transpose(1, 0, *range(3 + d, 3 + 2 * d), *range(2, 3 + d))  # [g, N, *out, I, *window]

    def arrange(cotangent: Array) -> Array:
        g = cotangent.transpose(numbers.out_spec).reshape(count, groups, features // groups, *out)
        return g.transpose(1, 0, *range(3, 3 + d), 2)

    use = factored(view, index, Axes(1, 1 + d, 1 + d, 1), a, arrange)
    whole = (groups, count * prod(out), channels // groups * prod(window))
    if use is None or use.a is None or use.a.shape != whole or not _side_by_side(window, params):
        return use
    return replace(use, windows=Windows.of(image.shape[2:], window, params["padding"]))


def _side_by_side(window: Sequence[int], params: Mapping[str, Any]) -> bool:
    """Whether windows are next to each other, without gaps in them, and share pixels."""
    steps = (*params["window_strides"], *params["lhs_dilation"], *params["rhs_dilation"])
    return prod(window) > 1 and all(step == 1 for step in steps)


def _patches(image: Array, window: Sequence[int], params: Mapping[str, Any]) -> Array:
    """What each output pixel sees: ``[N, C, *space]`` -> ``[N, C, *window, *out]``."""
    strides, dilation = params["window_strides"], params["rhs_dilation"]
    inside = [size - 1 for size in params["lhs_dilation"]]
    config = [(0, 0, 0)] * 2 + [(*sides, gap) for sides, gap in zip(params["padding"], inside, strict=True)]
    image = lax.pad(image, jnp.zeros((), image.dtype), config)
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    out = [
        (size - far) // stride + 1 for size, far, stride in zip(image.shape[2:], reach, strides, strict=True)
    ]
    pieces = [
        _shifted(image, [at * step for at, step in zip(place, dilation, strict=True)], out, strides)
        for place in product(*map(range, window))
    ]
    return jnp.stack(pieces, 2).reshape(*image.shape[:2], *window, *out)


def _shifted(image: Array, start: Sequence[int], out: Sequence[int], strides: Sequence[int]) -> Array:
    stop = [at + (size - 1) * stride + 1 for at, size, stride in zip(start, out, strides, strict=True)]
    return lax.slice(image, (0, 0, *start), (*image.shape[:2], *stop), (1, 1, *strides))
