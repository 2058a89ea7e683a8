"""Records of requests → OpenTelemetry spans, made after the fact from what was measured anyway.

A thread looks for records a few times a second while there are some: the event loop makes no span. Imported
only where traces are asked for.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from importlib.metadata import version
from time import perf_counter_ns, sleep, time_ns
from typing import NamedTuple

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from app.api.trace_context import TraceContext
from app.api.tracing import Answered, Record
from app.specs import Times

MAX_RECORDS = 2048  # that wait to become spans; what comes then is dropped
MAX_PATH = 256  # characters of a path that are kept
_PAUSE_SECONDS = 0.05  # between looks for records, while there are some
log = structlog.get_logger()


class Stage(NamedTuple):
    """What a request did for a while; times as in a record."""

    name: str
    began: float
    ended: float


class Spans:
    """Makes spans of records, on a thread of its own, and sends them.

    Args:
        exporters: of OpenTelemetry; each gets every span, in batches, as ``OTEL_BSP_…`` say.
    """

    def __init__(self, exporters: Sequence[SpanExporter]) -> None:
        # What callers send in tracestate is theirs to get wrong, as often as they like.
        logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
        known = Resource.create()
        if str(known.attributes["service.name"]).startswith("unknown_service"):
            known = known.merge(Resource({"service.name": "jjt"}))
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=Resource({"service.version": version("jjt")}).merge(known),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("jjt", version("jjt"))
        self._records: deque[Record] = deque()
        self._dropped = 0
        self._some = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="jjt-traces", daemon=True)
        self._thread.start()

    def record(self, record: Record) -> None:
        """Take a request that is over; from the event loop."""
        if len(self._records) >= MAX_RECORDS:
            self._dropped += 1
            return
        self._records.append(record)
        if not self._some.is_set():
            self._some.set()

    def close(self, seconds: float) -> bool:
        """Send what is left; whether that was done in the seconds given. A slow collector is left behind."""
        self._closed = True
        self._some.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._closed:
            self._some.wait()
            sleep(_PAUSE_SECONDS)  # so that one waking makes the spans of many requests
            self._some.clear()
            self._take()
        self._take()
        self._provider.shutdown()

    def _take(self) -> None:
        # From the clock of the measurements to that of the world, as it is set now.
        epoch = time_ns() - perf_counter_ns()
        while self._records:
            try:
                self._export(self._records.popleft(), epoch)
            except Exception:
                log.exception("the spans of a request could not be made")
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            log.warning("requests without a trace", dropped=dropped, most_waiting=MAX_RECORDS)

    def _export(self, record: Record, epoch: int) -> None:
        context = record.context
        self._ids.trace_id = int(context.trace_id, 16)
        name = f"{record.method} {record.route}"
        span = self._tracer.start_span(
            name, _parent(context), SpanKind.SERVER, _attributes(record), start_time=_ns(record.began, epoch)
        )
        if record.status >= 500:
            span.set_status(StatusCode.ERROR)
        if span.is_recording() and record.answered is not None:
            self._export_stages(record.answered, set_span_in_context(span), epoch)
        span.end(_ns(record.ended, epoch))

    def _export_stages(self, answered: Answered, parent: Context, epoch: int) -> None:
        for stage in stages(answered.times):
            span = self._span(stage, parent, epoch)
            if stage.name == "compute":
                span.set_attribute("jjt.batch", answered.batch)
                inside = set_span_in_context(span)
                for ended, seconds in answered.times.landings:
                    began = max(stage.began, ended - seconds)
                    self._span(Stage("block", began, ended), inside, epoch).end(_ns(ended, epoch))
            span.end(_ns(stage.ended, epoch))

    def _span(self, stage: Stage, parent: Context, epoch: int) -> Span:
        return self._tracer.start_span(stage.name, parent, start_time=_ns(stage.began, epoch))


def stages(times: Times) -> list[Stage]:
    """What a request did, in order: stages that it came to, and no others.

    What it waited for is one stage ``queue`` before its programs were compiled, another one after that.
    """
    began = times.compute_ended - times.compute
    compiled_from = times.compile_ended - times.compile
    queued_from = began - times.queue - times.compile
    found = [Stage("decode", times.decode_ended - times.decode, times.decode_ended)]
    if times.compile:
        found += [
            Stage("queue", queued_from, compiled_from),
            Stage("compile", compiled_from, times.compile_ended),
            Stage("queue", times.compile_ended, began),
        ]
    else:
        found.append(Stage("queue", queued_from, began))
    found += [
        Stage("compute", began, times.compute_ended),
        Stage("verify", times.verify_ended - times.verify, times.verify_ended),
        Stage("encode", times.encode_ended - times.encode, times.encode_ended),
        Stage("stream", times.stream_ended - times.stream, times.stream_ended),
    ]
    # A stage that was not come to has neither seconds nor an end.
    reached = found if times.compute_ended else found[:1]
    return [stage for stage in reached if stage.ended > stage.began]


class _Ids(RandomIdGenerator):
    """Names a trace that begins here as the log has named it."""

    trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


def _parent(context: TraceContext) -> Context:
    if not context.parent_id:
        return Context()
    state = TraceState.from_header([context.state])
    ids = int(context.trace_id, 16), int(context.parent_id, 16)
    caller = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(context.sampled), trace_state=state)
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _attributes(record: Record) -> dict[str, str | int]:
    """By the names of OpenTelemetry's conventions for HTTP, and ``jjt.…``."""
    known = {
        "http.request.method": record.method,
        "http.route": record.route,
        "url.path": record.path[:MAX_PATH],
        "url.scheme": record.scheme,
        "http.response.status_code": record.status,
        "jjt.request_id": record.request_id,
        **{f"jjt.{name}": str(value) for name, value in record.said.items()},
    }
    if record.status >= 400:
        known["error.type"] = str(record.said.get("code", record.status))
    if record.answered is not None:
        known |= {"jjt.version": record.answered.version, "jjt.algorithm": record.answered.algorithm}
    return known


def _ns(seconds: float, epoch: int) -> int:
    return epoch + round(seconds * 1e9)
