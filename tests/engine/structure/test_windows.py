"""Windows of pixels, summed, are the product of patches: for any windows, paddings, and numbers of images."""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import Array, lax

from app.engine.structure.factors import Factor
from app.engine.structure.orders import ORDERS, Arithmetic
from app.engine.structure.rules.convolution import convolution
from app.engine.structure.values import whole_leaf
from app.engine.structure.windows import Windows
from tests.engine.structure.gradients import numbers
from tests.oracle import QUICK

HOW = Arithmetic("float32", "highest")
IMAGES, CHANNELS = 2, 4  # of one example


@st.composite
def boxes(draw: st.DrawFn) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Pixels, pixels of a window, padding on both sides of each dimension; below nothing it cuts off."""
    dimensions = draw(st.integers(1, 3))
    image, window, padding = [], [], []
    for _ in range(dimensions):
        image.append(draw(st.integers(1, 5)))
        window.append(draw(st.integers(1, 3)))
        padding.append((draw(st.integers(-1, 3)), draw(st.integers(-1, 3))))
    assume(prod(window) > 1)
    for pixels, size, (before, behind) in zip(image, window, padding, strict=True):
        assume(pixels + min(before, 0) + min(behind, 0) > 0)
        assume(pixels + before + behind >= size)
    return image, window, padding


@given(boxes(), st.sampled_from([1, 2]), st.booleans())
def test_the_order_by_windows_gives_what_patches_give(box, groups: int, symmetric: bool):
    image, window, padding = box
    n1, n2 = 3, 3 if symmetric else 2
    kernel = np.zeros((2 * groups, CHANNELS // groups, *window), np.float32)
    view = whole_leaf(0, jnp.asarray(kernel), varies=False).views[0]
    windows = Windows.of(image, window, padding)

    def conv(x: Array, kernel: Array) -> Array:
        ones = [1] * len(window)
        return lax.conv_general_dilated(x, kernel, ones, padding, feature_group_count=groups)

    def patches(x: Array) -> Array:
        (equation,) = jax.make_jaxpr(conv)(x, kernel).eqns
        use = convolution(view, 1, [x, jnp.asarray(kernel)], equation.params)
        assert use is not None
        assert use.a is not None
        assert use.windows == windows
        return use.a

    def run(x1: Array, x2: Array) -> tuple[Array, Array, Array]:
        def factor(x: Array) -> Factor:
            a = jax.vmap(patches)(x)
            return Factor(a, jnp.asarray(numbers(len(x), 2, *a.shape[1:3], 3)), windows=windows)

        one = factor(x1)
        other = one if symmetric else factor(x2)
        assert one.a is not None
        by_patches, by_windows = (ORDERS[name](one, other, HOW) for name in ("inside", "windows"))
        return windows.pixels(one.a), by_patches, by_windows

    sides = [numbers(n, IMAGES, CHANNELS, *image) for n in (n1, n2)]
    pixels, by_patches, by_windows = jax.device_get(jax.jit(run, compiler_options=QUICK)(*sides))
    cut = [
        slice(-min(0, before), size + min(0, behind))
        for size, (before, behind) in zip(image, padding, strict=True)
    ]
    seen = np.moveaxis(sides[0], 2, -1)[:, :, *cut].reshape(
        *pixels.shape[:1], IMAGES, *windows.space, groups, -1
    )
    np.testing.assert_array_equal(pixels, np.moveaxis(seen, -2, 1))
    scale = np.abs(by_patches).max() + 1e-30
    np.testing.assert_allclose(by_windows, by_patches, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_summed_in_the_dtype_of_the_matrix(dtype: str):
    windows = Windows.of([3], [3], [(1, 1)])
    x = numbers(2, 3, 7).astype(dtype)
    padded = jnp.pad(jnp.asarray(x), ((0, 0), (1, 1), (0, 0)))
    a = jnp.stack([padded[:, at : at + 3] for at in range(3)], -2).reshape(2, 1, 3, 21)
    factor = Factor(a, jnp.asarray(numbers(2, 2, 1, 3, 5).astype(dtype)), windows=windows).cast("float32")
    by_patches, by_windows = (ORDERS[name](factor, factor, HOW) for name in ("inside", "windows"))
    assert by_windows.dtype == "float32"
    np.testing.assert_allclose(by_windows, by_patches, rtol=0, atol=1e-5 * float(jnp.abs(by_patches).max()))
