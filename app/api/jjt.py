"""``POST /jjt``: bytes to Message to Problem to Answer to bytes, and what is said about it in the headers."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, TypeVar, cast

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app import errors, wire
from app.api.body import read_body
from app.api.house import House, house_of
from app.api.openapi import jjt_operation
from app.api.verifying import said, verified
from app.engine import Problem
from app.metrics import Metrics
from app.specs import Answer

INLINE_BYTES = 64 << 10  # handing smaller work to a thread costs more than doing it on the loop
Precision = Literal["highest", "high", "default"]
T = TypeVar("T")
router = APIRouter(tags=["matrix"])


@dataclass(frozen=True)
class _Asked:
    problem: Problem
    options: wire.Options
    seconds: float


@router.post("/jjt", response_class=Response, **jjt_operation())
async def jjt(request: Request) -> Response:
    """Compute K = J(x1) J(x2)ᵀ of a function; x2 left out means x2 = x1.

    Options stand in the query, or beside the arrays in a JSON or multipart body; each at most once.
    """
    house, arrived = house_of(request), asyncio.get_running_loop().time()
    house.require_ready()
    content_type, accept = (_joined(request, name) for name in ("content-type", "accept"))
    writer = wire.negotiate(accept, content_type)
    wire.reader_for(content_type)
    body = await read_body(request, house.settings.max_body_bytes)
    house.metrics.body_bytes.observe(len(body))
    asked = await _off_loop(len(body), _understand, house, content_type, body, request)
    deadline = arrived + (asked.options.deadline_seconds or house.settings.deadline_seconds)
    answering = house.scheduler.answer(asked.problem, asked.options.algorithm, deadline)
    answer = await _unless_client_leaves(request, answering)
    if asked.options.verify is not None:
        n, tolerance = asked.options.verify, asked.options.verify_tolerance
        verifying = verified(house, asked.problem, answer, n, tolerance, deadline)
        answer = await _unless_client_leaves(request, verifying)
    answer.times.decode = asked.seconds
    answer_bytes = math.prod(answer.sizes) * np.dtype(answer.dtype).itemsize
    content = await _off_loop(answer_bytes, _encode, writer, answer, asked.options.arrays)
    _count(house.metrics, answer, len(content))
    return Response(content, 200, _headers(answer), media_type=writer.media_type)


def _understand(house: House, content_type: str | None, body: bytes, request: Request) -> _Asked:
    began = perf_counter()
    message = wire.decode(content_type, body, house.settings.max_body_bytes)
    options = wire.read_options(message.options, request.query_params.multi_items())
    function = house.catalog.get(options.function)
    request.scope["jjt.said"]["function"] = function.name
    precision = cast("Precision", options.precision)  # one of OPTIONS["precision"], checked there
    problem = house.engine.problem(
        function, message.arrays, message.weak, wrt=options.wrt, precision=precision
    )
    return _Asked(problem, options, perf_counter() - began)


def _encode(writer: wire.Codec, answer: Answer, arrays: str) -> bytes:
    began = perf_counter()
    content = writer.encode(answer, arrays)
    _ = answer.non_finite  # counted here, where a large matrix does not hold up the loop
    answer.times.encode = perf_counter() - began
    return content


def _headers(answer: Answer) -> dict[str, str]:
    stages = (f"{stage};dur={seconds * 1e3:.3f}" for stage, seconds in _stages(answer))
    return {
        "JJT-Function": f"{answer.function}@{answer.version}",
        "JJT-Algorithm": answer.algorithm,
        "JJT-Non-Finite": str(answer.non_finite),
        **({} if answer.verified is None else {"JJT-Verified": said(answer.verified)}),
        "Server-Timing": ", ".join(stages),
    }


def _stages(answer: Answer) -> tuple[tuple[str, float], ...]:
    times = answer.times
    return (
        ("decode", times.decode),
        ("queue", times.queue),
        ("compile", times.compile),
        ("compute", times.compute),
        *(() if answer.verified is None else (("verify", times.verify),)),
        ("encode", times.encode),
    )


def _count(metrics: Metrics, answer: Answer, content_bytes: int) -> None:
    metrics.answers.labels(answer.function, answer.algorithm).inc()
    metrics.answer_bytes.observe(content_bytes)
    for stage, seconds in _stages(answer):
        metrics.stage_seconds.labels(stage, answer.function).observe(seconds)


def _joined(request: Request, name: str) -> str | None:
    """All headers of one name as one, so that two Content-Types are no format that anybody reads."""
    return ", ".join(request.headers.getlist(name)) or None


async def _off_loop(size_bytes: int, work: Callable[..., T], *args: Any) -> T:
    if size_bytes <= INLINE_BYTES:
        return work(*args)
    return await anyio.to_thread.run_sync(work, *args)


async def _unless_client_leaves(request: Request, answering: Coroutine[Any, Any, T]) -> T:
    """Await an answer; cancel it when the client goes, for nobody would read it.

    Raises:
        ClientDisconnect: if the client left first.
    """
    work, gone = asyncio.ensure_future(answering), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        if work.cancel():
            with suppress(asyncio.CancelledError, errors.JJTError):
                await work


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
