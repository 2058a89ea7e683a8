"""One process's part: builds schedulers, times requests by turns, prints figures as JSON."""

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from operator import call
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import uvloop

from app import ArraySpec, Function
from app.catalog import Catalog
from app.engine import Engine, Problem, local_devices
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler
from app.specs import Answer
from benchmarks.measure import Timed, by_turns, numpy_product, spread
from benchmarks.serving import ROOT

SMALL, LARGE, SETTLING = 64, 16, 12
WAVES = 5  # of small requests in a row in one turn: what ran before leaves cold caches
REGISTRY = ROOT / "registry"
EXAMPLES = ("heat_rod", "rbm_log_psi", "arm_pose", "gum_impedance", "digits_mlp", "digits_cnn")
DRAW = np.random.default_rng(0)
MIXTURE = DRAW.random((5, 1000), dtype=np.float32)
WEIGHTS = [DRAW.standard_normal((256, 256)).astype(np.float32) / 16 for _ in range(3)]


def _sqrt_mean(mixture: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.sqrt(mixture @ x / x.size)


def _network(weights: list[jax.Array], x: jax.Array) -> jax.Array:
    for weight in weights:
        x = jnp.tanh(x @ weight)
    return x[:10]


NUMBERS = ArraySpec("float32", (1000,), low=0, high=1)
SQRT = Function(_sqrt_mean, NUMBERS, MIXTURE, wrt="x", name="sqrt", version="1")
NETWORK = Function(_network, ArraySpec("float32", (256,)), WEIGHTS, wrt="params", name="network", version="1")


class Bench:
    """A scheduler, and the requests that it is asked.

    Args:
        engines: its devices.
        problems: the requests.
        batches: whether any go together.
    """

    def __init__(self, engines: Sequence[Engine], problems: Sequence[Problem], batches: bool = True) -> None:
        if not batches:
            for engine in engines:
                engine.stacking.most = lambda _: 1  # type: ignore[method-assign]
        self._scheduler = Scheduler(engines, Metrics(), Admission(1e6, 1 << 40, len(engines)))
        self._problems = problems

    async def answer(self, problem: Problem) -> Answer:
        """One request."""
        with self._scheduler.admitted("somebody") as ticket:
            return await self._scheduler.answer(
                problem, "auto", asyncio.get_running_loop().time() + 600, ticket
            )

    async def one_by_one(self) -> None:
        """Each when the one before it is answered."""
        for problem in self._problems:
            await self.answer(problem)

    async def at_once(self) -> list[Answer]:
        """All together."""
        return await asyncio.gather(*(self.answer(problem) for problem in self._problems))

    async def settle(self, engine: Engine) -> None:
        """Compile what is compiled on the way, and hold every matrix against the engine's own."""
        answers = await self.at_once()
        for _ in range(SETTLING):
            answers = await self.at_once()
            await self._scheduler.on_compiler(int)
        for problem, answer in zip(self._problems, answers, strict=True):
            plan = engine.plan(problem)
            (block,) = engine.execute(plan, problem)
            matrix = block.array.reshape(problem.shape)
            np.testing.assert_allclose(answer.matrix, matrix, rtol=0, atol=1e-5 * np.abs(matrix).max())
        print("batches of", sorted({answer.batch for answer in answers}), file=sys.stderr)


async def clocked(way: Callable[[], Awaitable[Any]], waves: int = 1) -> float:
    """Seconds of a way, on a loop that runs already: to start one takes as long as dozens of requests.

    Args:
        way: of all requests.
        waves: how many times in a row; the seconds are those of one.
    """
    began = perf_counter()
    for _ in range(waves):
        await way()
    return (perf_counter() - began) / waves


def engines(number: int) -> list[Engine]:
    """One for each of the first devices, priced alike."""
    found = [Engine(device=device) for device in local_devices()[:number]]
    rates = found[0].calibrate()
    for engine in found[1:]:
        engine.calibrate(rates)
    return found


def problems(engine: Engine, function: Function, number: int, n: int | None = None) -> list[Problem]:
    """Requests with inputs of their own, of one array a side."""
    inputs = [engine.example(function, n, n, seed) for seed in range(number)]
    return [engine.problem(function, {"x1": x1, "x2": x2}) for x1, x2 in inputs]


def row(timed: Timed, way: str, number: int, against: str = "") -> tuple[str, list[str]]:
    """A line of the table."""
    rates, ms = (
        [f(seconds) for seconds in timed.seconds[way]]
        for f in (lambda s: number / s, lambda s: s / number * 1e3)
    )
    ratio = f"{timed.ratio(against, way):.2f} of “{against}”" if against else ""
    return way, [f"{spread(rates):,.0f}", f"{spread(ms):.3f}", ratio]


def batches(run: Callable[[Any], Any]) -> dict[str, Any]:
    """Small requests, with and without batches."""
    (first,), (second,) = engines(1), engines(1)
    asked = problems(first, SQRT, SMALL)
    joining, apart = Bench([first], asked), Bench([second], asked, batches=False)
    run(joining.settle(first))
    run(apart.settle(second))
    timed = by_turns(
        {
            "64 one by one": lambda: run(clocked(joining.one_by_one, WAVES)),
            "64 at once": lambda: run(clocked(joining.at_once, WAVES)),
            "64 at once, each computed alone": lambda: run(clocked(apart.at_once, WAVES)),
            "64 one by one, where none go together": lambda: run(clocked(apart.one_by_one, WAVES)),
        },
        seconds=20,
        least=20,
        clock=call,
    )
    one = "64 one by one"
    rows = [row(timed, one, SMALL), *(row(timed, way, SMALL, one) for way in timed.seconds if way != one)]
    return {"rows": rows, "figures": dict(timed.seconds), "product": timed.product_seconds}


def functions(run: Callable[[Any], Any]) -> dict[str, Any]:
    """Small requests of the functions that come with the service."""
    (engine,), catalog = engines(1), Catalog((REGISTRY,))
    catalog.reload()
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    for name in EXAMPLES:
        bench = Bench([engine], problems(engine, catalog.get(name), SMALL))
        run(bench.settle(engine))
        timed = by_turns(
            {
                "one by one": lambda b=bench: run(clocked(b.one_by_one, WAVES)),
                "at once": lambda b=bench: run(clocked(b.at_once, WAVES)),
            },
            seconds=8,
            least=10,
            clock=call,
        )
        one, together = ([each / SMALL * 1e3 for each in timed.seconds[way]] for way in timed.seconds)
        rows.append(
            [name, f"{spread(one):.3f}", f"{spread(together):.3f}", f"{timed.ratio(*timed.seconds):.2f}"]
        )
        figures[name] = dict(timed.seconds)
    return {"rows": rows, "figures": figures}


def devices(run: Callable[[Any], Any]) -> dict[str, Any]:
    """Large requests at once, on one device and on two."""
    single, double = engines(1), engines(2)
    asked = problems(single[0], NETWORK, LARGE, 8)
    one, two = Bench(single, asked), Bench(double, asked)
    run(one.settle(single[0]))
    run(two.settle(double[0]))
    timed = by_turns(
        {
            "16 large on one device": lambda: run(clocked(one.at_once)),
            "16 large on two": lambda: run(clocked(two.at_once)),
        },
        seconds=15,
        least=10,
        clock=call,
        beside=numpy_product(),
    )
    first, second = timed.seconds
    rows = [row(timed, first, LARGE), row(timed, second, LARGE, first)]
    return {"rows": rows, "figures": dict(timed.seconds), "product": timed.product_seconds}


if __name__ == "__main__":
    # As the service has it: another event loop than the standard library's, and no look at what stays.
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        part = {"batches": batches, "functions": functions, "devices": devices}[sys.argv[1]]
        print(json.dumps(part(runner.run)))
