"""``/openapi.json``: made from the tables of formats, of options and of failures, so that it stays true."""

from collections import defaultdict
from typing import Any

from fastapi import FastAPI

from app import errors
from app.api.failures import MEDIA_TYPE, STATUS
from app.api.models import Problem
from app.wire import CODECS, ENCODINGS, OPTIONS

PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
JJT_FAILURES = (
    errors.DecodeError,
    errors.UnknownFunction,
    errors.UnknownVersion,
    errors.NotAcceptable,
    errors.BodyTooLarge,
    errors.UnknownFormat,
    errors.SpecMismatch,
    errors.NotApplicable,
    errors.AnswerTooLarge,
    errors.NotReady,
    errors.QueueFull,
    errors.OutOfMemory,
    errors.DeadlinePassed,
    errors.VerificationFailed,
)
WITH_KEYS = (errors.Unauthenticated, errors.RateLimited)
EVERYWHERE = (errors.RequestTimeout, errors.ComputeFailed, errors.Draining, errors.TooManyConnections)
JJT_HEADERS = {
    "JJT-Function": "name@version of the function that was used",
    "JJT-Algorithm": "the algorithm that was used, never auto",
    "JJT-Non-Finite": "number of entries that are NaN or infinite; not with answers that are streamed",
    "JJT-Verified": "with `verify`: the largest error among the recomputed entries, in units of "
    "eps · ‖J1 row‖ · ‖J2 row‖, and after semicolons `entries`, `dtype` and `evaluation`",
    "Content-Encoding": "how it is compressed, where `Accept-Encoding` takes one of "
    f"{', '.join(ENCODINGS)} and that pays, or that is ranked above `identity`",
    "Vary": "the headers of the request that the form of the answer depends on",
    "Server-Timing": "milliseconds per stage: decode, queue, compile, compute, verify, encode; "
    "of a request that was computed as one with others, compute says the size of the batch",
}

COMPRESSED = (
    f"Compressed, with `Content-Encoding`, as one of {', '.join(ENCODINGS)}, or not; `max_body_bytes` holds "
    "for what is sent and for what that expands to."
)


KEY = {"type": "http", "scheme": "bearer", "description": "asked for where the service has `JJT_KEYS`"}
OPEN = ("/livez", "/readyz")  # without a key


def failing(*kinds: type[errors.JJTError], keyed: bool = True) -> dict[int | str, dict[str, Any]]:
    """Document the failures of a route; those of every route are added.

    Args:
        kinds: of its own.
        keyed: whether it asks for a key, where keys are asked for.
    """
    codes: dict[int, list[str]] = defaultdict(list)
    for kind in (*kinds, *(WITH_KEYS if keyed else ()), *EVERYWHERE):
        codes[STATUS[kind]].append(f"`{kind.code}`: {(kind.__doc__ or '').strip()}")
    codes[431].append("`headers_too_large`: The target and the headers are over `max_header_bytes`.")
    return {
        status: {"description": "\n\n".join(lines), "content": PROBLEM} for status, lines in codes.items()
    }


def jjt_operation() -> dict[str, Any]:
    """What ``POST /jjt`` takes and answers, as arguments of its route."""
    writes = {
        codec.media_type: {"schema": dict(codec.answer_schema)} for codec in CODECS.values() if codec.writes
    }
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in JJT_HEADERS.items()
    }
    done = {"description": "the matrix", "content": writes, "headers": headers}
    return {
        "responses": {200: done, **failing(*JJT_FAILURES)},
        "openapi_extra": {
            "parameters": [_parameter(name, option) for name, option in OPTIONS.items()],
            "requestBody": {"required": True, "description": COMPRESSED, "content": _reads()},
        },
    }


def describe(app: FastAPI, *, keyed: bool) -> None:
    """Complete what the framework generates: the Problem schema, keys, and no 422 that is never answered.

    Args:
        app: whose routes are described.
        keyed: whether keys are asked for.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {"key": KEY}
        for name, path in document["paths"].items():
            for operation in path.values():
                if keyed and name not in OPEN:
                    operation["security"] = [{"key": []}]
                if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                    del operation["responses"]["422"]
        return document

    app.openapi = openapi


def _parameter(name: str, option: Any) -> dict[str, Any]:
    schema, description = dict(option.schema), option.description
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _reads() -> dict[str, Any]:
    content: dict[str, Any] = {}
    for codec in CODECS.values():
        if codec.reads:
            content[codec.media_type] = {"schema": dict(codec.schema)}
            if codec.example is not None:
                content[codec.media_type]["example"] = codec.example
    return content
