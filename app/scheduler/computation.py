"""One problem on its way through a device lane: block by block, alone or together with others like it.

Knows no event loop and no deadline: it runs inside of a ``with``, and no block begins after that.
"""

import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Protocol, Self

from app.engine import Execution, Flight, Order, Plan, Problem
from app.scheduler.device import Device
from app.scheduler.turns import Landing
from app.specs import Answer, Block, Times

MOST_LANDINGS = 64  # that a computation remembers


class Sink(Protocol):
    """Where the blocks of a computation go; called where the lane's turns are taken."""

    def put(self, blocks: Sequence[Block], seconds: float) -> None:
        """Take blocks that landed, and how long the device was had for them."""
        ...

    def end(self, error: Exception | None) -> None:
        """Nothing follows: all blocks are there, or an error says why not."""
        ...


class Computation:
    """A turn for each block.

    Args:
        device: where it runs.
        plan: what runs; compiled.
        problem: the arrays.
        client: whose it is.
        sink: where blocks go.
        order: in which they are computed.
        ahead: blocks that are begun, at most, and not yet ``taken``; None for any number.
    """

    def __init__(
        self,
        device: Device,
        plan: Plan,
        problem: Problem,
        client: str,
        sink: Sink,
        order: Order = "computed",
        ahead: int | None = None,
    ) -> None:
        self.client = client
        self.seconds = plan.seconds / plan.blocks
        self.began = self.ended = 0.0
        self.batch = 1
        self.landings: list[tuple[float, float]] = []  # of several blocks, when each landed and its seconds
        self.plan, self.problem = plan, problem
        self.alone = not device.engine.computes_aside
        self._device, self._sink = device, sink
        self._order: Order = order
        self._ahead = ahead
        self._most = device.stacks.most(plan)
        self._pace = device.pace(plan.tiles[0]) if plan.blocks == 1 else None
        self.light = self._pace is not None and self._pace.least < device.light_seconds
        if self._pace is not None and self._most > 1:
            self._most = min(self._most, self._pace.most(here=self.light))
        self._execution: Execution | None = None
        self._flying = 0
        self._untaken = 0
        self._parked = self._over = False
        self._lock = threading.Lock()

    @property
    def kind(self) -> Hashable:
        """Computations of one tile can go together."""
        return self._pace if self._most > 1 else None

    def __enter__(self) -> Self:
        """Stand in line for the first block. Where it is light, somebody lets the lane ``work_here`` soon."""
        self._device.outstanding += self.plan.seconds
        self._device.lane.put(self, wake=not self.light)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Nobody wants any more of it."""
        self.cancel()
        self._device.outstanding -= self.plan.seconds

    def taken(self) -> None:
        """Make room for another block. From any thread."""
        with self._lock:
            self._untaken -= 1
            resumes, self._parked = self._parked and not self._over, False
        if resumes:
            self._device.lane.put(self)

    def cancel(self) -> None:
        """Begin no other block; what is in flight lands and is dropped. From any thread."""
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._device.lane.remove(self)

    def refuse(self, error: Exception) -> bool:
        """End for a reason, unless it has begun; whether that was so. From any thread."""
        refused = not self.began and self._device.lane.remove(self)
        if refused:
            self._end(error)
        return refused

    def tell(self, times: Times, entered: float) -> None:
        """Write down what it took, when it is over.

        Args:
            times: of its answer; compiling is there.
            entered: when its request asked for it, on the clock of ``perf_counter``.
        """
        times.queue = max(0.0, self.began - entered - times.compile)
        times.compute = self.ended - self.began
        times.compute_ended, times.landings = self.ended, self.landings

    def answer(self, times: Times, blocks: Iterable[Block]) -> Answer:
        """What is answered, of blocks that cover the matrix, and what else is known of it."""
        plan, problem = self.plan, self.problem
        return Answer(
            function=plan.function.name,
            version=plan.function.version,
            wrt=plan.wrt,
            algorithm=plan.algorithm or "auto",
            sizes=problem.sizes,
            shape=problem.shape,
            dtype=problem.dtype,
            blocks=blocks,
            times=times,
            batch=self.batch,
        )

    def begin(self) -> Landing | None:
        """Dispatch a block, or one of each of some computations like this one."""
        if self._over:
            return None
        together = [self, *self._others()]
        now = perf_counter()
        for each in together:
            each.began, each.batch = each.began or now, len(together)
        try:
            flight = self._dispatched(together)
        except BaseException as error:
            _fail(together, error)
            return None
        metrics = self._device.metrics
        metrics.blocks.inc(len(together))
        metrics.batch_requests.observe(len(together))
        for each in together:
            each.stand_again()
        return lambda: self._land(flight, together)

    def drop(self) -> None:
        """The lane closes."""
        self._end(RuntimeError("the device lane is closed"))

    def stand_alone(self) -> None:
        """Stand in line again, for a block of its own. While turns are taken."""
        self._most, self._flying, self.light = 1, 0, False
        if not self._over:
            self._device.lane.put(self)

    def fail(self, error: Exception) -> None:
        """End for a reason. While turns are taken."""
        self._device.lane.remove(self)
        self._end(error)

    def _others(self) -> "list[Computation]":
        if self._most == 1:
            return []
        stacks, lane = self._device.stacks, self._device.lane
        others = lane.together(self.kind, lambda n: stacks.size(self.plan, n + 1) - 1, self._most - 1)
        return [other for other in others if isinstance(other, Computation)]

    def _dispatched(self, together: "Sequence[Computation]") -> Flight:
        engine = self._device.engine
        if len(together) > 1:
            return engine.stacking.dispatch([(each.plan, each.problem) for each in together])
        if self._execution is None:
            self._execution = engine.execution(self.plan, self.problem, self._order)
        return self._execution.dispatch()

    def stand_again(self) -> None:
        """Stand in line for the next block, if there is one and room for it. While turns are taken."""
        self._flying += 1
        if self._execution is None or self._execution.left == 0:
            return
        with self._lock:
            self._untaken += 1
            self._parked = self._ahead is not None and self._untaken >= self._ahead
            again = not (self._parked or self._over)
        if again:
            self._device.lane.put(self)

    def _land(self, flight: Flight, together: "Sequence[Computation]") -> None:
        lane = self._device.lane
        try:
            landed, seconds = flight.land(lane.idle, self._device.engine.observe)
        except BaseException as error:
            _fail(together, error)
            return
        n = len(together)
        share = seconds / n
        if n == 1:
            lane.had(self.client, seconds, self.seconds)
            if self._pace is not None:
                self._pace.note(seconds, self.plan.seconds, lane.is_own_thread)
        else:  # of one tile, and so predicted alike
            for client, count in Counter([each.client for each in together]).items():
                lane.had(client, count * share, count * self.seconds)
            if self._pace is not None:
                self._pace.note_as_one(n, seconds)
        for each, blocks in zip(together, landed, strict=True):
            try:
                each.take(blocks, share)
            except Exception as error:  # no memory for its matrix, for one
                each.fail(error)

    def take(self, blocks: Sequence[Block], seconds: float) -> None:
        """Pass on blocks that landed. While turns are taken."""
        self._flying -= 1
        self.ended = perf_counter()
        if self.plan.blocks > 1 and len(self.landings) < MOST_LANDINGS:
            self.landings.append((self.ended, seconds))
        if self._over:
            return
        self._sink.put(blocks, seconds)
        if self._flying == 0 and (self._execution is None or self._execution.left == 0):
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._sink.end(error)


def _fail(together: Sequence[Computation], error: BaseException) -> None:
    """End one computation; of several, let each try alone, so that none fails for another's sake."""
    if not isinstance(error, Exception):
        # A function that calls sys.exit() ends its request, not the service.
        error = RuntimeError(f"the computation ended with {error!r}")
    for each in together:
        if len(together) > 1:
            each.stand_alone()
        else:
            each.fail(error)
