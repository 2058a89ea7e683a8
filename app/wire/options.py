"""Options of a request, as a body and a query say them -> one frozen ``Options``.

``OPTIONS`` is the only list of options. Which functions and algorithms there are, wire does not know.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.errors import InvalidOption
from app.specs import MOST_VERIFIED
from app.wire.names import check_name, is_array, shown

Value = str | int | float | bool
MAX_DEADLINE_SECONDS = 86_400
NUMBERS = ("number", "integer")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Option:
    """One option: the JSON Schema of its value, and what it does."""

    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True)
class Options:
    """What a request asks for besides its arrays, checked.

    Args:
        function: ``name`` or ``name@version``, as written.
        wrt: the variable that J differentiates; None for the function's own choice.
        algorithm: ``auto`` or the name of one.
        precision: of matrix products: highest, high or default.
        deadline_seconds: time that the answer may take; None for the service's own limit.
        arrays: how a JSON answer carries the matrix: lists or base64.
        verify: entries of the matrix to compute a second time; None for none.
        verify_tolerance: the error past which there is no answer; None for whatever it is.
    """

    function: str
    wrt: str | None = None
    algorithm: str = "auto"
    precision: str = "highest"
    deadline_seconds: float | None = None
    arrays: str = "lists"
    verify: int | None = None
    verify_tolerance: float | None = None


def _text(description: str, **schema: Any) -> Option:
    return Option({"type": "string", "minLength": 1, **schema}, description)


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "function": _text("The function: `name`, or `name@version` to pin it."),
        "wrt": _text("The variable that J differentiates, such as `x`, `params` or `params.head`."),
        "algorithm": _text("`auto`, or the algorithm to use.", default="auto"),
        "precision": _text(
            "Precision of matrix products.", enum=["highest", "high", "default"], default="highest"
        ),
        "deadline_seconds": Option(
            {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_DEADLINE_SECONDS},
            "Seconds that the answer may take.",
        ),
        "arrays": _text("How a JSON answer carries the matrix.", enum=["lists", "base64"], default="lists"),
        "verify": Option(
            {"type": "integer", "exclusiveMinimum": 0, "maximum": MOST_VERIFIED},
            "Random entries of the matrix to compute a second time, another way; `JJT-Verified` says how far "
            "off they are.",
        ),
        "verify_tolerance": Option(
            {"type": "number", "exclusiveMinimum": 0},
            "The error, in the units of `JJT-Verified`, past which the answer is `verification_failed`; goes "
            "with `verify`.",
        ),
    }
)


def read_options(options: Mapping[str, Value], query: Sequence[tuple[str, str]] = ()) -> Options:
    """Join the options of a body with those of a query, and check them.

    Args:
        options: of the body, by name.
        query: pairs of the query in their order, as text.

    Raises:
        InvalidOption: for one that is unknown, missing, given twice, of the wrong type or out of range.
    """
    given = dict(options)
    for name, text in query:
        if name in given:
            raise given_twice(name)
        given[name] = from_text(name, text)
    for name, value in given.items():
        _check(name, value)
    if "function" not in given:
        raise InvalidOption(
            "option 'function' is missing; send the name of a function, such as function=sqrt_mean"
        )
    if "verify_tolerance" in given and "verify" not in given:
        raise InvalidOption(
            "option 'verify_tolerance' is given without 'verify'; say how many entries to verify"
        )
    kinds = {"deadline_seconds": float, "verify": int, "verify_tolerance": float}
    return Options(**{name: kinds.get(name, str)(value) for name, value in given.items()})  # type: ignore[arg-type]


def given_twice(name: str) -> InvalidOption:
    """The error for an option that came a second time, in the body or in the query."""
    return InvalidOption(f"option {shown(name)} is given twice; send it once, in the body or in the query")


def from_text(name: str, text: str) -> Value:
    """The value that a text means, where a query or a form has no types.

    Raises:
        InvalidOption: where the option is a number and the text is none.
    """
    if name not in OPTIONS or OPTIONS[name].schema["type"] not in NUMBERS:
        return text
    if not NUMBER.fullmatch(text):
        raise InvalidOption(f"option {name!r} is {shown(text)}; expected {_expected(name)}")
    return float(text)


def _check(name: str, value: object) -> None:
    if name not in OPTIONS:
        raise unknown(name)
    schema = OPTIONS[name].schema
    if not (_fits_number(value, schema) if schema["type"] in NUMBERS else _fits_text(value, schema)):
        raise InvalidOption(f"option {name!r} is {shown(value)}; expected {_expected(name)}")


def unknown(name: str) -> InvalidOption:
    """The error for a name that is no option, with what would be one."""
    if is_array(name):
        check_name(name)
        return InvalidOption(f"{shown(name)} is an array, and arrays travel in the body; send it there")
    return InvalidOption(f"option {shown(name)} is not known; the options are {', '.join(OPTIONS)}")


def _fits_number(value: object, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    whole = schema["type"] == "number" or value == int(value)
    return whole and schema["exclusiveMinimum"] < value <= schema.get("maximum", math.inf)


def _fits_text(value: object, schema: Mapping[str, Any]) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value in schema.get("enum", (value,))


def _expected(name: str) -> str:
    schema = OPTIONS[name].schema
    if schema["type"] in NUMBERS:
        kind = "a whole number" if schema["type"] == "integer" else "a number"
        most = f" and at most {schema['maximum']}" if "maximum" in schema else ""
        return f"{kind} above {schema['exclusiveMinimum']}{most}"
    return f"one of {', '.join(schema['enum'])}" if "enum" in schema else "a text that is not empty"
