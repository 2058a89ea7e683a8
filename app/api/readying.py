"""What makes a service ready, and what it learns afterwards; each thing taken from disk where it was kept.

Everything runs through the scheduler's lanes. Kept are the rates of the device, the plans of the shapes
that functions declare as warm, and report cards, by the environment that they were made in.
"""

from collections.abc import Sequence
from contextlib import suppress

import structlog

from app.catalog import Kept, environment
from app.engine import Engine, outline
from app.errors import ComputeFailed, JJTError
from app.function import Function
from app.scheduler import Scheduler
from app.settings import Settings

IDLE_SECONDS = 0.2  # without a request, before a report card is begun: it keeps the device for seconds
MOST_SECONDS = 60.0  # that a report card waits for such a pause
log = structlog.get_logger()


class Readying:
    """Prepares an engine.

    Args:
        settings: where things are kept, and the budgets of plans.
        engines: are prepared; the first one measures and makes report cards for all, as devices are alike.
        scheduler: of these engines.
    """

    def __init__(self, settings: Settings, engines: Sequence[Engine], scheduler: Scheduler) -> None:
        self._engines = engines
        self._engine = engine = engines[0]
        self._scheduler = scheduler
        self._environment = environment(engine.device_kind)
        self._budgets = f"{engine.memory_bytes} B, {engine.block_seconds} s, {engine.panel_bytes} B a row"
        self._rates = Kept(settings.data / "rates.json")
        self._plans = Kept(settings.data / "plans.json")
        self._cards = Kept(settings.data / "cards.json")

    async def calibrate(self) -> None:
        """Know how fast the device is. Raises ``ComputeFailed`` where it cannot be measured."""
        measured = self._rates.get(self._environment)
        rates = await self._scheduler.on_device(self._engine.calibrate, measured)
        for engine in self._engines[1:]:
            engine.calibrate(rates)
        if rates != measured:
            self._rates.put(self._environment, rates)

    async def warm(self, function: Function) -> None:
        """Plan and compile the shapes that a function declares; what cannot be is logged, and goes on."""
        for n1, n2 in function.warm:
            try:
                await self._scheduler.on_compiler(self._warm, function, n1, n2)
            except JJTError as error:
                log.warning("not warm", function=function.name, n1=n1, n2=n2, reason=error.detail)

    def adopt_card(self, function: Function) -> bool:
        """Take the report card of a function from disk; whether it was there."""
        card = self._cards.get(self._key(function))
        if card:
            self._engine.adopt(function, card)
        return bool(card)

    async def make_card(self, function: Function) -> None:
        """Make the report card of a function in a pause between requests."""
        await self._scheduler.idle(IDLE_SECONDS, MOST_SECONDS)
        with suppress(ComputeFailed):  # the log has the traceback; the function serves without a card
            card = await self._scheduler.on_device(self._engine.inspect, function)
            self._cards.put(self._key(function), card)

    def _warm(self, function: Function, n1: int, n2: int | None) -> None:
        for engine in self._engines:
            self._warm_one(engine, function, n1, n2)

    def _warm_one(self, engine: Engine, function: Function, n1: int, n2: int | None) -> None:
        key = f"{self._key(function)} {n1} x {n2}, {self._budgets}"
        kept = self._plans.get(key)
        plan = engine.resume(function, n1, n2, kept) if kept else None
        if plan is None:
            plan = engine.explain(function, n1, n2)
            self._plans.put(key, outline(plan))
        engine.prepare(plan)

    def _key(self, function: Function) -> str:
        return f"{function.name}@{function.version} {self._environment}"
