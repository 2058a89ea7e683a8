"""Convolutions: patches are A, whatever strides, padding, dilation, groups and layouts do."""

from itertools import cycle, product

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.structure.gradients import check, numbers

WAYS = {
    "same": {},
    "strided": {"window_strides": (2, 3)},
    "padded": {"padding": [(2, 1), (0, 3)]},
    "dilated": {"rhs_dilation": (2, 1)},
    "transposed": {"lhs_dilation": (2, 2), "padding": [(1, 1), (2, 0)]},
    "grouped": {"feature_group_count": 2},
    "depthwise": {"feature_group_count": 4},
}
LAYOUTS = [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("HWNC", "IOHW", "CHWN")]


@pytest.mark.parametrize(
    ("name", "layout"), [*zip(WAYS, cycle(LAYOUTS), strict=False), *product(["strided"], LAYOUTS)]
)
def test_a_kernel_has_patches_and_the_cotangent_as_factors(name: str, layout: tuple[str, str, str]):
    way = {"window_strides": (1, 1), "padding": "SAME", **WAYS[name]}
    groups = way.get("feature_group_count", 1)
    sizes = {"N": 2, "H": 5, "W": 7, "C": 4}
    window = {"H": 3, "W": 2, "I": 4 // groups, "O": 8}

    def apply(kernel, x):
        return jnp.tanh(lax.conv_general_dilated(x, kernel, dimension_numbers=layout, **way)).sum((0, 1))

    kernel = numbers(*(window[axis] for axis in layout[1]))
    (use,) = check(apply, kernel, numbers(*(sizes[axis] for axis in layout[0])))
    assert use.index.shape == (groups, 4 // groups * 6, 8 // groups)
    assert not use.reason
    assert (use.windows is None) == (name in ("strided", "dilated", "transposed"))


def test_a_leaf_that_is_convolved_falls_back():
    def apply(image, x):
        return lax.conv_general_dilated(image[None], x, (1,), "SAME", dimension_numbers=("NHC", "HIO", "NHC"))

    (use,) = check(apply, numbers(7, 2), numbers(3, 2, 5))
    assert use.reason == "it enters conv_general_dilated"


def test_one_dimension_works_as_two_do():
    def apply(kernel, x):
        image = lax.conv_general_dilated(
            x[None], kernel, (2,), "VALID", dimension_numbers=("NHC", "HIO", "NHC")
        )
        return jnp.tanh(image)

    (use,) = check(apply, numbers(3, 2, 5), numbers(11, 2))
    assert use.a is not None
    assert use.a.shape == (1, 5, 6)
    assert np.sort(use.index.reshape(-1)).tolist() == list(range(30))


@pytest.mark.parametrize(
    ("name", "kernel", "operand", "index"),
    [
        (
            "repeated over features",
            lambda w: jnp.broadcast_to(w[:, :, None], (3, 2, 4)),
            (1, 7, 6),
            (1, 6, 1),
        ),
        ("padded by zeros", lambda w: jnp.pad(w[:, :, None], ((1, 1), (0, 0), (0, 0))), (1, 7, 6), (1, 6, 1)),
        ("turned round", lambda w: w[::-1, :, None], (1, 7, 6), (1, 6, 1)),
    ],
)
def test_a_kernel_behind_a_view_keeps_its_structure(name: str, kernel, operand, index):
    def apply(w, x):
        layout = ("NHC", "HIO", "NHC")
        return jnp.tanh(lax.conv_general_dilated(x[None], kernel(w), (1,), "SAME", dimension_numbers=layout))

    (use,) = check(apply, numbers(3, 2), numbers(7, 2))
    assert use.a is not None
    assert (use.a.shape, use.index.shape) == (operand, index)


def test_padding_below_nothing_cuts_pixels_off():
    def apply(kernel, x):
        return lax.conv_general_dilated(
            x[None],
            kernel,
            (2,),
            [(-1, 2)],
            lhs_dilation=(3,),
            rhs_dilation=(2,),
            dimension_numbers=("NHC", "HIO", "NHC"),
        )

    (use,) = check(apply, numbers(3, 2, 5), numbers(7, 2))
    assert not use.reason


def test_grouped_batches_fall_back():
    def apply(kernel, x):
        layout = ("NHC", "HIO", "NHC")
        return lax.conv_general_dilated(
            x, kernel, (1,), "SAME", dimension_numbers=layout, batch_group_count=2
        )

    (use,) = check(apply, numbers(3, 2, 4), numbers(2, 7, 2))
    assert use.reason == "it enters conv_general_dilated"
