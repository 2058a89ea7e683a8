"""Traces of a real service, sent by OTLP over HTTP to a collector that listens on a port."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.collector import Collector, collecting, plain
from tests.e2e.server import Server, free_port, registry_of, serving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e47%02d", "00f067aa0ba902b7"
X1, X2 = [[0.3, 1.0, 2.0], [0.5, 1.5, 2.5]], [[0.1, 5.0, -1.0], [2.0, 0.0, 0.5], [1.0, 1.0, 1.0]]
BODY = {"function": "two_waves", "x1": X1, "x2": X2}
SERVER = "POST /jjt"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Server]:
    """A service that sends its traces, streams whatever it can and computes in blocks of one example."""
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        registry = registry_of(folder, "two_waves")
        with serving(folder, registry, reload=False, stream_bytes=1, block_seconds=1e-6) as server:
            yield server


def asked(
    server: Server, number: int, flags: str = "01", path: str = "/jjt", **headers: str
) -> httpx.Response:
    parent = f"00-{TRACE % number}-{PARENT}-{flags}"
    return httpx.post(server.url + path, json=BODY, headers={"traceparent": parent, **headers}, timeout=60)


def below(parent: Span, spans: list[Span]) -> list[Span]:
    return sorted(
        (span for span in spans if span.parent_span_id == parent.span_id),
        key=lambda span: span.start_time_unix_nano,
    )


def ms(*spans: Span) -> float:
    return sum(span.end_time_unix_nano - span.start_time_unix_nano for span in spans) / 1e6


def lines_of(server: Server) -> list[dict]:
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


def test_one_request_is_one_trace_with_all_its_stages_below_the_span_that_was_sent(
    traced: Server, collector: Collector
) -> None:
    # In a pause the report card compiles each algorithm, but none with this precision.
    path = "/jjt?verify=2&algorithm=vector_products&precision=high"
    before = time.time_ns()
    answer = asked(traced, 1, path=path, tracestate="vendor=value")
    after = time.time_ns()
    assert answer.status_code == 200, answer.text
    spans = collector.trace(TRACE % 1, SERVER)
    (server,) = (span for span in spans if span.name == SERVER)
    assert (server.parent_span_id.hex(), server.kind) == (PARENT, Span.SPAN_KIND_SERVER)
    assert server.trace_state == "vendor=value"
    assert before <= server.start_time_unix_nano < server.end_time_unix_nano
    # The client is in another process; what it saw of the request is longer, but for the last few steps.
    assert server.end_time_unix_nano < after + 50e6

    stages = below(server, spans)
    names = [span.name for span in stages]
    assert [name for name in names if name != "queue"] == ["decode", "compile", "compute", "verify", "encode"]
    assert names.count("queue") == 2
    timing = {part.split(";")[0]: float(part.rpartition("=")[2])
              for part in answer.headers["server-timing"].split(", ")}  # fmt: skip
    for name, said in timing.items():
        assert ms(*(span for span in stages if span.name == name)) == pytest.approx(said, abs=2e-3)
    edges = [edge for span in stages for edge in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert edges == sorted(edges), "stages overlap"
    assert server.start_time_unix_nano <= edges[0]
    assert edges[-1] <= server.end_time_unix_nano

    (compute,) = (span for span in stages if span.name == "compute")
    blocks = below(compute, spans)
    assert [span.name for span in blocks] == ["block"] * len(blocks)
    assert len(blocks) > 1
    assert ms(*blocks) <= ms(compute) + 0.01
    known = plain(server.attributes)
    assert known["http.route"] == "/jjt"
    assert known["http.response.status_code"] == "200"
    assert known["jjt.function"] == "two_waves"
    assert known["jjt.request_id"] == answer.headers["x-request-id"]
    resource = collector.resources[-1]
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("jjt", "test")
    lines = [line for line in lines_of(traced) if line.get("trace_id") == TRACE % 1]
    assert [line["event"] for line in lines] == ["request"]


def test_a_streamed_answer_is_a_trace_until_its_last_byte(traced: Server, collector: Collector) -> None:
    answer = asked(traced, 2, accept="application/x-npy")
    assert answer.status_code == 200, answer.text
    spans = collector.trace(TRACE % 2, SERVER)
    (server,) = (span for span in spans if span.name == SERVER)
    names = [span.name for span in below(server, spans)]
    assert {"decode", "queue", "compute", "stream"} <= set(names)
    assert names[0] == "decode"
    assert plain(server.attributes)["jjt.streamed"] == "whole"
    (compute,) = (span for span in spans if span.name == "compute")
    assert len(below(compute, spans)) > 1


def test_a_malformed_parent_is_left_alone_and_the_log_has_the_trace_that_begins_here(
    traced: Server, collector: Collector
) -> None:
    headers = {"traceparent": f"00-{TRACE % 3}-{PARENT}", "x-request-id": "the-malformed-one"}
    assert httpx.post(f"{traced.url}/jjt", json=BODY, headers=headers, timeout=60).status_code == 200
    limit = time.monotonic() + 10  # the line is written when the answer is out
    while not (lines := [line for line in lines_of(traced) if line.get("request_id") == "the-malformed-one"]):
        assert time.monotonic() < limit
        time.sleep(0.05)
    (line,) = lines
    spans = collector.trace(line["trace_id"], SERVER)
    (server,) = (span for span in spans if span.name == SERVER)
    assert server.parent_span_id == b""
    assert plain(server.attributes)["jjt.request_id"] == headers["x-request-id"]


def test_a_long_state_is_dropped_and_a_longer_one_refused(traced: Server, collector: Collector) -> None:
    assert asked(traced, 4, tracestate="a=" + "x" * 40_000).status_code == 200
    assert asked(traced, 5, tracestate="a=" + "x" * 100_000).status_code == 431
    (server,) = (span for span in collector.trace(TRACE % 4, SERVER) if span.name == SERVER)
    assert (server.trace_state, server.parent_span_id.hex()) == ("", PARENT)


def test_what_the_caller_does_not_record_is_not_sent(traced: Server, collector: Collector) -> None:
    assert asked(traced, 6, flags="00").status_code == 200
    assert asked(traced, 7).status_code == 200
    collector.trace(TRACE % 7, SERVER)
    assert not [span for span in collector.spans if span.trace_id.hex() == TRACE % 6]
    assert [line for line in lines_of(traced) if line.get("trace_id") == TRACE % 6]


def test_a_failure_has_its_code(traced: Server, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE % 8}-{PARENT}-01"}
    httpx.post(f"{traced.url}/jjt", json={**BODY, "function": "made_up"}, headers=headers, timeout=60)
    (server,) = collector.trace(TRACE % 8, SERVER)
    assert plain(server.attributes)["error.type"] == "unknown_function"


def test_what_was_answered_last_is_sent_before_the_service_ends(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        with serving(tmp_path, own, reload=False) as server:
            assert asked(server, 9).status_code == 200
            assert not collector.spans
            assert server.end() == 0
        assert {"decode", "compute", SERVER} <= {span.name for span in collector.spans}


def test_a_collector_that_is_not_there_changes_nothing(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with serving(tmp_path, own, reload=False) as server:
        assert all(asked(server, number).status_code == 200 for number in range(10, 20))
        time.sleep(0.5)
        began = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - began < 6
