"""The form of the log: one event a line, for people or as JSON, and no line that a caller can forge."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

import orjson
import structlog
from structlog.typing import Processor

NAMES: ContextVar[dict[str, str]] = ContextVar("names")  # of the request during which something is logged
log = structlog.get_logger()


def configure(form: Literal["console", "json"], stream: BinaryIO | None = None) -> None:
    """Send everything that is logged, by this code and by its libraries, to one stream in one form.

    Args:
        form: of the lines.
        stream: where they go; stderr by default.
    """
    lines = _Lines(stream or sys.stderr.buffer)
    _Requests.lines = lines if form == "json" else None
    shared: list[Processor] = [
        add_names,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        escape_controls,
    ]
    render: Processor = (
        structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=lines.are_read_at_once, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, render, as_bytes],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render, as_text],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of each platform that is not there


class _Lines(structlog.BytesLogger):
    """Writes lines; where nobody takes them any more, no request fails for that."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.are_read_at_once = stream.isatty()

    def msg(self, message: bytes) -> None:
        """Write one."""
        with suppress(OSError, ValueError):
            super().msg(message)

    debug = info = warning = error = critical = msg


class _Requests:
    """Where the lines of requests go that need none of the machinery; None for where all others do."""

    lines: _Lines | None = None


def log_request(said: Mapping[str, object]) -> None:
    """Write the line of one request.

    Most lines are of this kind, and through all steps that others take they cost as much as a small matrix:
    as JSON they are rendered at once, to the same form.

    Args:
        said: what the line says beside its names; texts, numbers and flags.
    """
    lines = _Requests.lines
    if lines is None:
        log.info("request", **said)
        return
    event = add_names(None, "info", {**said, "event": "request"})
    event["level"] = "info"
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    lines.msg(orjson.dumps(escape_controls(None, "info", event), default=str))


class _Handler(logging.Handler):
    """Writes what libraries log."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            self._lines.msg(as_bytes(None, "", self.format(record)))
        except Exception:
            self.handleError(record)


def add_names(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the request."""
    names = NAMES.get(None)
    if names is not None:
        event.update(names)
    return event


def as_bytes(_: Any, __: str, line: Any) -> bytes:
    """A rendered line, in UTF-8."""
    return line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")


def as_text(_: Any, __: str, line: Any) -> str:
    """A rendered line, for the standard library."""
    return line.decode() if isinstance(line, bytes) else line


def escape_controls(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write what does not print as its escape: a path with a line break stays one line.

    A traceback keeps its line breaks, indented, so that nothing in it looks like a line of its own.
    """
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join("    " + printable(line) for line in str(value).split("\n"))
        elif isinstance(value, str):
            event[key] = printable(value)
    return event


def printable(text: str) -> str:
    """The text with every character that does not print written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
