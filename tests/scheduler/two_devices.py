"""Run by ``test_devices.py`` in a process that has two devices: prints what it found as JSON."""

import asyncio
import json
from typing import Any

import jax.numpy as jnp
import numpy as np

from app import ArraySpec, Function
from app.engine import Engine, Execution, Order, Plan, Problem, local_devices
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler
from app.specs import Answer

WEIGHTS = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
TANH = Function(
    lambda w, x: jnp.tanh(x @ w), ArraySpec("float32", (64,)), WEIGHTS, wrt="params", name="tanh", version="1"
)
REQUESTS = 24


class Noted(Engine):
    """Notes where its blocks are computed."""

    def __init__(self, device: Any) -> None:
        super().__init__(device=device)
        self.places: list[str] = []

    def execution(self, plan: Plan, problem: Problem, order: Order = "computed") -> Execution:
        execution = super().execution(plan, problem, order)
        dispatch = execution.dispatch

        def noted() -> Any:
            flight = dispatch()
            self.places += [str(device) for device in flight.array.devices()]
            return flight

        execution.dispatch = noted  # type: ignore[method-assign]
        return execution


def problems(engine: Engine) -> list[Problem]:
    """One for each request."""
    draw = np.random.default_rng(1)
    return [
        engine.problem(TANH, {"x1": draw.standard_normal((24, 64)).astype(np.float32)})
        for _ in range(REQUESTS)
    ]


async def answered(scheduler: Scheduler, asked: Problem) -> Answer:
    """One answer."""
    with scheduler.admitted("somebody") as ticket:
        return await scheduler.answer(asked, "structured", asyncio.get_running_loop().time() + 100, ticket)


async def main() -> None:
    """The same requests on one device, and on both."""
    matrices, places = [], []
    for devices in (local_devices()[:1], local_devices()):
        engines = [Noted(device) for device in devices]
        scheduler = Scheduler(engines, Metrics(), Admission(600, 1 << 30, len(engines)))
        answers = [answered(scheduler, each) for each in problems(engines[0])]
        matrices.append(np.stack([answer.matrix for answer in await asyncio.gather(*answers)]))
        places.append([sorted(set(engine.places)) for engine in engines])
        assert scheduler.close(10)
    print(json.dumps({"equal": bool((matrices[0] == matrices[1]).all()), "places": places}))


if __name__ == "__main__":
    asyncio.run(main())
