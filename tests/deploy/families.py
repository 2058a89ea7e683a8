"""The metrics that exist, as who queries them sees them; queries in PromQL, taken apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql
from prometheus_client.metrics import MetricWrapperBase

from app.metrics import Labelled, Metrics

TARGET = frozenset({"instance", "job"})  # labels that Prometheus adds
OTHERS = {"up": TARGET}  # series that Prometheus makes of its own accord


@dataclass(frozen=True)
class Family:
    """One metric: its name in ``/metrics``, type, labels and help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def families() -> list[Family]:
    """Every metric, in the order in which they are declared."""
    found = []
    for known in vars(Metrics()).values():
        metric = known._metric if isinstance(known, Labelled) else known
        if isinstance(metric, MetricWrapperBase):
            (described,) = metric.describe()
            name = described.name + ("_total" if described.type == "counter" else "")
            found.append(Family(name, described.type, tuple(metric._labelnames), described.documentation))
    return found


def series() -> dict[str, frozenset[str]]:
    """Every name that a query may use, with its labels."""
    known = dict(OTHERS)
    for family in families():
        labels = TARGET | set(family.labels)
        if family.kind == "histogram":
            known |= {f"{family.name}_bucket": labels | {"le"}}
            known |= {f"{family.name}{part}": labels for part in ("_sum", "_count")}
        else:
            known[family.name] = labels
    return known


def parts(query: str) -> Iterator[tuple[str, set[str]]]:
    """Every series that a query names, with the labels that it selects or groups that series by.

    Raises:
        ValueError: where it is no PromQL.
    """
    yield from _parts(promql.parse(query), set())


def _parts(expr: Any, grouped: set[str]) -> Iterator[tuple[str, set[str]]]:
    match expr:
        case promql.VectorSelector():
            yield expr.name or "", grouped | {matcher.name for matcher in expr.matchers.matchers}
        case promql.MatrixSelector():
            yield from _parts(expr.vector_selector, grouped)
        case promql.AggregateExpr():
            labels = set(expr.modifier.labels) if expr.modifier else set()
            yield from _parts(expr.expr, grouped | labels)
        case promql.BinaryExpr():
            labels = set(expr.modifier.matching.labels) if expr.modifier and expr.modifier.matching else set()
            yield from _parts(expr.lhs, grouped | labels)
            yield from _parts(expr.rhs, grouped | labels)
        case promql.Call():
            for argument in expr.args:
                yield from _parts(argument, grouped)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _parts(expr.expr, grouped)


def mistakes(query: str) -> list[str]:
    """What a query asks for that there is not."""
    known = series()
    found = []
    for name, labels in parts(query):
        if name not in known:
            found.append(f"no metric {name}")
        elif labels - known[name]:
            found.append(f"{name} has no label {sorted(labels - known[name])}, it has {sorted(known[name])}")
    return found
