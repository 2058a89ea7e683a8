"""A plan ↔ its outline, JSON values: a start need not price again what an earlier one priced.

An outline says what was decided and what was predicted, and holds no function: it is worth something only
for the version, the budgets and the environment that it was made for, which its keeper has to know.
"""

from dataclasses import asdict
from typing import Any

from app.engine.algorithms import ALGORITHMS
from app.engine.compiled import Tile
from app.engine.planner import Candidate, Plan
from app.engine.tiling import Tiling
from app.engine.view import View

Outline = dict[str, Any]


def outline(plan: Plan) -> Outline:
    """Draw the outline of a plan."""
    return {
        "algorithm": plan.algorithm,
        "tiling": asdict(plan.tiling),
        "tile": _sizes(plan.tile),
        "diagonal": _sizes(plan.diagonal),
        "candidates": [asdict(candidate) for candidate in plan.candidates],
    }


def planned(drawn: Outline, view: View, wrt: str) -> Plan | None:
    """Make the plan of an outline.

    Args:
        drawn: of an equal view, in the same environment.
        view: the function seen from its variable.
        wrt: the variable, as it is named.

    Returns:
        The plan, or None if the outline is not one that this code drew.
    """
    try:
        candidates = tuple(
            Candidate(**{**candidate, "explicit": tuple(candidate["explicit"])})
            for candidate in drawn["candidates"]
        )
        chosen = next((one for one in candidates if one.algorithm == drawn["algorithm"]), None)
        tile, diagonal = (_tile(drawn[name], view, drawn["algorithm"]) for name in ("tile", "diagonal"))
        return Plan(view, wrt, chosen, Tiling(**drawn["tiling"]), tile, diagonal, candidates)
    except (AttributeError, KeyError, TypeError):
        return None


def _sizes(tile: Tile | None) -> dict[str, Any] | None:
    return None if tile is None else {"rows": tile.rows, "columns": tile.columns, "chunk": tile.chunk}


def _tile(sizes: dict[str, Any] | None, view: View, algorithm: str) -> Tile | None:
    if sizes is None:
        return None
    return Tile(view, {each.name: each for each in ALGORITHMS}[algorithm], **sizes)
