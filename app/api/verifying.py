"""Answer → the same answer with a receipt: entries recomputed in turns on the device lane, and judged.

Only a tolerance that the request gave makes a failure of a figure. Knows no bytes.
"""

import asyncio
import math
from dataclasses import replace
from time import perf_counter

import numpy as np
import structlog

from app.api.house import House
from app.engine import Problem
from app.errors import DeadlinePassed, VerificationFailed
from app.scheduler import HOUSE
from app.specs import Answer, Receipt

log = structlog.get_logger()


async def verified(
    house: House,
    problem: Problem,
    answer: Answer,
    n: int,
    tolerance: float | None,
    deadline: float,
    client: str = HOUSE,
) -> Answer:
    """Recompute entries of an answer another way.

    Args:
        house: whose lanes are used, and whose metrics count.
        problem: what is answered.
        answer: complete.
        n: entries to recompute.
        tolerance: the largest error that is let through, in units of the receipt's; None for any.
        deadline: on the clock of the running event loop, seconds.
        client: whose turns it takes.

    Raises:
        VerificationFailed: where the error is above the tolerance.
        DeadlinePassed: at the deadline; the turn that runs then runs on, no other follows.
        ComputeFailed: if recomputing raised.
    """
    began = perf_counter()
    try:
        async with asyncio.timeout_at(deadline):
            receipt = await _recomputed(house, problem, answer.matrix, n, client)
    except TimeoutError:
        raise DeadlinePassed(
            "the matrix was there at the deadline, but not verified; "
            "allow more with deadline_seconds, or verify fewer entries"
        ) from None
    answer.times.verify_ended = perf_counter()
    answer.times.verify = answer.times.verify_ended - began
    house.metrics.verified.labels(answer.function).inc()
    if tolerance is not None and receipt.error > tolerance:
        house.metrics.verification_failures.labels(answer.function).inc()
        log.error("verification failed", function=answer.function, error=receipt.error, place=receipt.place)
        raise _failure(receipt, tolerance)
    return replace(answer, verified=receipt)


def said(receipt: Receipt) -> str:
    """A receipt as a header: the error, and the rest as parameters."""
    parameters = {"entries": str(receipt.entries), "dtype": receipt.dtype}
    if receipt.evaluation is not None:
        parameters["evaluation"] = f"{receipt.evaluation:.4g}"
    return ";".join([f"{receipt.error:.4g}", *(f"{name}={text}" for name, text in parameters.items())])


async def _recomputed(house: House, problem: Problem, matrix: np.ndarray, n: int, client: str) -> Receipt:
    scheduler = house.scheduler
    verification = await scheduler.on_compiler(house.engine.verification, problem, matrix, n, client=client)
    while await scheduler.on_device(verification.step, client=client):
        pass
    return verification.receipt


def _failure(receipt: Receipt, tolerance: float) -> VerificationFailed:
    i, a, j, b = receipt.place
    known = {} if receipt.evaluation is None else {"evaluation": receipt.evaluation}
    finite = {"error": receipt.error} if math.isfinite(receipt.error) else {}
    return VerificationFailed(
        f"of {receipt.entries} entries, recomputed in {receipt.dtype}, that of x1 {i}, output {a}, x2 {j}, "
        f"output {b} is off by {receipt.error:.3g} eps of the rows' norms; {tolerance:.3g} are tolerated: "
        "ask for precision highest, or another algorithm, or allow what the function's own dtype misses",
        tolerance=tolerance,
        entries=receipt.entries,
        place=list(receipt.place),
        dtype=receipt.dtype,
        **finite,
        **known,
    )
