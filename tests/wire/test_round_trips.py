"""Every format carries every dtype, shape, order and byte order that it can, bit for bit."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from app import wire
from app.specs import DTYPES
from tests.wire import bodies

SHAPES = [(), (0,), (1,), (7,), (2, 3), (3, 1, 5), (5, 0, 2), (1,) * 32]
FINITE = [0.0, -0.0, 1.0, -1.5, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-45, 0.1, 1 / 3, 1e300, -1e300]
TEXTUAL = {"float16", "float32", "float64"}


def sample(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """An array of random bits: NaNs with payloads, infinities, denormals and all."""
    dtype = bodies.dtype_of(name)
    size = int(np.prod(shape))
    random = np.random.default_rng(seed)
    if name == "bool":
        return random.integers(0, 2, shape).astype(bool)
    return np.frombuffer(random.bytes(size * dtype.itemsize), dtype).reshape(shape)


def writers(name: str) -> dict[str, Callable[[np.ndarray], bytes]]:
    """What carries this dtype: Content-Type -> a body with the array as x1."""
    formats = {
        "base64": lambda array: bodies.document(x1=bodies.in_base64(array)),
        bodies.SAFETENSORS: lambda array: bodies.safetensors(x1=array),
    }
    if name != "bfloat16":  # NumPy writes it as raw bytes
        formats |= {
            bodies.FORM: lambda array: bodies.form_of(x1=array),
            bodies.NPY: bodies.npy,
            bodies.NPZ: lambda array: bodies.npz(x1=array),
            "deflated": lambda array: bodies.npz_deflated(x1=array),
        }
    return formats


def read(label: str, body: bytes) -> np.ndarray:
    content_type = {"base64": bodies.JSON, "deflated": bodies.NPZ}.get(label, label)
    message = wire.decode(content_type, body, bodies.LIMIT_BYTES)
    assert message.weak == frozenset()
    return message.arrays["x1"]


def assert_same_bits(got: np.ndarray, expected: np.ndarray) -> None:
    native = expected.astype(expected.dtype.newbyteorder("="))
    assert got.dtype == native.dtype
    assert got.dtype.isnative
    assert got.shape == native.shape
    assert got.tobytes() == native.tobytes()


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_format_returns_the_bits_that_were_sent(name, shape):
    array = sample(name, shape)
    for label, write in writers(name).items():
        assert_same_bits(read(label, write(array)), array)


@pytest.mark.parametrize("name", [name for name in DTYPES if name not in ("bool", "bfloat16")])
@pytest.mark.parametrize("mark", "<>")
@pytest.mark.parametrize("order", "CF")
def test_npy_honours_both_byte_orders_and_both_axis_orders(name, mark, order):
    native = sample(name, (2, 3, 5))
    array = np.asarray(native.astype(native.dtype.newbyteorder(mark)), order=order)
    body = bodies.npy(array)
    assert (b"'fortran_order': True" in body) == (order == "F")
    for label, write in writers(name).items():
        if label not in ("base64", bodies.SAFETENSORS):
            assert_same_bits(read(label, write(array)), native)


@pytest.mark.parametrize("name", sorted(TEXTUAL))
def test_numbers_in_json_are_the_float64_that_python_reads(name):
    largest = float(np.finfo(name).max)
    array = np.array([number for number in FINITE if abs(number) <= largest], name)
    message = wire.decode(bodies.JSON, bodies.document(x1=array.tolist()), bodies.LIMIT_BYTES)
    assert message.weak == {"x1"}
    assert_same_bits(message.arrays["x1"], np.array(array.tolist(), np.float64))
    assert_same_bits(message.arrays["x1"].astype(name), array)


def matrix(dtype: str, finite: bool = False) -> np.ndarray:
    """A matrix ``[3, 2, 5, 2]`` of random bits, with the numbers that formats lose first."""
    array = sample(dtype, (3, 2, 5, 2), seed=3).copy()
    array.reshape(-1)[:4] = [-0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max, 1 / 3]
    return np.where(np.isfinite(array), array, 0).astype(dtype) if finite else array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", [name for name, codec in wire.CODECS.items() if codec.writes])
@pytest.mark.parametrize("arrays", ["lists", "base64"])
def test_every_answer_is_read_back_by_a_request_of_its_format_with_the_same_bits(dtype, label, arrays):
    expected = matrix(dtype, finite=arrays == "lists" and label == bodies.JSON)
    body = wire.CODECS[label].encode(bodies.answer(expected), arrays)
    if label == bodies.JSON:
        body = bodies.document(x1=json.loads(body)["matrix"])
    else:  # the array's name is the only thing in which answers differ from requests
        body = body.replace(b"matrix", b"x1.abc")
    got = next(iter(wire.decode(label, body, bodies.LIMIT_BYTES).arrays.values()))
    assert_same_bits(got.astype(dtype), expected)


def test_arrays_from_bytes_need_no_copy_and_cannot_be_written_to():
    body = bodies.npy(np.arange(6.0))
    array = wire.decode(bodies.NPY, body, bodies.LIMIT_BYTES).arrays["x1"]
    assert np.shares_memory(array, np.frombuffer(body, np.uint8))
    assert not array.flags.writeable


@pytest.mark.parametrize("shift", range(1, 8))
def test_arrays_at_odd_addresses_are_aligned_for_the_engine(shift):
    header = bodies.npy_raw(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}" + " " * shift, bytes(16)
    )
    assert wire.decode(bodies.NPY, header, bodies.LIMIT_BYTES).arrays["x1"].flags.aligned
