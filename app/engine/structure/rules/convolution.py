r"""``conv_general_dilated``: $y_{esf} = \sum_c a_{esc}\,\theta_{ecf}$ with a the patches of the input.

Feature groups are E, output pixels S, a patch C, the output features of a group F.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    samples, channels, *space = numbers.lhs_spec
    image = arrays[0].transpose(samples, *space, channels)
    index = view.index.transpose(numbers.rhs_spec)
    features, depth, *window = index.shape
    d = len(window)
    index = index.reshape(groups, features // groups, depth, *window)
    index = index.transpose(0, *range(3, 3 + d), 2, 1)  # [g, *window, I, O / g]
    patches = _patches(image, window, params)  # [N, *out, *window, C]
    count, *out = patches.shape[: 1 + d]
    patches = patches.reshape(*patches.shape[:-1], groups, depth)
    a = jnp.moveaxis(patches, -2, 0)  # [g, N, *out, *window, I]

    def arrange(cotangent: Array) -> Array:
        samples, channels, *space = numbers.out_spec
        g = cotangent.transpose(samples, *space, channels)  # [N, *out, F]
        return jnp.moveaxis(g.reshape(*g.shape[:-1], groups, features // groups), -2, 0)

    use = factored(view, index, Axes(1, 1 + d, 1 + d, 1), a, arrange)
    whole = (groups, count * prod(out), prod(window) * depth)
    if use is None or use.a is None or use.a.shape != whole or not _side_by_side(window, params):
        return use
    return replace(use, windows=Windows.of(image.shape[1:-1], window, params["padding"]))


def _side_by_side(window: Sequence[int], params: Mapping[str, Any]) -> bool:
    """Whether windows are next to each other, without gaps in them, and share pixels."""
    steps = (*params["window_strides"], *params["lhs_dilation"], *params["rhs_dilation"])
    return prod(window) > 1 and all(step == 1 for step in steps)


def _patches(image: Array, window: Sequence[int], params: Mapping[str, Any]) -> Array:
    """What each output pixel sees, made along one dimension at a time.

    ``[N, *space, C]`` -> ``[N, *out, *window, C]``
    """
    strides, dilation = params["window_strides"], params["rhs_dilation"]
    inside = [size - 1 for size in params["lhs_dilation"]]
    sides = [(*each, gap) for each, gap in zip(params["padding"], inside, strict=True)]
    image = lax.pad(image, jnp.zeros((), image.dtype), [(0, 0, 0), *sides, (0, 0, 0)])
    d = len(window)
    # The last first: what lies side by side is copied at once, and more of it each time.
    for at in reversed(range(d)):
        axis, stride, step = 1 + at, strides[at], dilation[at]
        reach = (window[at] - 1) * step + 1
        last = (image.shape[axis] - reach) // stride * stride
        pieces = [
            lax.slice_in_dim(image, start, start + last + 1, stride, axis) for start in range(0, reach, step)
        ]
        image = jnp.stack(pieces, 1 + d)  # before the window's dimensions behind this one
    return image
