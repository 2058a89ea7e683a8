"""What is written is what the format's own library reads, bit for bit."""

import ml_dtypes
import numpy as np
import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from jjt_client import InvalidInput
from jjt_client.safetensors import WORDS, write_safetensors

DTYPES = {name: np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name) for name in WORDS}
SHAPES = [(), (1,), (0,), (2, 0, 3), (3,), (2, 3), (2, 3, 5)]


def read(data: bytes) -> dict[str, np.ndarray]:
    """By the library of the format; its NumPy reader has no bfloat16."""
    by_word = {word: name for name, word in WORDS.items()}
    return {
        name: np.frombuffer(bytes(held["data"]), DTYPES[by_word[held["dtype"]]]).reshape(held["shape"])
        for name, held in safetensors.deserialize(data)
    }


def numbered(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Different bits in every place."""
    bits = np.random.default_rng(7).integers(0, 2 if dtype.kind == "b" else 256, (*shape, dtype.itemsize))
    return bits.astype(np.uint8).view(dtype).reshape(shape)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal in dtype, shape and every bit, NaN and -0.0 included."""
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", WORDS)
def test_every_dtype_and_shape_arrives_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    array = numbered(DTYPES[name], shape)
    assert same_bits(read(write_safetensors({"x1": array}))["x1"], array)


@pytest.mark.parametrize("name", WORDS)
def test_order_strides_and_byte_order_change_nothing(name: str) -> None:
    array = numbered(DTYPES[name], (4, 6, 5))
    wide = numbered(DTYPES[name], (8, 6, 5))
    wide[::2] = array
    turned = {
        "fortran": np.asarray(array, order="F"),
        "transposed": np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0),
        "strided": wide[::2],
        "backwards": np.ascontiguousarray(array[::-1, :, ::-1])[::-1, :, ::-1],
    }
    if name != "bfloat16":  # has no other byte order
        turned["big"] = array.astype(DTYPES[name].newbyteorder(">"))
        turned["big fortran"] = np.asarray(turned["big"], order="F")
    for how, found in read(write_safetensors(turned)).items():
        assert same_bits(found, array), how


def test_signs_of_zero_nan_infinities_and_denormals_keep_their_bits() -> None:
    bits = np.array([0x80000000, 0x7FC00001, 0xFFC12345, 0x7F800000, 0xFF800000, 1, 0x807FFFFF], np.uint32)
    array = bits.view(np.float32)
    assert same_bits(read(write_safetensors({"x1": array}))["x1"], array)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
            lambda name: name != "__metadata__"
        ),
        nps.arrays(nps.floating_dtypes() | nps.integer_dtypes(), nps.array_shapes(min_dims=0, min_side=0)),
        min_size=1,
        max_size=4,
    )
)
def test_any_arrays_under_any_names_arrive(arrays: dict[str, np.ndarray]) -> None:
    found = read(write_safetensors(arrays))
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert same_bits(found[name], np.asarray(array, array.dtype.newbyteorder("="), order="C"))


@pytest.mark.parametrize(
    "dtype", ["complex64", "longdouble", "U3", "O", "M8[s]", "V2", ml_dtypes.float8_e4m3]
)
def test_a_dtype_that_the_service_does_not_read_is_refused(dtype: str) -> None:
    with pytest.raises(InvalidInput, match=r"^x1\.a: dtype .*cast it"):
        write_safetensors({"x1.a": np.zeros(2, dtype)})
