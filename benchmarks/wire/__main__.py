"""Our formats against what everyone would write: ``json`` with NumPy, ``np.load``, ``safetensors.numpy``.

Expected: JSON several times faster both ways from a thousand numbers on, since the text goes straight into
a buffer and out of one; the binary formats as fast as the plain way or faster, since both copy memory.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import safetensors.numpy

from app import wire
from app.specs import Answer, Block
from benchmarks.measure import Timed, by_turns, machine
from benchmarks.report import bars, table, write

SIZES = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]
LIMIT_BYTES = 1 << 32
MOST_COMPARED = 100_000  # numbers; writing lists of more takes the plain way minutes
Case = tuple[Callable[[], Any], Callable[[], Any]]


def answer(matrix: np.ndarray) -> Answer:
    """A matrix of ``[1, 1, n, 1]`` as the engine hands it over."""
    sizes = (1, 1, matrix.size, 1)
    block = Block((0, 1), (0, matrix.size), matrix.reshape(sizes))
    return Answer("f", "00000000", "x", "contraction", sizes, matrix.shape, "float32", (block,))


def npy(array: np.ndarray) -> bytes:
    """An ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(name: str, array: np.ndarray) -> bytes:
    """An ``.npz`` archive of one array."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{name: array})
    return file.getvalue()


def read_lists(body: bytes, key: str) -> np.ndarray:
    """Read nested lists as everyone would."""
    return np.array(json.loads(body)[key], np.float32)


def read_base64(body: bytes, key: str) -> np.ndarray:
    """Read dtype, shape and base64 as everyone would."""
    fields = json.loads(body)[key]
    data = base64.b64decode(fields["base64"])
    return np.frombuffer(data, fields["dtype"]).reshape(fields["shape"]).astype(np.float32, copy=False)


def read_npy(file: bytes, _key: str) -> np.ndarray:
    """Read an ``.npy`` file."""
    return np.load(io.BytesIO(file)).astype(np.float32, copy=False)


def read_npz(archive: bytes, key: str) -> np.ndarray:
    """Read an array of an ``.npz`` archive."""
    return np.load(io.BytesIO(archive))[key].astype(np.float32, copy=False)


def read_safetensors(file: bytes, key: str) -> np.ndarray:
    """Read an array of a safetensors file."""
    return safetensors.numpy.load(file)[key].astype(np.float32, copy=False)


PLAIN: dict[str, Callable[[bytes, str], np.ndarray]] = {
    "JSON": read_lists,
    "base64": read_base64,
    "npy": read_npy,
    "npz": read_npz,
    "safetensors": read_safetensors,
}


def plain_base64(array: np.ndarray) -> dict[str, object]:
    """An array in base64 as everyone would write it."""
    text = base64.b64encode(array.tobytes()).decode()
    return {"dtype": "float32", "shape": list(array.shape), "base64": text}


def decoding(x: np.ndarray) -> Iterator[tuple[str, Case]]:
    """Each format's reader, ours and the plain one, both with the cast to the spec's float32."""

    def case(name: str, kind: str, body: bytes) -> tuple[str, Case]:
        def own() -> np.ndarray:
            return wire.decode(kind, body, LIMIT_BYTES).arrays["x1"].astype(np.float32, copy=False)

        return name, (own, partial(PLAIN[name], body, "x1"))

    yield case("JSON", "application/json", json.dumps({"function": "f", "x1": x.tolist()}).encode())
    yield case("base64", "application/json", json.dumps({"function": "f", "x1": plain_base64(x)}).encode())
    yield case("npy", "application/x-npy", npy(x))
    yield case("npz", "application/x-npz", npz("x1", x))
    yield case("safetensors", "application/vnd.safetensors", safetensors.numpy.save({"x1": x}))


def encoding(x: np.ndarray) -> Iterator[tuple[str, Case]]:
    """Each format's writer, ours and the plain one."""
    codecs = wire.CODECS

    def encoder(kind: str, arrays: str = "lists") -> Callable[[], object]:
        return lambda: codecs[kind].encode(answer(x), arrays)

    def said(matrix: object) -> bytes:
        finite = int(x.size - np.isfinite(x).sum())
        head = {"function": "f", "version": "00000000", "wrt": "x", "algorithm": "contraction"}
        shape = {"dtype": "float32", "shape": list(x.shape), "non_finite": finite}
        return json.dumps({**head, **shape, "matrix": matrix}).encode()

    yield "JSON", (encoder("application/json"), lambda: said(x.tolist()))
    yield "base64", (encoder("application/json", "base64"), lambda: said(plain_base64(x)))
    yield "npy", (encoder("application/x-npy"), lambda: npy(x))
    yield "npz", (encoder("application/x-npz"), lambda: npz("matrix", x))
    yield (
        "safetensors",
        (encoder("application/vnd.safetensors"), lambda: safetensors.numpy.save({"matrix": x})),
    )


def agree(name: str, own: Any, plain: Any) -> bool:
    """Whether both ways gave the same: values, dtype and shape, and in JSON what stands beside them."""
    if isinstance(own, bytes):
        if name in ("JSON", "base64"):
            heads = [{**json.loads(body), "matrix": None} for body in (own, plain)]
            if heads[0] != heads[1]:
                return False
        own, plain = (PLAIN[name](body, "matrix") for body in (own, plain))
    return own.dtype == plain.dtype and own.shape == plain.shape and np.array_equal(own, plain)


def measured(x: np.ndarray) -> Iterator[tuple[str, str, Timed]]:
    """Direction, format and times."""
    for direction, cases in (("decode", decoding(x)), ("encode", encoding(x))):
        for name, (own, plain) in cases:
            if x.size <= MOST_COMPARED and not agree(name, own(), plain()):
                raise ValueError(f"{direction} {name}: the plain way gives something else")
            yield direction, name, by_turns({"ours": own, "plain": plain}, seconds=1.0, least=3)


def main() -> None:
    """Measure all sizes, and write ``results/wire``."""
    generator = np.random.default_rng(0)
    rows, figures, groups, product = [], [], {}, []
    for size in SIZES:
        x = generator.random(size, np.float32)
        for direction, name, times in measured(x):
            own, plain = times.spread("ours"), times.spread("plain")
            ratio = times.ratio("plain", "ours")
            product += times.product_seconds
            times_each = [f"{one.median * 1e6:,.1f}" for one in (own, plain)]
            rows.append([direction, name, f"{size:,}", *times_each, f"{ratio:.2f}"])
            figures.append(
                {"direction": direction, "format": name, "numbers": size, "ours_seconds": own.median}
                | {"plain_seconds": plain.median, "ratio": ratio.median}
            )
            groups.setdefault(f"{direction} {name}", {})[f"{size:,}"] = ratio.median
    head = ["", "format", "float32 numbers", "ours, µs", "plain, µs", "times faster (quartiles)"]
    note = "Plain: `json` with NumPy, `np.load` / `np.save`, `safetensors.numpy`. Above 1, ours is faster."
    write("wire", f"# Wire\n\n{machine(product)}.\n\n{note}\n\n{table(head, rows)}", figures)
    bars("wire", "Decoding and encoding against the plain way", "times faster than the plain way", groups)


if __name__ == "__main__":
    main()
