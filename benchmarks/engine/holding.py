"""A compiled plan → bytes that it holds, by the compiler's count. Measures nothing."""

from app.engine import Engine, Plan


def temporary_bytes(engine: Engine, plan: Plan) -> int:
    """Of the largest of its programs."""
    return max(engine.executables.get(tile).temporary_bytes for tile in plan.tiles)


def block_bytes(plan: Plan) -> int:
    """Of one block of the answer."""
    return plan.tiling.rows * plan.tiling.columns * plan.view.k**2 * plan.view.itemsize
