"""Whether requests are traced, and what one leaves behind for it: a record, when it is over.

Off unless the variables of OpenTelemetry's own SDK ask for it; only then is the SDK imported. Knows no header
and no route by name.
"""

import os
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from app.api.trace_context import TraceContext
from app.specs import Answer, Times

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
INSTALLED = "opentelemetry_traces_exporter"  # the group of entry points by which packages offer exporters
ANSWERED = "jjt.answered"  # in a scope: what a route says of the matrix that it answered
MISSING = (
    "no exporter {!r} is installed, there are {}; pip install 'jjt[traces]' brings the one for OTLP over HTTP"
)
log = structlog.get_logger()


class Answered(NamedTuple):
    """What spans say of a matrix, without the matrix."""

    times: Times
    version: str
    algorithm: str
    batch: int


class Record(NamedTuple):
    """One request that is over; times on the clock of ``perf_counter``, in seconds."""

    context: TraceContext
    method: str
    route: str
    path: str
    scheme: str
    status: int
    began: float
    ended: float
    request_id: str
    said: Mapping[str, object]
    answered: Answered | None


class Tracing(Protocol):
    """Where records go."""

    def record(self, record: Record) -> None:
        """Take a request that is over; from the event loop."""
        ...

    def close(self, seconds: float) -> bool:
        """Send what is left; whether that was done in the seconds given."""
        ...


def note(scope: MutableMapping[str, Any], answer: Answer) -> None:
    """Leave with a request what its spans will need; they see what its times are set to afterwards."""
    scope[ANSWERED] = Answered(answer.times, answer.version, answer.algorithm, answer.batch)


def exporters_named(variables: Mapping[str, str]) -> list[str]:
    """The exporters that the environment asks for; none where it says nothing of traces.

    Args:
        variables: of the environment. ``OTEL_TRACES_EXPORTER`` names exporters; without it an endpoint
            for OTLP asks for that one.
    """
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    named = variables.get("OTEL_TRACES_EXPORTER", "").strip()
    if not named:
        named = "otlp" if any(variables.get(name, "").strip() for name in ENDPOINTS) else "none"
    return [name for each in named.split(",") if (name := each.strip()) not in ("", "none")]


def from_environment() -> Tracing | None:
    """Tracing as the environment asks for it, or None; where it cannot be had the log says so, and why."""
    names = exporters_named(os.environ)
    if not names:
        return None
    try:
        tracing: Tracing = import_module("app.api.spans").Spans([_exporter(name) for name in names])
    except Exception as error:  # spans are not worth a service that does not start
        log.warning("no traces", exporters=names, reason=str(error) or repr(error))
        return None
    log.info("requests are traced", exporters=names)
    return tracing


def _exporter(name: str) -> "SpanExporter":
    protocol = next(filter(None, (os.environ.get(variable) for variable in PROTOCOLS)), "http/protobuf")
    offered = f"otlp_proto_{protocol.partition('/')[0]}" if name == "otlp" else name
    found = {each.name: each for each in entry_points(group=INSTALLED)}
    if offered not in found:
        raise ValueError(MISSING.format(offered, sorted(found)))
    return found[offered].load()()
