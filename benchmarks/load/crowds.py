"""Ways in which many clients ask: in a closed loop, in an open one, now and then. Each answer is checked."""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from benchmarks.load.calling import RIGHT, Line, Tally, line, once
from benchmarks.load.questions import Question, ask

Draw = Callable[[np.random.Generator], Question]


def about(function: str, n: int | None = None) -> Draw:
    """Questions about a function."""
    return lambda source: ask(function, source, n)


async def closed(
    port: int, draw: Draw, addresses: Sequence[str], seconds: float, tally: Tally, pause: float = 0.0
) -> float:
    """One request after the other from each address; returns right answers per second.

    Args:
        port: of the service.
        draw: what is asked.
        addresses: one for each connection; several may be the same.
        seconds: during which requests are sent.
        tally: of what comes.
        pause: between an answer and the next request; a random part of as much before the first.
    """
    began, before = perf_counter(), tally.counts[RIGHT]

    async def client(number: int, source: str) -> None:
        random = np.random.default_rng((number, int(began * 1e6)))
        await asyncio.sleep(pause * random.random())
        async with line(port, source) as kept:
            while perf_counter() < began + seconds:
                await once(kept, draw(random), tally)
                await asyncio.sleep(pause)

    await asyncio.gather(*(client(number, source) for number, source in enumerate(addresses)))
    return (tally.counts[RIGHT] - before) / (perf_counter() - began)


async def opened(
    port: int, draw: Draw, addresses: Sequence[str], rate: float, seconds: float, tally: Tally
) -> float:
    """Requests at random times, whatever comes of those before; returns right answers per second.

    Args:
        port: of the service.
        draw: what is asked.
        addresses: each request is from one of these, by chance.
        rate: requests per second, from all together.
        seconds: during which they are sent; those sent last are awaited beyond.
        tally: of what comes.
    """
    random = np.random.default_rng(int(rate * 1e3))
    idle: dict[str, list[Line]] = {source: [] for source in addresses}
    tasks: set[asyncio.Task[None]] = set()
    questions = [draw(random) for _ in range(64)]
    answered: list[float] = []

    async def request(source: str, question: Question) -> None:
        kept = idle[source].pop() if idle[source] else Line(port, source)
        if await once(kept, question, tally) == RIGHT:
            answered.append(perf_counter())
        idle[source].append(kept)

    began = due = perf_counter()
    while due < began + seconds:
        due += random.exponential(1 / rate)
        if (wait := due - perf_counter()) > 0:
            await asyncio.sleep(wait)
        tally.late.append(max(0.0, perf_counter() - due))
        number = int(random.integers(len(questions)))
        question, questions[number] = questions[number], draw(random)
        task = asyncio.create_task(request(addresses[int(random.integers(len(addresses)))], question))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    ended = perf_counter()
    await asyncio.gather(*tasks)
    for kept in (each for some in idle.values() for each in some):
        kept.abort()
    return sum(at < ended for at in answered) / (ended - began)


async def once_more(port: int, draw: Draw, tally: Tally) -> None:
    """One question, when all is over."""
    async with line(port, "127.0.0.1") as kept:
        await once(kept, draw(np.random.default_rng(0)), tally)
