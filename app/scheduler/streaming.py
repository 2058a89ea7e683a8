"""An answer whose blocks are taken while others are computed: back-pressure, and a deadline that is fair."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack

from app.scheduler.admission import Ticket
from app.scheduler.computation import Computation
from app.scheduler.failures import failures_named, until
from app.scheduler.sinks import Reading
from app.specs import Answer, Block


class Stream:
    """Blocks in row order: all columns of the first row of blocks, then of the next.

    Each is one of ``answer.sizes``' rectangles; mirrored ones of a symmetric answer are among them. Only a
    few are computed before they are taken.

    Args:
        answer: what is known before the first block: everything but the blocks and the times.
        reading: where blocks come from.
        computation: that is read.
        ticket: its place among others, in which it rests while its reader is busy.
        work: what runs it; closed to end it.
        deadline: on the clock of the running event loop; time between blocks that the reader takes for
            itself does not count.
        entered: when it was asked for, on the clock of ``perf_counter``.
    """

    def __init__(
        self,
        answer: Answer,
        reading: Reading,
        computation: Computation,
        ticket: Ticket,
        work: ExitStack,
        deadline: float,
        entered: float,
    ) -> None:
        self.answer = answer
        self._reading = reading
        self._computation = computation
        self._ticket = ticket
        self._deadline = deadline
        self._entered = entered
        self._work = work

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """The blocks.

        Raises:
            DeadlinePassed: where the next block is not there at the deadline.
            OutOfMemory: where the device had no room.
            ComputeFailed: if the engine raised anything else.
        """
        loop = asyncio.get_running_loop()
        while True:
            with failures_named():
                async with until(self._deadline):
                    block = await self._reading.next()
            if block is None:
                return
            self._computation.taken()
            given = loop.time()
            with self._ticket.resting():
                yield block
            self._deadline += loop.time() - given

    def close(self) -> None:
        """Begin no other block; the answer has its times from now on."""
        self._work.close()
        if self._computation.ended:
            self._computation.tell(self.answer.times, self._entered)
