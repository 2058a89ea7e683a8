"""A function and a pool of inputs -> questions, each with the matrix that is right. Sends nothing.

K of the whole pool is computed once, in float64 and from dense Jacobians; what a question should be answered
is then a part of it. Inputs differ from question to question, so that an answer that belongs to another
client shows.
"""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from app.function import Function

POOL = 24
USUAL, UNUSUAL = (1, 3), 12
SLACK = 256  # eps of the rows' norms: each function of the soak is well under it, a wrong input far over
JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
SAFETENSORS, FORM = "application/vnd.safetensors", "multipart/form-data; boundary=edge"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Subject:
    """A function, and what it says of a pool of inputs.

    Args:
        name: of the function.
        inputs: ``[m, *in]``.
        table: K of the pool, float64 ``[m, k, m, k]``.
        norms: of the rows of J, ``[m, k]``.
        most: examples that one side of a question has, at most.
    """

    name: str
    inputs: np.ndarray
    table: np.ndarray
    norms: np.ndarray
    most: int


def subject(function: Function, most: int) -> Subject:
    """Compute K of a random pool; x is one array, and J is that of the function's own ``wrt``."""
    spec, random = function.x, np.random.default_rng(7)
    low, high = (0.1, 1.0) if spec.low is None else (spec.low, spec.high)
    inputs = random.uniform(low, high, (POOL, *spec.shape)).astype(spec.dtype)
    with jax.enable_x64(True):
        params = function.params() if callable(function.params) else function.params
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), params)

        def flat(variable: Any, x: Any) -> jax.Array:
            y = function.apply(*((wide, variable) if function.wrt == "x" else (variable, x)))
            return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(y)])

        def rows(x: jax.Array) -> jax.Array:
            found = jax.jacrev(flat)(x if function.wrt == "x" else wide, x)
            leaves = jax.tree.leaves(found)
            return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)

        dense = np.asarray(jax.jit(jax.vmap(rows))(jnp.asarray(inputs, "float64")))
    return Subject(
        function.name, inputs, np.tensordot(dense, dense, (2, 2)), np.linalg.norm(dense, axis=2), most
    )


@dataclass(frozen=True)
class Question:
    """Which examples of a pool are asked for, and in what format.

    Args:
        subject: the pool.
        first: places in the pool, of x1; a number for one example without a batch axis.
        second: of x2; None where it is left out.
        asked: a key of ``REQUESTS``.
        answered: a key of ``ANSWERS``.
    """

    subject: Subject
    first: list[int] | int
    second: list[int] | int | None
    asked: str
    answered: str

    def request(self) -> tuple[str, dict[str, str], bytes]:
        """Path with its query, headers and body."""
        kind, in_query, write = REQUESTS[self.asked]
        arrays = {"x1": self.subject.inputs[self.first]}
        if self.second is not None:
            arrays["x2"] = self.subject.inputs[self.second]
        accept, option, _ = ANSWERS[self.answered]
        query = [f"function={self.subject.name}"] * in_query + [option] * bool(option)
        headers = {"Content-Type": kind, "Accept": accept}
        return "/jjt?" + "&".join(query), headers, write(self.subject.name, arrays)

    def wrong(self, content: bytes) -> str:
        """What is wrong with the body of a 200; nothing if nothing is."""
        matrix = ANSWERS[self.answered][2](content)
        second = self.first if self.second is None else self.second
        wanted = self.subject.table[self.first][..., second, :]
        if matrix.shape != wanted.shape:
            return f"shape {matrix.shape} for {wanted.shape}"
        norms = self.subject.norms
        scale = np.multiply.outer(norms[self.first], norms[second])
        allowed = SLACK * float(np.finfo(matrix.dtype).eps) * scale
        missed = np.abs(matrix - wanted)
        if (missed <= allowed).all():
            return ""
        return f"off by {np.max(missed / scale):.2e} of the rows' norms"


def draw(subjects: list[Subject], source: Random, n: int | None = None) -> Question:
    """A random question.

    Args:
        subjects: one of which it is about.
        source: of randomness.
        n: examples on both sides; left out, most questions have ``USUAL`` ones, whose programs are there, and
            one in ``UNUSUAL`` has any number, for which one has to be compiled.
    """
    about = source.choice(subjects)
    unusual = source.randrange(UNUSUAL) == 0

    def side() -> list[int] | int:
        if n is None and source.random() < 0.2:
            return source.randrange(POOL)
        few = source.randint(1, about.most) if unusual else source.choice(USUAL)
        return source.choices(range(POOL), k=n or few)

    second = side() if source.random() < 0.7 else None
    return Question(about, side(), second, source.choice([*REQUESTS]), source.choice([*ANSWERS]))


def _lists(name: str, arrays: Arrays) -> bytes:
    return json.dumps({"function": name, **{key: array.tolist() for key, array in arrays.items()}}).encode()


def _base64(name: str, arrays: Arrays) -> bytes:
    fields = {
        key: {
            "dtype": array.dtype.name,
            "shape": array.shape,
            "base64": base64.b64encode(array.tobytes()).decode(),
        }
        for key, array in arrays.items()
    }
    return json.dumps({"function": name, **fields}).encode()


def _npz(_: str, arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _form(name: str, arrays: Arrays) -> bytes:
    parts = [f'--edge\r\nContent-Disposition: form-data; name="function"\r\n\r\n{name}\r\n'.encode()]
    for key, array in arrays.items():
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        head = f'--edge\r\nContent-Disposition: form-data; name="{key}"; filename="{key}.npy"\r\n\r\n'
        parts.append(head.encode() + file.getvalue() + b"\r\n")
    return b"".join(parts) + b"--edge--\r\n"


def _from_lists(content: bytes) -> np.ndarray:
    answer = json.loads(content)
    return np.array(answer["matrix"], answer["dtype"])


def _from_base64(content: bytes) -> np.ndarray:
    matrix = json.loads(content)["matrix"]
    return np.frombuffer(base64.b64decode(matrix["base64"]), matrix["dtype"]).reshape(matrix["shape"])


# Content-Type, whether the function is named in the query, and the body.
REQUESTS: dict[str, tuple[str, bool, Callable[[str, Arrays], bytes]]] = {
    "lists": (JSON, False, _lists),
    "base64": (JSON, False, _base64),
    "form": (FORM, False, _form),
    "npz": (NPZ, True, _npz),
    "safetensors": (SAFETENSORS, True, lambda _, arrays: safetensors.numpy.save(arrays)),
}
# Accept, an option of the query, and how the matrix is read.
ANSWERS: dict[str, tuple[str, str, Callable[[bytes], np.ndarray]]] = {
    "lists": (JSON, "", _from_lists),
    "base64": (JSON, "arrays=base64", _from_base64),
    "npy": (NPY, "", lambda content: np.load(io.BytesIO(content))),
    "npz": (NPZ, "", lambda content: np.load(io.BytesIO(content))["matrix"]),
    "safetensors": (SAFETENSORS, "", lambda content: safetensors.numpy.load(content)["matrix"]),
}
