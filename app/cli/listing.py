"""``jjt functions`` and ``jjt plan``: what the registry and the planner say, as tables."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import typer
from rich.console import Console
from rich.table import Table

from app.catalog import Catalog
from app.engine import Engine, explained
from app.errors import LoadError
from app.settings import Settings

Precision = Literal["highest", "high", "default"]


def functions(settings: Settings) -> int:
    """Print a table of the functions."""
    catalog, engine = _loaded(settings)
    table = Table("name", "version", "wrt", "k", "doc", box=None, pad_edge=False)
    for name, function in sorted(catalog.functions.items()):
        k = str(engine.signature(function).k)
        table.add_row(name, function.version, function.wrt, k, function.doc)
    Console().print(table)
    return 0


def check(settings: Settings) -> int:
    """Print every file of the registry with what it holds, or why it does not load; 1 if one does not."""
    outcomes = Catalog(settings.registry, settings.data).check()
    for path, outcome in outcomes:
        if isinstance(outcome, LoadError):
            typer.echo(f"fails  {outcome.path}: {outcome.reason}")
        else:
            typer.echo(f"loads  {path}: {', '.join(item.name for item in outcome) or 'no function'}")
    return int(any(isinstance(outcome, LoadError) for _, outcome in outcomes))


def plan(
    settings: Settings,
    name: str,
    n1: int,
    n2: int | None,
    *,
    wrt: str | None,
    algorithm: str,
    precision: Precision,
) -> int:
    """Print what the planner would choose; 1 if no algorithm fits."""
    catalog, engine = _loaded(settings)
    function = catalog.get(name)
    engine.calibrate()
    plan_within = partial(engine.explain, function, n1, n2, wrt=wrt, algorithm=algorithm, precision=precision)
    chosen = explained(plan_within, engine.memory_bytes)
    table = Table("", "algorithm", "seconds", "bytes", "flops", box=None, pad_edge=False)
    for item in chosen["algorithms"]:
        mark = "→" if item["algorithm"] == chosen["algorithm"] else ""
        if "refused" in item:
            table.add_row(mark, item["algorithm"], f"refused: {item['refused']}")
        else:
            cost = (f"{item['seconds']:.3g}", f"{item['bytes']:,}", f"{item['flops']:.3g}")
            table.add_row(mark, item["algorithm"], *cost)
    typer.echo(_sentence(chosen))
    Console().print(table)
    for line in _remarks(chosen):
        typer.echo(line)
    return 0 if chosen["algorithm"] else 1


def _sentence(chosen: dict) -> str:
    what = (
        f"{chosen['function']}@{chosen['version']} wrt {chosen['wrt']}: "
        f"n1 = {chosen['n1']}, n2 = {chosen['n2']}, k = {chosen['k']}, p = {chosen['p']}"
    )
    if not chosen["algorithm"]:
        return f"{what}; no algorithm fits"
    rows, columns = chosen["block"]
    return f"{what}; {chosen['algorithm']}, blocks of {rows} × {columns} examples: {chosen['blocks']}"


def _remarks(chosen: dict) -> Iterator[str]:
    for item in chosen["algorithms"]:
        for leaf in item.get("explicit", ()):
            yield f"{item['algorithm']} forms the gradient of {leaf}"
    if larger := chosen["larger_budget"]:
        yield (
            f"with {larger['memory_bytes']:,} bytes instead of {chosen['memory_bytes']:,}: "
            f"{larger['algorithm']}, {larger['seconds']:.3g} s"
        )


def _loaded(settings: Settings) -> tuple[Catalog, Engine]:
    catalog = Catalog(settings.registry, settings.data)
    catalog.load()
    return catalog, Engine(memory_bytes=settings.memory_bytes, block_seconds=settings.block_seconds)
