"""What counts as a traceparent, and what is passed along with it."""

import pytest

from app.api.trace_context import MAX_STATE_BYTES, TraceContext, context_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"

MALFORMED = [
    "",
    "garbage",
    f"{TRACE}-{PARENT}-01",
    f"ff-{TRACE}-{PARENT}-01",
    f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-1",
    f"00-{TRACE}-{PARENT}-0x",
    f"00-{TRACE}-{PARENT}-01-more",
    f"00-{TRACE}-{PARENT}-01\n",
    f"00-{TRACE}-{PARENT}-01\r\nX-Forged: 1",
    f"00 {TRACE} {PARENT} 01",
    f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
    f"00-{'é' * 16}-{PARENT}-01",
    "00-" + "1" * 100_000,
]


def of(*values: str, state: tuple[str, ...] = ()) -> TraceContext:
    return context_of(
        [
            (b"host", b"here"),
            *((b"traceparent", value.encode()) for value in values),
            *((b"tracestate", value.encode()) for value in state),
        ]
    )


def test_a_traceparent_is_taken_over() -> None:
    assert of(GOOD) == TraceContext(TRACE, PARENT, True, "")
    assert of(f" \t{GOOD} ") == of(GOOD)
    assert not of(GOOD[:-1] + "0").sampled
    assert of(GOOD[:-2] + "03").sampled


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert of(f"cc-{TRACE}-{PARENT}-01-what-the-future-brings") == of(GOOD)
    assert of(f"cc-{TRACE}-{PARENT}-01") == of(GOOD)
    assert of(f"cc-{TRACE}-{PARENT}-01.what").trace_id != TRACE


@pytest.mark.parametrize("value", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_one_counts_as_none(value: str) -> None:
    found = of(value, state=("vendor=1",))
    assert found == TraceContext(found.trace_id)
    assert len(found.trace_id) == 32
    assert 0 < int(found.trace_id, 16) != int(TRACE, 16)


def test_two_are_none() -> None:
    assert of(GOOD, GOOD).parent_id == ""


def test_each_trace_that_begins_here_has_its_own_name() -> None:
    assert len({of().trace_id for _ in range(100)}) == 100


def test_state_is_passed_along_unless_it_is_too_long() -> None:
    assert of(GOOD, state=("a=1", "b=2")).state == "a=1,b=2"
    longest = "a=" + "x" * (MAX_STATE_BYTES - 2)
    assert of(GOOD, state=(longest,)).state == longest
    assert of(GOOD, state=(longest + "x",)) == of(GOOD)
    assert of(GOOD, state=("a=" + "x" * 100_000,)) == of(GOOD)
