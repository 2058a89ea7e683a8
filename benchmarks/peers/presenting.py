"""What was measured → the table, the bars and the figures of ``results/peers``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.device import described, side
from benchmarks.measure import Spread, Timed, spread
from benchmarks.peers.cases import CASES
from benchmarks.peers.comparing import AUTO, OURS, PRODUCT, SYMMETRIC, Measured
from benchmarks.peers.operations import fewest_operations
from benchmarks.peers.ours import TOLERANCE
from benchmarks.peers.workers import MOST_SECONDS, PEERS, Peer
from benchmarks.report import table, text_bars

HEAD = [
    "case",
    "ours, `auto`: ms",
    "ours, best: ms",
    *[
        title
        for peer in PEERS
        for title in (f"{peer.name}: ms", f"times {SYMMETRIC if peer.symmetric else OURS}")
    ],
    "ours, x2 = x1: ms",
    "fewest operations, GFLOP",
    "of the machine's product",
]

NOTE = f"""\
Milliseconds are medians; ratios are medians and quartiles of how many times longer a peer takes than the
best of ours *in the same turn*. Each case is measured in processes of its own, ours in one too, whose
malloc keeps what is freed as that of our service does (`app/cli/allocating.py`); peers run as people start
them (with `--same-malloc` theirs keeps it too). Of every peer, and of ours, each way is built and tried,
and the fastest is timed; `auto` is what the planner chose without trying. The first matrix of each was held
against ours: within {TOLERANCE:g} of the largest entry, in float32. Not timed: what takes more than
{MOST_SECONDS:.0f} s for one call, or more than three quarters of the machine's memory. autogram knows one
batch only, so that its matrix is J(x1) J(x1)ᵀ, and it is held against our call without x2. By hand: the
rows of an identity matrix through vjp and jvp, pair by pair. The fewest operations are those of one forward
pass an example, one backward pass for each output, and the cheapest known order of products for each layer
(`benchmarks/peers/operations.py`); the last column is the part of the float32 matrix product's speed that
the best of ours reaches, counted by them. An order that no one has thought of, or none of the cheapest
being taken, moves it."""


def text(results: Sequence[Measured]) -> str:
    """The whole page."""
    products = [seconds for one in results for seconds in one.times.seconds[PRODUCT]]
    parts = [
        "# Peers",
        f"{described(products)}.",
        NOTE,
        table(HEAD, [row(one) for one in results]),
        means(results),
        not_timed(results),
        text_bars("ms, logarithmic; less is better", groups(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def row(one: Measured) -> list[str]:
    """A case in the table."""
    auto = AUTO if AUTO in one.times.seconds else OURS
    cells = [one.case.title, _cell(one, auto, one.auto), _cell(one, OURS, one.chosen[OURS])]
    for peer in PEERS:
        if peer.name in one.times.seconds:
            cells += [_cell(one, peer.name, one.chosen[peer.name]), f"{_ratio(one, peer):.2f}"]
        else:
            cells += ["not timed", "–"]
    return [
        *cells,
        _cell(one, SYMMETRIC, one.chosen[SYMMETRIC]),
        f"{_operations(one) / 1e9:.2f}",
        f"{_share(one):.2f}",
    ]


def means(results: Sequence[Measured]) -> str:
    """Geometric means of the medians of the ratios, against the best of ours and against ``auto``."""
    lines: list[str] = []
    for peer in PEERS:
        held = [one for one in results if peer.name in one.times.seconds]
        if not held:
            continue
        best = _geometric([_ratio(one, peer).median for one in held])
        line = f"* {peer.name}: {best:.2f} times the best of ours"
        if not peer.symmetric:
            line += f", {_geometric([_to_auto(one, peer) for one in held]):.2f} times `auto`"
        lines.append(f"{line}, over {len(held)} of {len(results)} cases")
    return "\n".join(["Geometric means:", "", *lines]) if lines else ""


def not_timed(results: Sequence[Measured]) -> str:
    """Which implementations could not be run, and why."""
    lines = [
        f"* {one.case.title}, {peer}, {name}: {reason}"
        for one in results
        for peer, tried in one.tried.items()
        for name, reason in tried.items()
        if isinstance(reason, str)
    ]
    return "\n".join(["Not timed, and why:", "", *lines]) if lines else ""


def groups(results: Sequence[Measured]) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds, for the bars."""
    return {
        one.case.title: {
            name: one.times.spread(name).median * 1e3
            for name in (OURS, "neural-tangents", "torch.func", "by hand", SYMMETRIC, "autogram")
            if name in one.times.seconds
        }
        for one in results
    }


def figures(results: Sequence[Measured]) -> list[dict[str, Any]]:
    """All that was measured, each turn."""
    return [
        {
            "case": one.case.name,
            "seconds": dict(one.times.seconds),
            "chosen": dict(one.chosen),
            "tried": {peer: dict(tried) for peer, tried in one.tried.items()},
            "differences": dict(one.differences),
            "fewest_operations": _operations(one),
            "share_of_product": _share(one).median,
        }
        for one in results
    ]


def restored(found: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """What ``figures`` said."""
    return [
        Measured(
            CASES[one["case"]],
            Timed(one["seconds"], []),
            one["chosen"],
            one["chosen"][AUTO],
            one["differences"],
            one["tried"],
        )
        for one in found
    ]


def _cell(one: Measured, way: str, chosen: str) -> str:
    return f"{one.times.spread(way).median * 1e3:,.1f} `{chosen}`"


def _ratio(one: Measured, peer: Peer) -> Spread:
    return one.times.ratio(peer.name, SYMMETRIC if peer.symmetric else OURS)


def _to_auto(one: Measured, peer: Peer) -> float:
    return one.times.ratio(peer.name, AUTO if AUTO in one.times.seconds else OURS).median


def _operations(one: Measured) -> float:
    return fewest_operations(one.case.work, *one.case.n, one.case.k)


def _share(one: Measured) -> Spread:
    """The product's seconds, had it as many operations, over ours, turn by turn."""
    products = _operations(one) / (2 * side() ** 3)
    pairs = zip(one.times.seconds[PRODUCT], one.times.seconds[OURS], strict=True)
    return spread([products * product / ours for product, ours in pairs])


def _geometric(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
