"""What a caller says of the trace that its request belongs to: W3C Trace Context, headers in, a value out.

Knows no spans. What is malformed counts as not sent, as the recommendation has it: nobody is refused for it.
"""

import random
import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_STATE_BYTES = 4 << 10  # of all tracestate headers; longer ones are dropped, the parent is kept
# Version, trace, parent, flags; only versions after the first may say more. ff and zeros are forbidden.
_PARENT = re.compile(
    rb"(?!ff|00.{53}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-[!-~]*)?"
)


class TraceContext(NamedTuple):
    """The trace of one request.

    Args:
        trace_id: 32 hexadecimal digits, not all zero.
        parent_id: the span of the caller, 16 hexadecimal digits; empty where the trace begins here.
        sampled: whether the caller records its span; False where the trace begins here.
        state: what other vendors pass along, as it came; empty where it was too long.
    """

    trace_id: str
    parent_id: str = ""
    sampled: bool = False
    state: str = ""


def context_of(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext:
    """The trace that a request continues, or a new one.

    Args:
        headers: names in lower case, and values.

    Source:
        W3C Trace Context, level 2, sections 3.2 and 3.3. A second ``traceparent`` makes both none.
    """
    parents, states = [], []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    found = _PARENT.fullmatch(parents[0].strip(b" \t")) if len(parents) == 1 else None
    if found is None:
        return TraceContext(f"{random.randrange(1, 1 << 128):032x}")  # noqa: S311 - a name, not a secret
    trace_id, parent_id, flags = found.groups()
    state = b",".join(states) if states else b""
    kept = state.decode("ascii", "replace") if len(state) <= MAX_STATE_BYTES else ""
    return TraceContext(trace_id.decode(), parent_id.decode(), int(flags, 16) & 1 == 1, kept)
