"""A collector of traces: it takes OTLP over HTTP in protobuf, and keeps every span."""

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What came, and where it is to be sent."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    def trace(self, trace_id: str, name: str, seconds: float = 20) -> list[Span]:
        """The spans of a trace, once one of that name is there and no other has come for half a second."""
        limit = time.monotonic() + seconds
        before: list[Span] = []
        while time.monotonic() < limit:
            found = [span for span in self.spans if span.trace_id.hex() == trace_id]
            if len(found) == len(before) and any(span.name == name for span in found):
                return found
            before = found
            time.sleep(0.5)
        raise TimeoutError(f"no {name!r} of trace {trace_id} among {[span.name for span in self.spans]}")


def plain(attributes: "Iterator[KeyValue] | object") -> dict[str, str]:
    """Attributes as a dict of texts."""
    return {
        each.key: each.value.string_value or str(each.value.int_value)
        for each in attributes  # pyright: ignore[reportGeneralTypeIssues]
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens on a free port of this machine as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            right = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if right:
                asked = ExportTraceServiceRequest.FromString(body)
                for resource in asked.resource_spans:
                    collector.resources.append(plain(resource.resource.attributes))
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if right else 400)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
