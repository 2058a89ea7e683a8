"""``POST /jjt``: bytes to Message to Problem to Answer to bytes, and what is said about it in the headers."""

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Literal, cast

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from app import wire
from app.api.awaiting import off_loop, unless, unless_client_leaves
from app.api.body import announced_bytes, read_body
from app.api.clients import client_of
from app.api.encoding import codings, expand, packed
from app.api.head import Head, head_of
from app.api.house import House, house_of
from app.api.openapi import jjt_operation
from app.api.streaming import StreamedAnswer, streams
from app.api.tracing import note
from app.api.verifying import said, verified
from app.api.written import RawHeaders, Written
from app.engine import Problem
from app.metrics import Metrics
from app.scheduler import Ticket
from app.specs import Answer

HELD_PANELS = 6  # of a streamed answer, at most: computed ahead, put together, being sent
DEADLINE = "deadline_seconds"  # what the header JJT-Deadline says
Precision = Literal["highest", "high", "default"]
router = APIRouter(tags=["matrix"])


@dataclass(frozen=True)
class _Asked:
    problem: Problem
    options: wire.Options
    seconds: float
    ended: float  # decoding, on the clock of perf_counter


@router.post("/jjt", response_class=Response, **jjt_operation())
async def jjt(request: Request) -> Response:
    """Compute K = J(x1) J(x2)ᵀ of a function; x2 left out means x2 = x1.

    Options stand in the query, or beside the arrays in a JSON or multipart body; each at most once.
    """
    house, arrived = house_of(request), asyncio.get_running_loop().time()
    house.require_ready()
    head = head_of(request.scope)
    writer = wire.negotiate(head.accept, head.content_type)
    reader = wire.reader_for(head.content_type)
    encoding, packing = codings(head, request.scope)
    allowed = house.settings.max_body_bytes
    announced = announced_bytes(head.content_length, allowed)
    with house.scheduler.admitted(client_of(request), announced) as ticket:
        body = await read_body(request.receive, head.content_length, allowed, ticket.resize)
        if encoding is not None:
            body = await expand(encoding, body, allowed, ticket.resize)
        ticket.resize(len(body))
        asked = await unless(reader.quick(body), _understand, house, head, body, request.scope)
        deadline = arrived + (asked.options.deadline_seconds or house.settings.deadline_seconds)
        answer_bytes = asked.problem.answer_bytes
        if streams(house.settings, asked.problem, writer, whole=asked.options.verify is not None):
            ticket.resize(len(body) + min(answer_bytes, HELD_PANELS * house.engine.panel_bytes))
            begun = _begun(house, asked, writer, deadline, ticket, packing)
            streamed = await unless_client_leaves(request.receive, begun)
            house.metrics.body_bytes.observe(len(body))
            note(request.scope, streamed.answer)
            return streamed
        ticket.resize(len(body) + 2 * answer_bytes)  # the matrix and its encoding
        answer = await unless_client_leaves(request.receive, _answered(house, asked, deadline, ticket))
        content = await off_loop(answer_bytes, _encode, writer, answer, asked.options.arrays)
        content, coded = await packed(packing, content)
    note(request.scope, answer)
    headers = [*_whole_headers(answer, writer.media_type, len(content)), *coded]
    return Written(content, headers, partial(_count, house.metrics, answer, len(body), len(content)))


async def _answered(house: House, asked: _Asked, deadline: float, ticket: Ticket) -> Answer:
    options = asked.options
    answer = await house.scheduler.answer(asked.problem, options.algorithm, deadline, ticket)
    if options.verify is not None:
        answer = await verified(
            house, asked.problem, answer, options.verify, options.verify_tolerance, deadline, ticket.client
        )
    answer.times.decode, answer.times.decode_ended = asked.seconds, asked.ended
    return answer


async def _begun(
    house: House,
    asked: _Asked,
    writer: wire.Codec,
    deadline: float,
    ticket: Ticket,
    packing: wire.Packing | None,
) -> StreamedAnswer:
    with ExitStack() as held:
        held.enter_context(ticket)
        stream = await house.scheduler.stream(asked.problem, asked.options.algorithm, deadline, ticket)
        held.callback(stream.close)
        stream.answer.times.decode, stream.answer.times.decode_ended = asked.seconds, asked.ended
        known = [stage for stage in _stages(stream.answer) if stage[0] in ("decode", "compile")]
        headers = _headers(stream.answer, known)
        return await StreamedAnswer.begun(stream, writer, house, headers, held, packing)


def _understand(house: House, head: Head, body: bytes, scope: Scope) -> _Asked:
    began = perf_counter()
    message = wire.decode(head.content_type, body, house.settings.max_body_bytes)
    # What callers who cannot touch the body or the query say is an option like the others.
    query = head.query if head.deadline is None else (*head.query, (DEADLINE, head.deadline))
    options = wire.read_options(message.options, query)
    function = house.catalog.get(options.function)
    scope["jjt.said"]["function"] = function.name
    precision = cast("Precision", options.precision)  # one of OPTIONS["precision"], checked there
    problem = house.engine.problem(
        function, message.arrays, message.weak, wrt=options.wrt, precision=precision
    )
    ended = perf_counter()
    return _Asked(problem, options, ended - began, ended)


def _encode(writer: wire.Codec, answer: Answer, arrays: str) -> bytes:
    began = perf_counter()
    content = writer.encode(answer, arrays)
    _ = answer.non_finite  # counted here, where a large matrix does not hold up the loop
    answer.times.encode_ended = perf_counter()
    answer.times.encode = answer.times.encode_ended - began
    return content


def _headers(answer: Answer, stages: Iterable[tuple[str, float]]) -> RawHeaders:
    together = f';desc="batch of {answer.batch}"' if answer.batch > 1 else ""
    timing = ", ".join(
        [
            f"{stage};dur={seconds * 1e3:.3f}{together if stage == 'compute' else ''}"
            for stage, seconds in stages
        ]
    )
    return [
        (b"jjt-function", f"{answer.function}@{answer.version}".encode("latin-1")),
        (b"jjt-algorithm", answer.algorithm.encode("latin-1")),
        (b"server-timing", timing.encode("latin-1")),
    ]


def _whole_headers(answer: Answer, media_type: str, length: int) -> RawHeaders:
    headers = [
        (b"content-type", media_type.encode("latin-1")),
        (b"content-length", b"%d" % length),
        *_headers(answer, _stages(answer)),
        (b"jjt-non-finite", b"%d" % answer.non_finite),
    ]
    if answer.verified is not None:
        headers.append((b"jjt-verified", said(answer.verified).encode("latin-1")))
    return headers


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


def _count(metrics: Metrics, answer: Answer, body_bytes: int, content_bytes: int) -> None:
    metrics.answers.labels(answer.function, answer.algorithm).inc()
    metrics.body_bytes.observe(body_bytes)
    metrics.answer_bytes.observe(content_bytes)
    for stage, seconds in _stages(answer):
        metrics.stage_seconds.labels(stage, answer.function).observe(seconds)
