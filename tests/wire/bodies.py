"""Bodies as clients write them: by NumPy, by the standard library, or byte by byte for those that lie."""

import base64
import io
import json
import struct
import zipfile
from collections.abc import Sequence

import ml_dtypes
import numpy as np

from app.specs import Answer, Block

JSON = "application/json"
FORM = "multipart/form-data; boundary=edge"
NPY = "application/x-npy"
NPZ = "application/x-npz"
SAFETENSORS = "application/vnd.safetensors"
LIMIT_BYTES = 1 << 20
WORDS = {
    "bool": "BOOL",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}


def dtype_of(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def document(**fields: object) -> bytes:
    return json.dumps({"function": "f", **fields}).encode()


def in_base64(array: np.ndarray) -> dict[str, object]:
    little = array.astype(array.dtype.newbyteorder("<"))
    text = base64.b64encode(little.tobytes(order="C")).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "base64": text}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_raw(header: str | bytes, data: bytes = b"", version: bytes = b"\x01\x00", width: int = 2) -> bytes:
    """An ``.npy`` file whose header says what the test wants."""
    text = header if isinstance(header, bytes) else header.encode("utf-8")
    return b"\x93NUMPY" + version + len(text).to_bytes(width, "little") + text + data


def npy_claim(
    descr: str = "'<f8'", order: str = "False", shape: str = "(2,)", data: bytes = bytes(16)
) -> bytes:
    return npy_raw(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n", data)


def npz(**arrays: np.ndarray) -> bytes:
    return archive([(f"{name}.npy", npy(array)) for name, array in arrays.items()])


def npz_deflated(**arrays: np.ndarray) -> bytes:
    return archive([(f"{name}.npy", npy(array)) for name, array in arrays.items()], zipfile.ZIP_DEFLATED)


def archive(members: Sequence[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, data in members:
            target.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return file.getvalue()


def safetensors_raw(header: object, data: bytes = b"") -> bytes:
    """A safetensors file whose header is an object, or the text that the test wants."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def claim(dtype: object = "F64", shape: object = (2,), offsets: object = (0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def safetensors(**arrays: np.ndarray) -> bytes:
    header, data = {}, b""
    for name, array in arrays.items():
        piece = array.astype(array.dtype.newbyteorder("<")).tobytes(order="C")
        header[name] = claim(WORDS[array.dtype.name], array.shape, (len(data), len(data) + len(piece)))
        data += piece
    return safetensors_raw(header, data)


def part(name: str, data: bytes | str, filename: str | None = None, extra: str = "") -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{extra}\r\n'
    return head.encode() + (data.encode() if isinstance(data, str) else data) + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


def form_of(**arrays: np.ndarray) -> bytes:
    return form(part("function", "f"), *(part(name, npy(array), "a.npy") for name, array in arrays.items()))


def valid(array: np.ndarray) -> dict[str, bytes]:
    """One good body of every format, by Content-Type, with x1 and where it can be x2."""
    return {
        JSON: document(
            x1=array.tolist(), x2={"a.b": in_base64(array), "c": 1}, wrt="x", deadline_seconds=5.5
        ),
        FORM: form_of(x1=array, x2=array),
        NPY: npy(array),
        NPZ: npz(x1=array, x2=array),
        SAFETENSORS: safetensors(x1=array, x2=array),
    }


def answer(matrix: np.ndarray, function: str = "f") -> Answer:
    """An answer of two blocks, so that encoders put one together."""
    n1, _, n2, _ = sizes = matrix.shape
    cut = (n1 + 1) // 2
    blocks = [Block((a, b), (0, n2), matrix[a:b]) for a, b in ((0, cut), (cut, n1)) if a < b]
    return Answer(function, "12345678", "x", "forward", sizes, sizes, matrix.dtype.name, blocks)
