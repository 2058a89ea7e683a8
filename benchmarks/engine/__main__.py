"""Each algorithm against dense ``jacrev`` and ``jacfwd``, and against the seed's ``vmap(jvp ∘ vjp)(eye)``.

Expected: ``vector_products`` as fast as the seed's form where that fits, in a small part of its memory;
``contraction`` ahead of dense reverse mode by little, since both do the same products; ``structured`` fifty
times as fast as the seed's form where A Aᵀ is kept, and 1.3 times where it has to be made first; ``auto`` at
the best of its four.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app.cli.allocating import keep_memory
from app.engine import ALGORITHMS, Engine, Plan, Problem
from benchmarks.device import described, named, product
from benchmarks.engine.cases import Case, cases
from benchmarks.engine.holding import temporary_bytes
from benchmarks.measure import Timed, by_turns, spread
from benchmarks.report import bars, table, write

MOST_BYTES = 4 << 30  # what would need more temporaries is not run
MOST_SECONDS = 20.0  # nor what is predicted to take longer
SEED = "seed's form"


@dataclass(frozen=True)
class Way:
    """A way to the matrix, and the bytes of its temporaries as the compiler counts them."""

    run: Callable[[], Any] | None
    temporary_bytes: int


def by_hand(problem: Problem) -> dict[str, Way]:
    """What people write: dense Jacobians by either mode, and the seed's form."""
    view = problem.view
    params = [jnp.asarray(array) for array in problem.signature.params.arrays]
    x1 = [jnp.asarray(leaf) for leaf in problem.left.leaves]
    x2 = [jnp.asarray(leaf) for leaf in (problem.right or problem.left).leaves]

    def example(x: list[jax.Array]) -> tuple[list[jax.Array], Callable[[list[jax.Array]], jax.Array]]:
        variable, constant = view.split(params, x)
        return variable, lambda leaves: view.apply(leaves, constant)

    def dense(mode: Callable[..., Any]) -> Callable[..., jax.Array]:
        def rows(x: list[jax.Array]) -> jax.Array:
            variable, f = example(x)
            jacobian = mode(f)(variable)
            return jnp.concatenate([leaf.reshape(view.k, -1) for leaf in jacobian], axis=1)

        def matrix(x1: list[jax.Array], x2: list[jax.Array]) -> jax.Array:
            return jnp.einsum("iap,jbp->iajb", jax.vmap(rows)(x1), jax.vmap(rows)(x2), precision="highest")

        return matrix

    def seed(x1: list[jax.Array], x2: list[jax.Array]) -> jax.Array:
        def pair(one: list[jax.Array], other: list[jax.Array]) -> jax.Array:
            (variable1, f1), (variable2, f2) = example(one), example(other)
            _, pullback = jax.vjp(f2, variable2)
            columns = jax.vmap(lambda unit: jax.jvp(f1, (variable1,), pullback(unit))[1])
            return columns(jnp.eye(view.k)).T

        block = jax.vmap(lambda one: jax.vmap(lambda other: pair(one, other))(x2))(x1)
        return block.transpose(0, 2, 1, 3)

    forms = {"dense `jacrev`": dense(jax.jacrev), "dense `jacfwd`": dense(jax.jacfwd), SEED: seed}
    return {name: _compiled(form, x1, x2) for name, form in forms.items()}


def _compiled(form: Callable[..., jax.Array], x1: list[jax.Array], x2: list[jax.Array]) -> Way:
    try:
        with jax.default_matmul_precision("highest"):
            compiled = jax.jit(form).lower(x1, x2).compile()
    except jax.errors.JaxRuntimeError:  # a GPU's compiler runs the program, and may find no room for it
        return Way(None, 0)
    analysis = compiled.memory_analysis()
    temporary = int(analysis.temp_size_in_bytes) if analysis else 0
    if temporary > MOST_BYTES:
        return Way(None, temporary)
    return Way(lambda: np.asarray(compiled(x1, x2)), temporary)


def by_us(engine: Engine, problem: Problem) -> dict[str, Way]:
    """The four algorithms, what ``auto`` takes, and ``structured`` where it had nothing kept, if it keeps."""
    ways = {name: _planned(engine, problem, name) for name in (each.name for each in ALGORITHMS)}
    chosen = engine.plan(problem)
    ways[f"auto: {chosen.algorithm}"] = _planned(engine, problem, "auto")
    run = ways["structured"].run
    if run is not None:
        run()  # keeps what it can
    if run is not None and engine.kept(problem.function):

        def anew() -> Any:
            engine._residency.forget(problem.function)  # noqa: SLF001 - with its parameters, put there anew
            return run()

        ways["structured, nothing kept"] = Way(anew, ways["structured"].temporary_bytes)
    return ways


def _planned(engine: Engine, problem: Problem, algorithm: str) -> Way:
    plan: Plan = engine.plan(problem, algorithm)
    if plan.seconds > MOST_SECONDS:
        return Way(None, 0)
    engine.prepare(plan)
    return Way(lambda: list(engine.execute(plan, problem)), temporary_bytes(engine, plan))


def measured(engine: Engine, case: Case, seconds: float) -> tuple[dict[str, Way], Timed]:
    """Every way of one case, and the times of those that could be run."""
    x1, x2 = engine.example(case.function, *case.n, seed=1)
    problem = engine.problem(case.function, {"x1": x1, "x2": x2})
    ways = {**by_hand(problem), **by_us(engine, problem)}
    runnable = {name: way.run for name, way in ways.items() if way.run is not None}
    return ways, by_turns(runnable, seconds, least=3, beside=product())


def rows_of(case: Case, ways: Mapping[str, Way], times: Timed) -> list[list[str]]:
    """A row of the table for each way."""
    rows = []
    for name, way in ways.items():
        megabytes = f"{way.temporary_bytes / 1e6:,.1f}" if way.temporary_bytes else "–"
        if way.run is None:
            rows.append([case.title, name, "not run", megabytes, "–"])
            continue
        against = f"{times.ratio(SEED, name):.2f}" if SEED in times.seconds else "–"
        rows.append([case.title, name, f"{times.spread(name).median * 1e3:,.2f}", megabytes, against])
    return rows


def main() -> None:
    """Measure all cases, and write ``results/engine``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the turns of each case, about")
    asked = parser.parse_args()
    keep_memory()
    engine = Engine()
    engine.calibrate()
    rows, figures, groups, products = [], [], {}, []
    for case in cases():
        ways, times = measured(engine, case, asked.seconds)
        products += times.product_seconds
        rows += rows_of(case, ways, times)
        medians = {name: spread(seconds).median for name, seconds in times.seconds.items()}
        groups[case.title.replace("`", "")] = {
            name.replace("`", "").partition(":")[0]: seconds * 1e3 for name, seconds in medians.items()
        }
        temporaries = {name: way.temporary_bytes for name, way in ways.items()}
        figures.append({"case": case.title, "seconds": medians, "temporary_bytes": temporaries})
        print(rows[-len(ways) :], flush=True)
    head = ["case", "way", "ms", "temporaries, MB", "times faster than the seed's form (quartiles)"]
    note = (
        "Temporaries are those of the compiled program, by the compiler's own count. Not run: more than "
        f"{MOST_BYTES >> 30} GiB of them, or more than {MOST_SECONDS:.0f} s predicted."
    )
    write(named("engine"), f"# Engine\n\n{described(products)}.\n\n{note}\n\n{table(head, rows)}", figures)
    bars(named("engine"), "J(x1) J(x2)ᵀ: ours and by hand", "ms, less is better", groups)


if __name__ == "__main__":
    main()
