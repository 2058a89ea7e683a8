"""Seconds until a program is compiled: ``structured``, and one gradient for each example by hand.

Expected: at most three times as long as ``jit(vmap(grad))`` of the same function, and the same for a scan of
ten steps as for one of a thousand.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax

from app import Function
from app.engine import ALGORITHMS, Engine
from app.engine.compiled import Executables, Tile
from benchmarks.device import described, named, product
from benchmarks.engine import functions
from benchmarks.measure import by_turns, spread
from benchmarks.report import table, write

N = 8
HEAD = ["function", "`structured`, s", "`jit(vmap(grad))`, s", "times (quartiles)"]
CASES: dict[str, Callable[[], Function]] = {
    "MLP 784-512³-10": lambda: functions.perceptron(784, 512, 512, 512, 10),
    "CNN 8×8×3, 3 × conv 64": lambda: functions.convolutions(64, 3),
    "ResNet 16×16×3": lambda: functions.peers("resnet"),
    "transformer block, d = 128": lambda: functions.peers("transformer"),
    "ViT, 2 blocks, d = 64": functions.vision,
    "GRU, scan of 10 steps": lambda: functions.recurrent(10),
    "GRU, scan of 1,000 steps": lambda: functions.recurrent(1_000),
}


def ways(function: Function) -> dict[str, Callable[[], Any]]:
    """Trace, lower and compile, with nothing left of the time before."""
    engine = Engine()
    shapes = engine.signature(function)
    problem = engine.problem(function, {"x1": engine.example(function, N, seed=1)[0]}, wrt=function.wrt)
    view = problem.view
    structured = next(each for each in ALGORITHMS if each.name == "structured")
    params, x = (
        list(shapes.param_avals),
        [jax.ShapeDtypeStruct((N, *aval.shape), aval.dtype) for aval in shapes.x_avals],
    )

    def gradient(params: list[Any], x: list[Any]) -> Any:
        variable, constant = view.split(params, x)
        return jax.grad(lambda leaves: view.apply(leaves, constant).sum())(variable)

    def own() -> None:
        jax.clear_caches()
        fresh = replace(view, signature=replace(shapes))
        Executables(1).get(Tile(fresh, structured, N, N, view.k))

    def by_hand() -> None:
        jax.clear_caches()
        with jax.default_matmul_precision("highest"):
            jax.jit(jax.vmap(gradient, (None, 0))).lower(params, x).compile()

    return {"ours": own, "by hand": by_hand}


def main() -> None:
    """Measure, and write ``results/compiling``."""
    rows, figures, products = [], {}, []
    for title, make in CASES.items():
        times = by_turns(ways(make()), seconds=10, least=5, beside=product())
        products += times.product_seconds
        each = {name: spread(seconds).median for name, seconds in times.seconds.items()}
        rows.append(
            [title, f"{each['ours']:.2f}", f"{each['by hand']:.2f}", f"{times.ratio('ours', 'by hand'):.2f}"]
        )
        figures[title] = each
        print(rows[-1], flush=True)
    about = f"Blocks of {N} × {N} examples: trace, lower and compile, all caches cleared, by turns."
    text = f"# Compiling\n\n{described(products)}.\n\n{about}\n\n{table(HEAD, rows)}"
    write(named("compiling"), text, figures)


if __name__ == "__main__":
    main()
