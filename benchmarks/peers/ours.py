"""A case → our engine's ways to its matrix, in this process: ``auto``, and each algorithm by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from app import ArraySpec, Function
from app.engine import ALGORITHMS, Engine, Plan, Problem
from app.errors import NotApplicable
from benchmarks.peers.cases import Arrays, Case
from benchmarks.peers.networks import NETWORKS

BLOCK_SECONDS = 10.0  # a block is a matrix here: nobody waits for a turn between
MOST_SECONDS = 5.0  # an algorithm that is predicted to take longer is not tried
TOLERANCE = 1e-3  # of the largest entry


@dataclass(frozen=True)
class Ours:
    """Compiled ways to one matrix.

    Args:
        auto: the algorithm that the planner chose.
        runs: by the names of the algorithms; each returns when the blocks are in host memory.
        matrix: by all of them, ``[n1, k, n2, k]``.
    """

    auto: str
    runs: dict[str, Callable[[], Any]]
    matrix: np.ndarray


def engine() -> Engine:
    """An engine whose device has been measured."""
    made = Engine(block_seconds=BLOCK_SECONDS)
    made.calibrate()
    return made


def declared(case: Case, values: Arrays) -> Function:
    """The network as a user registers it, J taken with respect to its weights and not to its constants."""
    network = NETWORKS[case.network]

    def apply(tree: dict[str, Any], x: jax.Array) -> jax.Array:
        return network(tree["params"], tree["stats"], x)

    tree = {"params": values.params, "stats": values.stats}
    return Function(apply, ArraySpec("float32", case.shape), tree, wrt="params.params", name=case.name)


def ours(engine: Engine, function: Function, values: Arrays, *, symmetric: bool) -> Ours:
    """Plan and compile all that is worth a try.

    Args:
        engine: ours.
        function: from ``declared``.
        values: the inputs; x1 alone where symmetric.
        symmetric: whether x2 = x1.

    Raises:
        ArithmeticError: where two algorithms differ: there is nothing to hold a peer against then.
    """
    sides = {"x1": values.x1} if symmetric else {"x1": values.x1, "x2": values.x2}
    problem = engine.problem(function, sides)
    auto = engine.plan(problem)
    assert auto.algorithm is not None
    plans = {auto.algorithm: auto}
    for name in (each.name for each in ALGORITHMS):
        try:
            plan = engine.plan(problem, name)
        except NotApplicable:
            continue
        if plan.seconds < MOST_SECONDS:
            plans.setdefault(name, plan)
    for plan in plans.values():
        engine.prepare(plan)
    runs = {name: _run(engine, plan, problem) for name, plan in plans.items()}
    matrices = {name: _matrix(engine, plan, problem) for name, plan in plans.items()}
    for name, matrix in matrices.items():
        if (far := difference(matrix, matrices[auto.algorithm])) > TOLERANCE:
            raise ArithmeticError(
                f"{function.name}: {name} differs from {auto.algorithm} by {far:.1e} of the largest entry"
            )
    return Ours(auto.algorithm, runs, matrices[auto.algorithm])


def difference(matrix: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference, as a part of the largest entry; infinite where one is no number."""
    far = float(np.abs(matrix - reference).max() / np.abs(reference).max())
    return far if np.isfinite(far) else np.inf


def _run(engine: Engine, plan: Plan, problem: Problem) -> Callable[[], Any]:
    return lambda: list(engine.execute(plan, problem))


def _matrix(engine: Engine, plan: Plan, problem: Problem) -> np.ndarray:
    n1, k, n2, _ = problem.sizes
    matrix = np.full((n1, k, n2, k), np.nan, np.float32)
    for block in engine.execute(plan, problem):
        matrix[slice(*block.rows), :, slice(*block.columns), :] = block.array
    return matrix
