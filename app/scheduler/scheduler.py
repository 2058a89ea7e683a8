"""Turns problems into answers by way of lanes: one for each device, and one that compiles beside them.

Let in by predicted seconds and bytes; then clients meet on the device lane block by block. To stop a
computation is to begin no other block of it. Knows no HTTP; whatever the engine raises leaves here as a
``JJTError``.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil
from time import monotonic, perf_counter
from typing import Any, TypeVar

import structlog

from app.engine import Engine, Plan, Problem
from app.errors import JJTError, OutOfMemory
from app.metrics import Metrics
from app.scheduler.admission import Admission, Ticket
from app.scheduler.computation import Computation
from app.scheduler.device import LIGHT_SECONDS, Device
from app.scheduler.failures import failures_named, until
from app.scheduler.lane import HOUSE, Lane, Spent, unlimited
from app.scheduler.pace import HERE_SECONDS
from app.scheduler.sinks import Reading, Whole
from app.scheduler.stacks import Stacks
from app.scheduler.streaming import Stream
from app.specs import Answer, Block, Times

T = TypeVar("T")
_AHEAD = 3  # blocks of a stream that its reader has not taken, at most
log = structlog.get_logger()


class Scheduler:
    """The lanes of some engines, and who may use them.

    Args:
        engines: one for each device; their plans are prepared on the compile lane.
        metrics: where turns and compilations are counted.
        admission: who is let in.
        light_seconds: of a block that the event loop computes, rather than wake a thread; on CPUs only.
        spent: is told the seconds that a client had a device; where turns are taken.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        metrics: Metrics,
        admission: Admission,
        light_seconds: float = LIGHT_SECONDS,
        spent: Spent = unlimited,
    ) -> None:
        self._metrics = metrics
        self._compiler = Lane("jjt-compiler")
        self._devices = [
            Device(
                engine,
                Lane(f"jjt-device-{number}", spent),
                Stacks(engine, self._compiler),
                metrics,
                # What else keeps another device busy is not known here: it is awaited elsewhere.
                0.0 if engine.computes_aside else light_seconds,
            )
            for number, engine in enumerate(engines)
        ]
        self._admission = admission
        # On whose lanes the event loop is about to work, and what to tell when it has.
        self._soon: dict[Device, list[asyncio.Future[None]]] = {}
        metrics.queue_seconds.set_function(lambda: admission.seconds)
        metrics.queue_requests.set_function(lambda: admission.requests)
        metrics.queue_bytes.set_function(lambda: admission.nbytes)
        metrics.executables.set_function(lambda: sum(len(engine.executables) for engine in engines))
        for lane in self._lanes:
            metrics.lane_turns.labels(lane.name).set_function(lambda lane=lane: lane.waiting)

    def admitted(self, client: str, nbytes: int = 0) -> Ticket:
        """Let a request in; everything else that it does happens inside of ``with`` its ticket.

        Args:
            client: whose it is.
            nbytes: that it holds; ``resize`` the ticket when it turns out otherwise.

        Raises:
            QueueFull: with the seconds after which to try again.
        """
        try:
            return self._admission.enter(client, nbytes)
        except JJTError as error:
            self._count_refusal(error)
            raise

    async def answer(self, problem: Problem, algorithm: str, deadline: float, ticket: Ticket) -> Answer:
        """Compute the matrix of a problem.

        Args:
            problem: checked and cast.
            algorithm: ``auto`` or the name of one.
            deadline: on the clock of the running event loop, seconds.
            ticket: of ``admitted``.

        Returns:
            The answer, complete, with queue, compile and compute seconds in its times.

        Raises:
            NotApplicable, AnswerTooLarge: by the planner.
            QueueFull: where others have too much before it, or it has not begun after as long as it may wait.
            DeadlinePassed: where it would not be done by the deadline, or is not: the blocks that are in
                flight then run on, no other follows.
            OutOfMemory: where the device had no room, even for blocks of half the size.
            ComputeFailed: if the engine raised anything else.
        """
        with failures_named():
            return await self._answer(problem, algorithm, deadline, ticket)

    async def stream(self, problem: Problem, algorithm: str, deadline: float, ticket: Ticket) -> Stream:
        """Begin to compute a matrix whose blocks are taken in row order, while others are computed.

        Args:
            problem: checked and cast.
            algorithm: ``auto`` or the name of one.
            deadline: on the clock of the running event loop, seconds; it moves on by whatever time the
                reader takes.
            ticket: of ``admitted``, held until the stream is closed.

        Returns:
            The stream, before its first block; to be closed.

        Raises:
            As ``answer`` does, here and by the stream's blocks; out of memory, nothing is tried again.
        """
        times, entered = Times(), perf_counter()
        with failures_named():
            device, plan = await self._placed(problem, algorithm, deadline, ticket, times)
        reading = Reading(ticket.spend)
        computation = Computation(device, plan, problem, ticket.client, reading, "rows", _AHEAD)
        answer = computation.answer(times, ())
        work = ExitStack()
        work.enter_context(computation)
        work.enter_context(self._patience(device, computation, ticket))
        if computation.light:
            self._work_soon(device)
        return Stream(answer, reading, computation, ticket, work, deadline, entered)

    async def on_device(self, call: Callable[..., T], *args: Any, client: str = HOUSE) -> T:
        """Run what touches the first device: calibration, report cards, examples."""
        with failures_named():
            return await self._devices[0].lane.run(call, *args, client=client)

    async def on_each(self, call: Callable[[Engine], T]) -> list[T]:
        """Run something with the engine of each device, on its lane."""
        with failures_named():
            return [await device.lane.run(call, device.engine) for device in self._devices]

    async def on_compiler(self, call: Callable[..., T], *args: Any, client: str = HOUSE) -> T:
        """Run what traces or compiles: plans without arrays, reloads."""
        with failures_named():
            return await self._compiler.run(call, *args, client=client)

    async def idle(self, seconds: float, most: float) -> None:
        """Wait until nobody has waited for an answer for some seconds; ``most`` seconds altogether."""
        limit = monotonic() + most
        while (now := monotonic()) < limit:
            rest = seconds if self._admission.requests else self._admission.quiet + seconds - now
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, limit - now))

    def close(self, seconds: float) -> bool:
        """Close all lanes; returns whether they have ended within the seconds given to each."""
        ended = [lane.close(seconds) for lane in self._lanes]
        return all(ended)

    @property
    def _lanes(self) -> list[Lane]:
        return [self._compiler, *(device.lane for device in self._devices)]

    async def _answer(self, problem: Problem, algorithm: str, deadline: float, ticket: Ticket) -> Answer:
        times, entered = Times(), perf_counter()
        device, plan = await self._placed(problem, algorithm, deadline, ticket, times)
        sink = Whole(problem.sizes, ticket.spend)
        computation = Computation(device, plan, problem, ticket.client, sink)
        try:
            with computation:
                if computation.light:
                    await self._worked(device)
                if not sink.ended:
                    with self._patience(device, computation, ticket):
                        async with until(deadline):
                            await sink.end_awaited()
            matrix = sink.matrix
        except OutOfMemory as error:
            if not self._again(device, plan, ticket):
                if device.outstanding > 0:  # others had some of the memory
                    error.fields["retry_after_seconds"] = max(1, ceil(device.outstanding))
                raise
            return await self._answer(problem, algorithm, deadline, ticket)
        computation.tell(times, entered)
        n1, _, n2, _ = problem.sizes
        blocks = (Block((0, n1), (0, n2), matrix),)
        return computation.answer(times, blocks)

    async def _placed(
        self, problem: Problem, algorithm: str, deadline: float, ticket: Ticket, times: Times
    ) -> tuple[Device, Plan]:
        """Where a problem is computed, and how: compiled, and let in at its price."""
        device = self._devices[0] if len(self._devices) == 1 else min(self._devices, key=Device.busy)
        plan = device.engine.ready(problem, algorithm)  # passes by whoever keeps the compiler busy
        if plan is None:
            async with until(deadline):
                plan = await self._compiled(device, problem, algorithm, ticket.client, times)
        try:
            ticket.price(plan.seconds, deadline - asyncio.get_running_loop().time())
        except JJTError as error:
            self._count_refusal(error)
            raise
        return device, plan

    async def _compiled(
        self, device: Device, problem: Problem, algorithm: str, client: str, times: Times
    ) -> Plan:
        began = perf_counter()
        with device.awaited():
            plan, seconds = await self._compiler.run(
                _planned, device.engine, problem, algorithm, client=client
            )
        times.compile += seconds
        times.compile_ended = perf_counter()
        self._metrics.compile_wait_seconds.observe(times.compile_ended - began)
        if seconds:
            self._metrics.compiles.inc()
        return plan

    def _count_refusal(self, error: JJTError) -> None:
        self._metrics.refused.labels(error.code).inc()

    @contextmanager
    def _patience(self, device: Device, computation: Computation, ticket: Ticket) -> Iterator[None]:
        """Meanwhile a computation is awaited.

        What has not begun after as long as it may wait, and a block, is refused: others went before it.
        """

        def refuse() -> None:
            error = self._admission.late(ticket)
            if computation.refuse(error):
                self._count_refusal(error)

        seconds = self._admission.queue_seconds + device.engine.block_seconds
        timer = asyncio.get_running_loop().call_later(seconds, refuse)
        try:
            yield
        finally:
            timer.cancel()

    def _work_soon(self, device: Device) -> None:
        """Let the event loop work on a lane, once all that it has to hand has been queued."""
        if device not in self._soon:
            self._soon[device] = []
            asyncio.get_running_loop().call_soon(self._work_here, device)

    def _worked(self, device: Device) -> asyncio.Future[None]:
        """What is done when the event loop has worked on a lane, soon.

        What was light is there then, mostly, and needed no timer until it was.
        """
        self._work_soon(device)
        worked = asyncio.get_running_loop().create_future()
        self._soon[device].append(worked)
        return worked

    def _work_here(self, device: Device) -> None:
        waiting = self._soon.pop(device)
        if device.lane.work_here(HERE_SECONDS):
            self._work_soon(device)
        for worked in waiting:
            if not worked.done():  # else whoever waited is gone
                worked.set_result(None)

    def _again(self, device: Device, plan: Plan, ticket: Ticket) -> bool:
        """Learn from a device that had no room; whether to try again, which is done once."""
        log.warning("out of device memory", function=plan.function.name, predicted_bytes=plan.bytes)
        self._metrics.out_of_memory.labels(plan.function.name).inc()
        device.engine.shrink(plan)
        first, ticket.retried = not ticket.retried, True
        return first


def _planned(engine: Engine, problem: Problem, algorithm: str) -> tuple[Plan, float]:
    plan = engine.plan(problem, algorithm)
    return plan, engine.prepare(plan)
