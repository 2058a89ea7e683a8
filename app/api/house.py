"""The house: the parts that live as long as the service; what starts them, keeps them fresh and ends them.

The start is three steps. Files that do not load stop it, before anything listens. Behind the open door the
device is calibrated and the shapes that functions declare are compiled; ``/readyz`` says what is still
missing. Report cards are made afterwards, between requests.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import Request

from app.api import tracing
from app.api.draining import Drain
from app.api.freshness import Freshness
from app.api.keyring import Keyring
from app.api.readying import Readying
from app.catalog import Catalog
from app.engine import Engine, local_devices
from app.engine.compilations import heard
from app.errors import ComputeFailed, NotReady
from app.function import Function
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler, unlimited
from app.settings import Settings

CLOSE_SECONDS = 1.0  # for each lane; what was asked for is answered by then
log = structlog.get_logger()


class House:
    """Everything that routes need.

    Args:
        settings: of the team that hosts the service.
        announce: called once, when the service is ready.

    Raises:
        LoadError: for the first file of the registry that does not load.
        KeyFileError: where the file of keys cannot be used.
    """

    def __init__(self, settings: Settings, announce: Callable[["House"], None] | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.keyring = Keyring(settings.keys, self.metrics) if settings.keys else None
        self.catalog = Catalog(settings.registry, settings.data)
        self.catalog.load()
        self.engines = [
            Engine(
                memory_bytes=settings.memory_bytes,
                block_seconds=settings.block_seconds,
                executables=settings.executables,
                # The doors know more.
                max_answer_bytes=max(settings.max_answer_bytes, settings.max_stream_bytes),
                heard=partial(self._count_kept, number),
                device=device,
            )
            for number, device in enumerate(local_devices())
        ]
        admission = Admission(settings.queue_seconds, settings.queue_bytes, len(self.engines))
        spent = self.keyring.spent if self.keyring else unlimited
        self.scheduler = Scheduler(self.engines, self.metrics, admission, spent=spent)
        self._readying = Readying(settings, self.engines, self.scheduler)
        self._kept: dict[tuple[str, int], int] = {}  # bytes by function and device
        self._freshness = Freshness()
        self.draining = Drain()
        self.closed_in_time = True
        self.tracing = tracing.from_environment()
        self._announce = announce
        self._calibration = "the device is not calibrated yet"
        self._cold = set(self.catalog.functions)
        self._without_card: asyncio.Queue[Function] = asyncio.Queue()
        self.metrics.serve(self.catalog.functions)

    @property
    def engine(self) -> Engine:
        """The engine of the first device, which knows the functions as every other does."""
        return self.engines[0]

    @property
    def reasons(self) -> list[str]:
        """Why the service is not ready; empty when it is."""
        return ["draining"] if self.draining.begun else self._starting

    @property
    def _starting(self) -> list[str]:
        cold = [f"the programs of {name} are not compiled yet" for name in sorted(self._cold)]
        return [self._calibration, *cold] if self._calibration else cold

    def require_ready(self) -> None:
        """Refuse a request while the service is starting; one that was let in before a drain is answered.

        Raises:
            NotReady: with the reasons.
        """
        if reasons := self._starting:
            detail = f"the service is starting: {reasons[0]}; try again when /readyz answers 200"
            raise NotReady(detail, reasons=reasons)

    async def drain(self) -> bool:
        """Answer what is under way, and nothing else; returns whether all of it could be."""
        self.draining.begin()
        self.metrics.ready.set(0)
        return await self.draining.finish(self.settings.drain_seconds)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Warm up and keep fresh, in the background, while the service runs; then close the lanes."""
        lasting = [self._warm_up(), self._keep_fresh(), self._make_cards()]
        if self.keyring:
            lasting.append(self.keyring.keep_fresh(self._freshness.of_file(self.keyring.path)))
        counted = heard(lambda source: self.metrics.programs.labels(source).inc())
        with counted, self._freshness.hangups():
            tasks = [asyncio.create_task(each) for each in lasting]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if self.tracing is not None:
                    await asyncio.to_thread(self.tracing.close, CLOSE_SECONDS)
                self.closed_in_time = await asyncio.to_thread(self.scheduler.close, CLOSE_SECONDS)

    async def _warm_up(self) -> None:
        try:
            await self._readying.calibrate()
        except ComputeFailed:
            self._calibration = "the device could not be calibrated; the log says why"
            return
        self._calibration = ""
        functions = list(self.catalog.functions.values())
        for function in functions:
            await self._readying.warm(function)
            self._cold.discard(function.name)
        self.metrics.ready.set(0 if self.draining.begun else 1)
        log.info("ready", functions=sorted(self.catalog.functions))
        if self._announce:
            self._announce(self)
        for function in functions:
            self._await_card(function)

    def _await_card(self, function: Function) -> None:
        if not self._readying.adopt_card(function):
            self._without_card.put_nowait(function)

    async def _make_cards(self) -> None:
        while True:
            function = await self._without_card.get()
            if self.catalog.functions.get(function.name) is function:  # else it was reloaded meanwhile
                await self._readying.make_card(function)

    def _count_kept(self, device: int, event: str, function: Function, kept_bytes: int | None) -> None:
        self.metrics.kept.labels(event, function.name).inc()
        if kept_bytes is None:
            return
        self._kept[function.name, device] = kept_bytes
        devices = range(len(self.engines))
        total = sum(self._kept.get((function.name, each), 0) for each in devices)
        self.metrics.kept_bytes.labels(function.name).set(total)

    async def _keep_fresh(self) -> None:
        watch = self.settings.reload
        async for _ in self._freshness.of_folders(self.settings.registry, watch=watch):
            await self._reload()

    async def _reload(self) -> None:
        before = dict(self.catalog.functions)
        reloaded = await self.scheduler.on_compiler(self.catalog.reload)
        for name, function in before.items():
            if self.catalog.functions.get(name) is not function:
                await self.scheduler.on_each(lambda engine, function=function: engine.forget(function))
        for function in reloaded.changed:
            await self._readying.warm(function)
            self._await_card(function)
        for failure in self.catalog.failed:
            log.error("file of the registry failed", file=str(failure.path), reason=failure.reason)
        self.metrics.serve(self.catalog.functions)
        self.metrics.failed_files.set(len(self.catalog.failed))
        changed, removed = ([item.name for item in some] for some in (reloaded.changed, reloaded.removed))
        log.info("registry reloaded", changed=changed, removed=removed, failed=len(self.catalog.failed))


def house_of(request: Request) -> House:
    """The house in which a request is answered; routes depend on it."""
    return request.app.state.house
