"""Our formats against what everyone would write: ``json`` with NumPy, ``np.load``, ``safetensors.numpy``.

Expected: JSON several times faster both ways from a thousand numbers on, since the text goes straight into
a buffer and out of one; the binary formats as fast as the plain way or faster, since both copy memory.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import safetensors.numpy

from app import wire
from app.specs import Answer, Block
from benchmarks.measure import Timed, by_turns, machine
from benchmarks.report import bars, table, write

SIZES = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]
LIMIT_BYTES = 1 << 32
Case = tuple[Callable[[], object], Callable[[], object]]


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


def plain_json(body: bytes) -> np.ndarray:
    """Read x1 as everyone would."""
    return np.array(json.loads(body)["x1"], np.float32)


def ours(kind: str, body: bytes) -> Callable[[], object]:
    """Decode a body as the service does, with the cast to the spec's float32."""
    return lambda: wire.decode(kind, body, LIMIT_BYTES).arrays["x1"].astype(np.float32, copy=False)


def plain_base64(array: np.ndarray) -> dict[str, object]:
    """An array in base64 as everyone would write it."""
    text = base64.b64encode(array.tobytes()).decode()
    return {"dtype": "float32", "shape": list(array.shape), "base64": text}


def decoding(x: np.ndarray) -> Iterator[tuple[str, Case]]:
    """Each format's reader, ours and the plain one."""
    text = json.dumps({"function": "f", "x1": x.tolist()}).encode()
    yield "JSON", (ours("application/json", text), lambda: plain_json(text))
    coded = json.dumps({"function": "f", "x1": plain_base64(x)}).encode()

    def plain() -> np.ndarray:
        fields = json.loads(coded)["x1"]
        data = base64.b64decode(fields["base64"])
        return np.frombuffer(data, fields["dtype"]).reshape(fields["shape"])

    yield "base64", (ours("application/json", coded), plain)
    file = npy(x)
    yield "npy", (ours("application/x-npy", file), lambda: np.load(io.BytesIO(file)))
    archive = npz("x1", x)
    yield "npz", (ours("application/x-npz", archive), lambda: np.load(io.BytesIO(archive))["x1"])
    tensors = safetensors.numpy.save({"x1": x})
    yield (
        "safetensors",
        (ours("application/vnd.safetensors", tensors), lambda: safetensors.numpy.load(tensors)["x1"]),
    )


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


def measured(x: np.ndarray) -> Iterator[tuple[str, str, Timed]]:
    """Direction, format and times."""
    for direction, cases in (("decode", decoding(x)), ("encode", encoding(x))):
        for name, (own, plain) in cases:
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
