"""One matrix within less and less memory: what the compiled programs hold, and what that costs in time.

Expected: a network of ten million parameters, 64 × 64 examples, ten outputs, in 256 MB of temporaries; and
in 64 MB at no more than twice the time. Its Jacobians would take 48 GB.
"""

from functools import partial

from app.cli.allocating import keep_memory
from app.engine import Engine
from app.errors import NotApplicable
from benchmarks.device import described, named, product
from benchmarks.engine import functions
from benchmarks.engine.holding import block_bytes, temporary_bytes
from benchmarks.measure import by_turns, spread
from benchmarks.report import table, write

BUDGETS = (1024, 256, 64, 16)  # MB
N = 64
WIDTHS = (784, 2048, 2048, 2048, 10)
HEAD = ["budget, MB", "algorithm", "blocks", "predicted, MB", "held, MB", "ms", "times the largest budget's"]


def main() -> None:
    """Measure, and write ``results/budgets``."""
    keep_memory()
    function = functions.perceptron(*WIDTHS)
    params = sum(leaf.nbytes for leaf in Engine().signature(function).params.arrays)
    ways, plans = {}, {}
    for budget in BUDGETS:
        engine = Engine(memory_bytes=(budget << 20) + params)
        engine.calibrate()
        x1, x2 = engine.example(function, N, N, seed=1)
        problem = engine.problem(function, {"x1": x1, "x2": x2})
        engine.inspect(function)  # so that the parameters are held, and come out of the budget
        try:
            plan = engine.plan(problem)
        except NotApplicable:
            continue
        engine.prepare(plan)
        plans[budget] = engine, plan
        ways[str(budget)] = partial(
            lambda engine, plan, problem: list(engine.execute(plan, problem)), engine, plan, problem
        )
    times = by_turns(ways, seconds=20, least=5, beside=product())
    rows = []
    for budget, (engine, plan) in plans.items():
        assert plan.chosen is not None
        held = temporary_bytes(engine, plan) + min(2, plan.blocks) * block_bytes(plan)
        rows.append(
            [
                str(budget),
                plan.chosen.algorithm,
                f"{plan.blocks} of {plan.tiling.rows} × {plan.tiling.columns}",
                f"{plan.chosen.bytes / 2**20:,.1f}",
                f"{held / 2**20:,.1f}",
                f"{times.spread(str(budget)).median * 1e3:,.1f}",
                f"{times.ratio(str(budget), str(BUDGETS[0])):.2f}",
            ]
        )
    about = (
        f"MLP {'-'.join(map(str, WIDTHS))}, {N} × {N} examples, by all {params // 4:,} parameters. Held: "
        "temporaries by the compiler's count, and the blocks at hand; parameters apart. Budgets that nothing "
        "fits are left out. 1 MB is 2²⁰ bytes."
    )
    text = f"# Budgets\n\n{described(times.product_seconds)}.\n\n{about}\n\n{table(HEAD, rows)}"
    figures = {name: spread(seconds).median for name, seconds in times.seconds.items()}
    write(named("budgets"), text, {"seconds": figures, "rows": rows})


if __name__ == "__main__":
    main()
