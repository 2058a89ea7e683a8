"""Traces are off unless the SDK's variables ask for them; then a request is its spans."""

import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app.api import spans, tracing
from app.api.trace_context import TraceContext
from app.api.tracing import Answered, Record, exporters_named
from app.specs import Times
from tests.api.conftest import opened, settings_for
from tests.api.test_jjt import BODY
from tests.conftest import ROOT

pytestmark = pytest.mark.anyio

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "jjt", "OTEL_EXPORTER_OTLP_ENDPOINT": " "}, []),
        (ENDPOINT, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"]),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, []),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, []),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, ["otlp"]),
    ],
)
def test_the_sdks_own_variables_ask_for_traces(variables: dict[str, str], expected: list[str]) -> None:
    assert exporters_named(variables) == expected


def test_an_exporter_that_is_not_there_leaves_a_service_without_traces_and_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier_pigeon")
    assert tracing.from_environment() is None
    said = capsys.readouterr()
    assert "carrier_pigeon" in said.out + said.err
    assert "jjt[traces]" in said.out + said.err


def test_nothing_of_the_sdk_is_imported_while_traces_are_off() -> None:
    script = (
        "import sys; from app.api import create_app; from app.api.tracing import from_environment; "
        "assert from_environment() is None; "
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_stages_come_in_order_and_have_the_seconds_that_were_measured() -> None:
    times = Times(
        decode=1.0, decode_ended=101.0,
        compile=3.0, compile_ended=107.0,
        queue=5.0, compute=7.0, compute_ended=117.0,
        verify=2.0, verify_ended=120.0,
        encode=1.0, encode_ended=122.0,
    )  # fmt: skip
    assert spans.stages(times) == [
        ("decode", 100.0, 101.0),
        ("queue", 102.0, 104.0),
        ("compile", 104.0, 107.0),
        ("queue", 107.0, 110.0),
        ("compute", 110.0, 117.0),
        ("verify", 118.0, 120.0),
        ("encode", 121.0, 122.0),
    ]


def test_stages_that_were_not_come_to_are_left_out() -> None:
    assert spans.stages(Times()) == []
    assert spans.stages(Times(decode=1.0, decode_ended=5.0)) == [("decode", 4.0, 5.0)]
    short = Times(queue=1.0, compute=2.0, compute_ended=9.0)
    assert [stage.name for stage in spans.stages(short)] == ["queue", "compute"]


def record(context: TraceContext, status: int = 200, times: Times | None = None, **said: object) -> Record:
    answered = None if times is None else Answered(times, "abc", "contraction", 4)
    return Record(
        context, "POST", "/jjt", "/jjt" + "x" * 1000, "http", status, 100.0, 130.0, "id", said, answered
    )


def exported(*records: Record) -> tuple[Any, ...]:
    exporter = InMemorySpanExporter()
    made = spans.Spans([exporter])
    for each in records:
        made.record(each)
    assert made.close(10)
    return exporter.get_finished_spans()


def test_one_span_for_the_request_and_one_for_each_stage_and_block_below_it() -> None:
    times = Times(
        decode=1.0, decode_ended=101.0, queue=5.0, compute=8.0, compute_ended=117.0,
        landings=[(112.0, 2.0), (117.0, 5.0)], encode=1.0, encode_ended=122.0,
    )  # fmt: skip
    found = exported(record(TraceContext(TRACE, PARENT, True, "vendor=1"), 200, times, function="two_waves"))
    server = found[-1]
    assert (server.name, server.kind) == ("POST /jjt", SpanKind.SERVER)
    assert (server.parent.span_id, server.parent.is_remote) == (int(PARENT, 16), True)
    assert dict(server.context.trace_state) == {"vendor": "1"}
    assert server.end_time - server.start_time == 30e9
    assert len(str(server.attributes["url.path"])) == spans.MAX_PATH
    assert server.attributes["jjt.function"] == "two_waves"
    assert server.attributes["jjt.algorithm"] == "contraction"
    assert {span.context.trace_id for span in found} == {int(TRACE, 16)}
    below = [span for span in found if span.parent.span_id == server.context.span_id]
    seconds = [(span.name, round((span.end_time - span.start_time) / 1e9, 6)) for span in below]
    assert seconds == [("decode", 1.0), ("queue", 5.0), ("compute", 8.0), ("encode", 1.0)]
    assert [round((span.start_time - server.start_time) / 1e9, 6) for span in below] == [0.0, 4.0, 9.0, 21.0]
    compute = below[2]
    assert compute.attributes["jjt.batch"] == 4
    blocks = [span for span in found if span.parent.span_id == compute.context.span_id]
    assert [span.name for span in blocks] == ["block", "block"]
    assert [(span.end_time - span.start_time) / 1e9 for span in blocks] == [2.0, 5.0]


def test_a_trace_that_begins_here_is_named_as_in_the_log() -> None:
    (span,) = exported(record(TraceContext(TRACE)))
    assert span.parent is None
    assert span.context.trace_id == int(TRACE, 16)


def test_what_the_caller_does_not_record_is_not_recorded_here() -> None:
    assert exported(record(TraceContext(TRACE, PARENT, sampled=False), 200, Times())) == ()


def test_a_share_of_the_traces_that_begin_here_is_kept_where_the_sdk_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    low, high = "0" * 31 + "1", "f" * 32
    found = exported(record(TraceContext(low)), record(TraceContext(high)))
    assert [span.context.trace_id for span in found] == [1]


def test_failures_say_their_code_and_only_those_of_the_service_are_errors() -> None:
    theirs, ours = exported(
        record(TraceContext(TRACE), 422, code="spec_mismatch"), record(TraceContext(TRACE), 504)
    )
    assert (theirs.attributes["error.type"], theirs.status.status_code) == ("spec_mismatch", StatusCode.UNSET)
    assert (ours.attributes["error.type"], ours.status.status_code) == ("504", StatusCode.ERROR)


@pytest.mark.parametrize("state", ["=", "a" * 300 + "=1", "a=1,a=2", "\ufffd\ufffd", ",".join(["a=1"] * 40)])
def test_a_state_that_is_none_is_dropped_without_a_line_for_each(
    state: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        (span,) = exported(record(TraceContext(TRACE, PARENT, True, state)))
    assert not span.context.trace_state
    assert not caplog.records


def test_more_than_can_be_made_spans_of_is_dropped_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spans, "MAX_RECORDS", 3)
    found = exported(*[record(TraceContext(TRACE)) for _ in range(10)])
    assert len(found) == 3
    said = capsys.readouterr()
    assert "dropped=7" in said.out + said.err


class Kept:
    """A way of records that ends in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        self.records.append(record)

    def close(self, seconds: float) -> bool:
        return True


@pytest.fixture
async def traced(registry, monkeypatch) -> AsyncIterator[tuple[httpx.AsyncClient, list[Record]]]:
    kept = Kept()
    monkeypatch.setattr(tracing, "from_environment", lambda: kept)
    async with opened(settings_for(registry, stream_bytes=1)) as (_, client):
        kept.records.clear()
        yield client, kept.records


async def test_every_request_but_those_of_probes_leaves_a_record(
    traced: tuple[httpx.AsyncClient, list[Record]],
) -> None:
    client, records = traced
    for path in ("/livez", "/readyz", "/metrics"):
        await client.get(path)
    assert not records
    for made_up in ("/made_up_1", "/made_up_2"):
        await client.get(made_up)
    await client.request("MADEUP", "/jjt")
    named = {(each.method, each.route, each.status) for each in records}
    assert named == {("GET", "unknown", 404), ("unknown", "/jjt", 405)}


async def test_a_record_has_every_stage_that_server_timing_has(
    traced: tuple[httpx.AsyncClient, list[Record]],
) -> None:
    client, records = traced
    await client.post("/jjt", json=BODY)  # compiles
    records.clear()
    answer = await client.post("/jjt?verify=2", json=BODY, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert answer.status_code == 200, answer.text
    (only,) = records
    assert only.context == TraceContext(TRACE, PARENT, True)
    assert only.answered is not None
    found = spans.stages(only.answered.times)
    assert [stage.name for stage in found] == ["decode", "queue", "compute", "verify", "encode"]
    said = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    for stage in found:
        assert (stage.ended - stage.began) * 1e3 == pytest.approx(float(said[stage.name]), abs=2e-3)
    ends = [moment for stage in found for moment in (stage.began, stage.ended)]
    assert [only.began, *ends, only.ended] == sorted([only.began, *ends, only.ended])


async def test_a_streamed_answer_leaves_its_stages_too(
    traced: tuple[httpx.AsyncClient, list[Record]],
) -> None:
    client, records = traced
    answer = await client.post("/jjt", json=BODY, headers={"accept": "application/x-npy"})
    assert answer.status_code == 200, answer.text
    (only,) = records
    assert only.said["streamed"] == "whole"
    assert only.answered is not None
    found = spans.stages(only.answered.times)
    assert [stage.name for stage in found if stage.name != "queue"] == [
        "decode",
        "compile",
        "compute",
        "stream",
    ]
    assert all(only.began <= stage.began < stage.ended <= only.ended for stage in found)


async def test_a_failure_leaves_its_code(traced: tuple[httpx.AsyncClient, list[Record]]) -> None:
    client, records = traced
    await client.post("/jjt", json={**BODY, "function": "made_up"})
    (only,) = records
    assert (only.status, only.said["code"]) == (404, "unknown_function")
