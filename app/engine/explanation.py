"""Plans → what is said of them: a choice with what a larger budget would buy, a refusal with its reasons."""

from collections.abc import Callable
from typing import Any

from app.engine.algorithms import ALGORITHMS
from app.engine.planner import Plan
from app.engine.problem import Problem
from app.errors import AnswerTooLarge, NotApplicable

_LARGER = (2, 4, 16, 64)  # times a budget that are tried, to say what they would buy
_FASTER = 0.9  # of the seconds, for it to be said


def explained(plan_within: Callable[..., Plan], memory_bytes: int) -> dict[str, Any]:
    """A plan as ``POST /plan`` answers it, with its budget, and the next one that saves a tenth of the time.

    Args:
        plan_within: ``(memory_bytes=…) -> plan``.
        memory_bytes: the budget that was asked for.
    """
    plan = plan_within(memory_bytes=memory_bytes)
    larger = None
    for times in _LARGER:
        other = plan_within(memory_bytes=times * memory_bytes)
        if other.algorithm and (not plan.algorithm or other.seconds < _FASTER * plan.seconds):
            larger = {
                "memory_bytes": times * memory_bytes,
                "algorithm": other.algorithm,
                "seconds": other.seconds,
            }
            break
    return {**plan.as_dict(), "memory_bytes": memory_bytes, "larger_budget": larger}


def check_name(algorithm: str) -> None:
    """Raise ``NotApplicable`` for what is neither ``auto`` nor the name of an algorithm."""
    names = [each.name for each in ALGORITHMS]
    if algorithm not in ("auto", *names):
        raise NotApplicable(f"algorithm {algorithm!r} is not known; expected auto, {', '.join(names)}")


def check_size(problem: Problem, allowed_bytes: int) -> None:
    """Raise ``AnswerTooLarge`` for a matrix that is larger than is answered."""
    needed = problem.answer_bytes
    if needed > allowed_bytes:
        raise AnswerTooLarge(
            f"the matrix {list(problem.shape)} needs {needed} bytes; "
            f"{allowed_bytes} are allowed: ask for fewer examples at a time",
            needed_bytes=needed,
            allowed_bytes=allowed_bytes,
        )


def refusal(plan: Plan, algorithm: str) -> NotApplicable:
    """Why a plan chose nothing: the reason of the algorithm that was named, or of each."""
    reasons = {each.algorithm: each.refused for each in plan.candidates if each.refused}
    if algorithm != "auto":
        return NotApplicable(f"{reasons[algorithm]}; ask for auto, or another algorithm")
    return NotApplicable(
        "no algorithm can do this: " + "; ".join(reasons.values()),
        reasons=reasons,
    )
