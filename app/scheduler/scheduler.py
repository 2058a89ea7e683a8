"""Turns a problem into an answer by way of two lanes: one that compiles, one that owns the device.

Clients meet on the device lane block by block: each ``next()`` is a turn of its own. To stop a
computation is to ask for no more turns. Knows no HTTP; whatever the engine raises leaves here as a
``JJTError``.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

import structlog

from app.engine import Engine, Plan, Problem
from app.errors import ComputeFailed, DeadlinePassed, JJTError
from app.metrics import Metrics
from app.scheduler.gathering import Gathering
from app.scheduler.lane import Lane
from app.specs import Answer, Times

T = TypeVar("T")
log = structlog.get_logger()


class Scheduler:
    """The two lanes of one engine.

    Args:
        engine: whose plans are prepared on the compile lane and executed on the device lane.
        metrics: where turns and compilations are counted.
    """

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._device = Lane("jjt-device")
        self._compiler = Lane("jjt-compiler")
        self._answering = 0
        self._left = perf_counter()

    async def answer(self, problem: Problem, algorithm: str, deadline: float) -> Answer:
        """Compute the matrix of a problem.

        Args:
            problem: checked and cast.
            algorithm: ``auto`` or the name of one.
            deadline: on the clock of the running event loop, seconds.

        Returns:
            The answer, complete, with queue, compile and compute seconds in its times.

        Raises:
            NotApplicable, AnswerTooLarge: by the planner.
            DeadlinePassed: at the deadline; the block that runs then runs on, no other follows.
            ComputeFailed: if the engine raised anything else.
        """
        timeout = asyncio.timeout_at(deadline)
        with _failures_named():
            try:
                async with timeout:
                    with self._asked():
                        return await self._answer(problem, algorithm)
            except TimeoutError:
                if not timeout.expired():
                    raise
        raise DeadlinePassed(
            "the answer was not there at the deadline; allow more with deadline_seconds, or ask for less"
        )

    async def on_device(self, call: Callable[..., T], *args: Any) -> T:
        """Run what touches the device: calibration, report cards, examples."""
        with _failures_named():
            return await self._device.run(call, *args)

    async def on_compiler(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run what traces or compiles: plans without arrays, reloads."""
        with _failures_named():
            return await self._compiler.run(call, *args, **kwargs)

    async def idle(self, seconds: float, most: float) -> None:
        """Wait until nobody has waited for an answer for some seconds; ``most`` seconds altogether."""
        limit = perf_counter() + most
        while (now := perf_counter()) < limit:
            rest = seconds if self._answering else self._left + seconds - now
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, limit - now))

    def close(self, seconds: float) -> bool:
        """Close both lanes; returns whether both have ended within the seconds given to each."""
        ended = [lane.close(seconds) for lane in (self._compiler, self._device)]
        return all(ended)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self._left = perf_counter()

    async def _answer(self, problem: Problem, algorithm: str) -> Answer:
        times, entered = Times(), perf_counter()
        plan = self._engine.ready(problem, algorithm)  # passes by whoever keeps the compiler busy
        if plan is None:
            plan, times.compile = await self._compiler.run(self._prepared, problem, algorithm)
        gathering = Gathering(self._engine, plan, problem)
        try:
            while await self._device.run(gathering.take):
                self._metrics.blocks.inc()
        finally:
            self._device.submit(gathering.close)
        self._metrics.blocks.inc()
        times.queue = max(0.0, gathering.began - entered - times.compile)
        times.compute = gathering.ended - gathering.began
        return Answer(
            function=plan.function.name,
            version=plan.function.version,
            wrt=plan.wrt,
            algorithm=plan.algorithm or algorithm,
            sizes=problem.sizes,
            shape=problem.shape,
            dtype=problem.dtype,
            blocks=(gathering.whole(),),
            times=times,
        )

    def _prepared(self, problem: Problem, algorithm: str) -> tuple[Plan, float]:
        plan = self._engine.plan(problem, algorithm)
        seconds = self._engine.prepare(plan)
        if seconds:
            self._metrics.compiles.inc()
        return plan, seconds


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except JJTError:
        raise
    except Exception as error:
        log.exception("computation failed")
        raise ComputeFailed(
            "the function raised while it was computed; the log has the traceback under this request_id"
        ) from error
