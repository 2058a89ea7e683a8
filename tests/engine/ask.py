"""Ask an engine for a matrix, from trees of arrays to one array; every entry must come exactly once."""

import re
from typing import Any

import jax
import numpy as np

from app.engine import Engine
from app.function import Function


def named(root: str, tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by the dotted names that a request gives them."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        parts = [jax.tree_util.keystr((key,), simple=True) for key in path]
        quoted = [part if re.fullmatch(r"[^.,*\[\]]+", part) else f"[{part}]" for part in parts]
        found[".".join([root, *quoted])] = np.asarray(leaf)
    return found


def ask(
    engine: Engine,
    function: Function,
    x1: Any,
    x2: Any = None,
    *,
    algorithm: str = "auto",
    wrt: str | None = None,
) -> np.ndarray:
    """The matrix, in the shape that the caller sees.

    Args:
        engine: the engine.
        function: the function.
        x1: tree of x, with or without a batch axis.
        x2: the same, or None for x2 = x1.
        algorithm: a name, or auto.
        wrt: the variable; the function's own by default.
    """
    arrays = named("x1", x1) | ({} if x2 is None else named("x2", x2))
    problem = engine.problem(function, arrays, wrt=wrt)
    plan = engine.plan(problem, algorithm)
    engine.prepare(plan)
    assert algorithm in ("auto", plan.algorithm)
    return gather(engine, plan, problem)


def gather(engine: Engine, plan: Any, problem: Any) -> np.ndarray:
    """Execute a plan and put its blocks together, counting how often each entry came."""
    matrix = np.full(problem.sizes, np.nan, problem.dtype)
    times = np.zeros((problem.n1, problem.n2), int)
    for block in engine.execute(plan, problem):
        rows, columns = slice(*block.rows), slice(*block.columns)
        assert block.array.dtype == matrix.dtype
        matrix[rows, :, columns] = block.array
        times[rows, columns] += 1
    assert (times == 1).all()
    return matrix.reshape(problem.shape)


def honest(engine: Engine, plan: Any) -> None:
    """Hold the predicted bytes of a plan against what the compiler says that its programs hold."""
    for tile in plan.tiles:
        block = tile.rows * (tile.columns or tile.rows) * plan.view.k**2 * plan.view.itemsize
        held = engine.executables.get(tile).temporary_bytes + block
        assert held <= plan.chosen.bytes, f"{held} bytes are held where {plan.chosen.bytes} were predicted"


def part(tree: Any, index: int | slice) -> Any:
    """One example of a batch, without the axis; or some of them, with it."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
