"""Every metric: its name, help, unit and buckets, in one place. Knows neither engine nor wire.

Labels are bounded: routes are templates, functions are those of the registry, and anything else is
``unknown``, so that made-up names cannot fill the memory. Keys are those of the file of keys, by name.
"""

from collections.abc import Collection
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.errors import DeadlinePassed, QueueFull, TooManyConnections

UNKNOWN = "unknown"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BYTES = tuple(float(1 << power) for power in range(8, 33, 4))
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


Child = TypeVar("Child")


class Labelled(Generic[Child]):
    """A metric with labels that every request counts in: its children are found without a lock.

    Args:
        metric: of the library.
    """

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Child] = {}

    def labels(self, *values: str) -> Child:
        """The child with these values, of which there are as many as the labels' bounds allow."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class Metrics:
    """The metrics of one service, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests: Labelled[Counter] = Labelled(
            Counter("jjt_requests", "Requests answered.", ("route", "method", "status"), registry=registry)
        )
        self.request_seconds: Labelled[Histogram] = Labelled(
            Histogram(
                "jjt_request_seconds",
                "Seconds from a request's head to the last byte of its answer.",
                ("route",),
                buckets=SECONDS,
                registry=registry,
            )
        )
        self.in_flight = Gauge("jjt_requests_in_flight", "Requests being answered now.", registry=registry)
        self.connections = Gauge("jjt_connections", "Connections that are open.", registry=registry)
        self.refused_connections = Counter(
            "jjt_refused_connections",
            "Connections refused before a request was read (by the code of the error), or cut (unread).",
            ("code",),
            registry=registry,
        )
        self.answers: Labelled[Counter] = Labelled(
            Counter("jjt_answers", "Matrices answered.", ("function", "algorithm"), registry=registry)
        )
        self.verified = Counter(
            "jjt_verified", "Matrices of which entries were recomputed.", ("function",), registry=registry
        )
        self.verification_failures = Counter(
            "jjt_verification_failures",
            "Matrices that were further off than their request tolerates.",
            ("function",),
            registry=registry,
        )
        self.stage_seconds: Labelled[Histogram] = Labelled(
            Histogram(
                "jjt_stage_seconds",
                "Seconds that an answer spent in a stage: decode, queue, compile, compute, verify, encode.",
                ("stage", "function"),
                buckets=SECONDS,
                registry=registry,
            )
        )
        self.body_bytes = Histogram(
            "jjt_body_bytes",
            "Bytes of the bodies of POST /jjt that were answered.",
            buckets=BYTES,
            registry=registry,
        )
        self.answer_bytes = Histogram(
            "jjt_answer_bytes", "Bytes of the answers of POST /jjt.", buckets=BYTES, registry=registry
        )
        self.streams = Counter(
            "jjt_streams",
            "Streamed answers, by how they ended: whole, left, stalled (the reader), failed.",
            ("end",),
            registry=registry,
        )
        self.blocks = Counter("jjt_blocks", "Blocks computed on the device.", registry=registry)
        self.batch_requests = Histogram(
            "jjt_batch_requests",
            "Requests whose blocks were computed as one.",
            buckets=(1, 4, 8, 16, 64),
            registry=registry,
        )
        self.compiles = Counter(
            "jjt_compiles", "Problems that had to wait for a compiler.", registry=registry
        )
        self.compile_wait_seconds = Histogram(
            "jjt_compile_wait_seconds",
            "Seconds that requests waited for their plan and its programs, in line and being compiled.",
            buckets=SECONDS,
            registry=registry,
        )
        self.queue_requests = Gauge(
            "jjt_queue_requests", "Requests that are let in and not over.", registry=registry
        )
        self.queue_seconds = Gauge(
            "jjt_queue_seconds", "Predicted seconds of work that is let in and not done.", registry=registry
        )
        self.queue_bytes = Gauge(
            "jjt_queue_bytes", "Bytes of the requests and answers that are let in.", registry=registry
        )
        self.lane_turns = Gauge("jjt_lane_turns", "Turns that wait in a lane.", ("lane",), registry=registry)
        self.refused = Counter(
            "jjt_refused",
            "Requests refused before they were computed, by code.",
            ("code",),
            registry=registry,
        )
        self.keys = Gauge("jjt_keys", "Keys that are known.", registry=registry)
        self.keys_reload_failures = Counter(
            "jjt_keys_reload_failures",
            "Changes of the file of keys that could not be used; those before them stay.",
            registry=registry,
        )
        self.key_requests = Counter(
            "jjt_key_requests", "Requests let in by their key.", ("key",), registry=registry
        )
        self.key_refused = Counter(
            "jjt_key_refused",
            "Requests refused as rate_limited, by the limit: requests, bytes, device_seconds.",
            ("key", "limit"),
            registry=registry,
        )
        self.key_bytes = Counter(
            "jjt_key_bytes", "Bytes of bodies and answers of a key.", ("key",), registry=registry
        )
        self.key_device_seconds = Counter(
            "jjt_key_device_seconds",
            "Seconds that a key had the device.",
            ("key",),
            registry=registry,
        )
        self.executables = Gauge(
            "jjt_executables", "Compiled programs that are held in memory.", registry=registry
        )
        self.out_of_memory = Counter(
            "jjt_out_of_memory",
            "Computations for which the device had no room.",
            ("function",),
            registry=registry,
        )
        self.programs = Counter(
            "jjt_programs",
            "Programs made ready to run, by where they came from: compiler or disk.",
            ("source",),
            registry=registry,
        )
        self.kept: Labelled[Counter] = Labelled(
            Counter(
                "jjt_kept",
                "Looks for arrays kept of parameters (hit, miss), and arrays dropped (eviction, forget).",
                ("event", "function"),
                registry=registry,
            )
        )
        self.kept_bytes = Gauge(
            "jjt_kept_bytes",
            "Bytes on the device of arrays kept of parameters.",
            ("function",),
            registry=registry,
        )
        self.ready = Gauge("jjt_ready", "1 when the service is ready, else 0.", registry=registry)
        self.functions = Gauge("jjt_functions", "Functions in the registry.", registry=registry)
        self.failed_files = Gauge(
            "jjt_failed_files", "Files of the registry that failed in the last reload.", registry=registry
        )

        self._begin()

    def serve(self, functions: Collection[str]) -> None:
        """Say which functions there are; what is rare begins to be counted, at 0."""
        self.functions.set(len(functions))
        for name in functions:
            for rare in (self.out_of_memory, self.verified, self.verification_failures):
                rare.labels(name)

    def _begin(self) -> None:
        """Begin to count at 0 what can be named beforehand: a rate does not see a first 1 that had no 0."""
        for counter, values in (
            (self.refused, (QueueFull.code, DeadlinePassed.code)),
            (self.refused_connections, (TooManyConnections.code, "unread")),
            (self.streams, ("whole", "left", "stalled", "failed")),
            (self.programs, ("compiler", "disk")),
        ):
            for value in values:
                counter.labels(value)

    def text(self) -> bytes:
        """All values in the Prometheus text format."""
        return generate_latest(self._registry)


def bounded(name: str, known: Collection[str]) -> str:
    """A name as a label: itself if it is known, else ``unknown``."""
    return name if name in known else UNKNOWN
