"""What is compared: networks by name and size, with their weights and inputs as NumPy arrays.

Read by every worker in its own environment, so nothing but NumPy is imported here. The functions
themselves are in ``networks`` (JAX) and ``foreign.modules`` (PyTorch), by the same names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.operations import Layer, Work

Tree = dict[str, Any]
HEADS = 4  # of the transformer's attention
NORM_EPSILON = 1e-5  # of layer norm and batch norm


@dataclass(frozen=True)
class Case:
    """A network and how many examples stand on either side.

    Args:
        name: by which workers ask for it.
        title: in the table.
        network: name of the function in ``networks`` and of the module in ``foreign.modules``.
        n: examples of x1 and of x2.
        k: outputs.
        shape: of one example.
        params: what J differentiates: a tree of dicts, the leaves shapes.
        work: what any order of products has to do for it.
        stats: constants of the network, likewise.
    """

    name: str
    title: str
    network: str
    n: tuple[int, int]
    k: int
    shape: tuple[int, ...]
    params: Tree
    work: Work
    stats: Tree = field(default_factory=dict)


@dataclass(frozen=True)
class Arrays:
    """Weights, constants and inputs of one case, float32."""

    params: Tree
    stats: Tree
    x1: np.ndarray
    x2: np.ndarray


def arrays(case: Case) -> Arrays:
    """Weights and inputs of a case, the same at each call.

    Kernels are normal with variance 1 / fan-in; biases and means normal, 0.1; scales and variances about 1.
    """
    generator = np.random.default_rng(1701)
    x1, x2 = (generator.standard_normal((n, *case.shape)).astype(np.float32) for n in case.n)
    return Arrays(_drawn(case.params, generator), _drawn(case.stats, generator), x1, x2)


def _drawn(shapes: Tree, generator: np.random.Generator) -> Tree:
    def leaf(name: str, shape: tuple[int, ...]) -> np.ndarray:
        normal = generator.standard_normal(shape)
        match name:
            case "kernel":
                normal /= np.sqrt(np.prod(shape[:-1]))
            case "scale" | "variance":
                normal = np.exp(0.1 * normal)
            case _:
                normal *= 0.1
        return normal.astype(np.float32)

    return {
        name: _drawn(below, generator) if isinstance(below, dict) else leaf(name, below)
        for name, below in shapes.items()
    }


def save(path: Path, values: Arrays) -> None:
    """Write the arrays of a case as an npz archive.

    Its members are ``x1``, ``x2``, and a leaf each as ``params/PATH`` and ``stats/PATH``, the components of
    PATH joined by ``/``. Kernels of dense layers are ``[in, out]``, of convolutions ``[height, width, in,
    out]``; images are ``[n, height, width, channels]``.
    """
    trees = {"params": values.params, "stats": values.stats}
    np.savez(path, allow_pickle=False, x1=values.x1, x2=values.x2, **dict(_paths(trees)))


def load(path: Path) -> Arrays:
    """Read what ``save`` wrote."""
    trees: Tree = {"params": {}, "stats": {}}
    with np.load(path) as archive:
        for name in archive.files:
            *above, last = name.split("/")
            tree = trees
            for component in above:
                tree = tree.setdefault(component, {})
            tree[last] = archive[name]
    return Arrays(trees["params"], trees["stats"], trees["x1"], trees["x2"])


def _paths(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, below in tree.items():
        if isinstance(below, dict):
            yield from _paths(below, f"{above}{name}/")
        else:
            yield f"{above}{name}", below


def _dense(inputs: int, outputs: int) -> Tree:
    return {"kernel": (inputs, outputs), "bias": (outputs,)}


def _conv(inputs: int, outputs: int, side: int = 3) -> Tree:
    return {"kernel": (side, side, inputs, outputs), "bias": (outputs,)}


def _norm(features: int) -> Tree:
    return {"scale": (features,), "bias": (features,)}


def _perceptron(name: str, title: str, n: int, *widths: int) -> Case:
    pairs = list(pairwise(widths))
    params = {f"dense{index}": _dense(*pair) for index, pair in enumerate(pairs)}
    layers = [Layer(*pair, below=index > 0) for index, pair in enumerate(pairs[:-1])]
    head = Layer(*pairs[-1], head=True)
    work = Work((*layers, head))
    title = f"MLP {title}, {n} × {n} examples"
    return Case(name, title, "perceptron", (n, n), widths[-1], widths[:1], params, work)


def _convolutions(width: int, depth: int, side: int = 8, n: int = 8, k: int = 10) -> Case:
    channels = [3, *[width] * depth]
    params = {f"conv{index}": _conv(*pair) for index, pair in enumerate(pairwise(channels))}
    layers = [
        Layer(*pair, positions=side**2, window=9, below=index > 0)
        for index, pair in enumerate(pairwise(channels))
    ]
    return Case(
        f"cnn_{width}",
        f"CNN {side}×{side}×3, {depth} × conv {width}, {n} × {n} examples",
        "convolutions",
        (n, n),
        k,
        (side, side, 3),
        {**params, "head": _dense(width, k)},
        Work((*layers, Layer(width, k, head=True))),
    )


def _transformer(width: int = 128, tokens: int = 32, n: int = 8, k: int = 10) -> Case:
    square = {name: _dense(width, width) for name in ("query", "key", "value", "out")}
    params = {
        "norm0": _norm(width),
        **square,
        "norm1": _norm(width),
        "up": _dense(width, 4 * width),
        "down": _dense(4 * width, width),
        "head": _dense(width, k),
    }
    sizes = [*[(width, width)] * 4, (width, 4 * width), (4 * width, width)]
    layers = [Layer(*size, positions=tokens) for size in sizes]
    return Case(
        "transformer",
        f"transformer block, d = {width}, {tokens} tokens, {n} × {n} examples",
        "transformer",
        (n, n),
        k,
        (tokens, width),
        params,
        Work(
            (*layers, Layer(width, k, head=True)),
            products=2 * 2 * tokens**2 * width,  # queries with keys, and weights with values
            elementwise=4 * width,
        ),
    )


def _resnet(widths: tuple[int, int] = (32, 64), side: int = 16, n: int = 8, k: int = 10) -> Case:
    """A stem and two residual blocks, the second with stride 2 and a projection past it."""
    first, second = widths
    blocks = {"block0": (first, first), "block1": (first, second)}
    params: Tree = {"stem": _conv(3, first), "norm": _norm(first)}
    stats: Tree = {"norm": _averages(first)}
    for name, (inputs, outputs) in blocks.items():
        params[name] = {
            "conv0": _conv(inputs, outputs),
            "norm0": _norm(outputs),
            "conv1": _conv(outputs, outputs),
            "norm1": _norm(outputs),
        }
        stats[name] = {"norm0": _averages(outputs), "norm1": _averages(outputs)}
    params["block1"]["past"] = _conv(first, second, side=1)
    params["head"] = _dense(second, k)
    large, small = side**2, side**2 // 4
    layers = (
        Layer(3, first, positions=large, window=9, below=False),
        Layer(first, first, positions=large, window=9),
        Layer(first, first, positions=large, window=9),
        Layer(first, second, positions=small, window=9),
        Layer(second, second, positions=small, window=9),
        Layer(first, second, positions=small),
        Layer(second, k, head=True),
    )
    return Case(
        "resnet",
        f"ResNet {side}×{side}×3, batch norm in evaluation mode, {n} × {n} examples",
        "resnet",
        (n, n),
        k,
        (side, side, 3),
        params,
        Work(layers, elementwise=2 * 3 * first + 2 * 2 * second),
        stats,
    )


def _averages(features: int) -> Tree:
    return {"mean": (features,), "variance": (features,)}


CASES = {
    case.name: case
    for case in (
        _perceptron("mlp_512", "784-512³-10", 32, 784, 512, 512, 512, 10),
        _convolutions(64, 3),
        _convolutions(256, 2),
        _transformer(),
        _resnet(),
        _perceptron("mlp_1024", "784-1024²-10", 32, 784, 1024, 1024, 10),
        _perceptron("mlp_2048", "3072-2048³-8", 16, 3072, 2048, 2048, 2048, 8),
    )
}
