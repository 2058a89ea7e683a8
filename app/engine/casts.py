"""An array as it came → the dtype of the spec, or a refusal. Values are never changed in silence.

came        spec float                    spec integer                  spec bool
floating    cast; finite → inf refused    refused                       refused
integer     cast; finite → inf refused    if every value fits           refused
bool        cast                          cast                          as it is
JSON        cast; finite → inf refused    if integral and it fits       0 and 1
"""

from functools import lru_cache

import ml_dtypes
import numpy as np

from app.errors import SpecMismatch
from app.specs import ArraySpec

# The largest integer below which every integer has a float64 of its own.
_EXACT = 2**53


def cast(name: str, array: np.ndarray, dtype: np.dtype, spec: ArraySpec, weak: bool) -> np.ndarray:
    """Cast an array to a dtype, and hold integers against the spec's bounds.

    Args:
        name: of the array, for the refusal.
        array: any shape.
        dtype: what travels to the device.
        spec: what was declared.
        weak: whether it came as JSON numbers.

    Raises:
        SpecMismatch: for values that the dtype cannot hold, or out of bounds.
    """
    if _floating(dtype):
        return _to_float(name, array, dtype)
    if dtype == np.bool_:
        return _to_bool(name, array, weak)
    result = _to_integer(name, array, dtype, weak)
    _check_bounds(name, result, spec)
    return result


def _floating(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def _to_float(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        result = array.astype(dtype)
    if _finite_range(array.dtype) <= _finite_range(dtype):
        return result
    finite = np.isfinite(result)
    if finite.all():
        return result
    # Infinities that came stay; a finite number may not become one.
    lost = ~finite & (np.isfinite(array) if _floating(array.dtype) else True)
    if lost.any():
        raise SpecMismatch(
            f"{name} holds {array[lost][0]!s}, which {dtype.name} cannot hold: it would be infinite"
        )
    return result


@lru_cache(maxsize=64)
def _finite_range(dtype: np.dtype) -> float:
    return float(ml_dtypes.finfo(dtype).max) if _floating(dtype) else 2.0 ** (8 * dtype.itemsize)


def _to_bool(name: str, array: np.ndarray, weak: bool) -> np.ndarray:
    if array.dtype == np.bool_:
        return array
    if weak and np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    raise SpecMismatch(f"{name} is {_came(array, weak)}; expected bool{', as 0 and 1' if weak else ''}")


def _to_integer(name: str, array: np.ndarray, dtype: np.dtype, weak: bool) -> np.ndarray:
    if array.dtype == dtype:
        return array
    if _floating(array.dtype):
        if not weak:
            raise SpecMismatch(
                f"{name} is {array.dtype.name}; expected {dtype.name}: floats are not cast to integers"
            )
        odd = ~((np.abs(array) <= _EXACT) & (array == np.trunc(array)))
        if odd.any():
            raise SpecMismatch(f"{name} holds {array[odd][0]!s}; expected integers of {dtype.name}")
        array = array.astype(np.int64)
    info = np.iinfo(dtype)
    if (
        array.size
        and array.dtype != np.bool_
        and not (info.min <= int(array.min()) and int(array.max()) <= info.max)
    ):
        raise SpecMismatch(
            f"{name} holds values from {array.min()} to {array.max()}; "
            f"{dtype.name} holds {info.min} to {info.max}"
        )
    return array.astype(dtype)


def _check_bounds(name: str, array: np.ndarray, spec: ArraySpec) -> None:
    for bound, outside in ((spec.low, np.less), (spec.high, np.greater_equal)):
        if bound is not None and (out := outside(array, bound)).any():
            raise SpecMismatch(
                f"{name} holds {array[out][0]}, out of bounds; expected {spec.low} <= value < {spec.high}"
            )


def _came(array: np.ndarray, weak: bool) -> str:
    return "JSON numbers" if weak else array.dtype.name
