"""``jjt run``: arrays in files to a matrix in a file, block by block, without a server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import typer
from numpy.lib.format import open_memmap
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.catalog import Catalog
from app.engine import Engine, Plan, Problem
from app.errors import DecodeError
from app.settings import Settings
from app.specs import Receipt

Precision = Literal["highest", "high", "default"]


def run(
    settings: Settings,
    name: str,
    files: Mapping[str, Path],
    output: Path,
    *,
    wrt: str | None,
    algorithm: str,
    precision: Precision,
    verify: int | None,
) -> int:
    """Compute the matrix of a function and the arrays in files, into ``output``.

    Args:
        settings: of the registry and of the engine.
        name: of the function, or ``name@version``.
        files: ``.npy`` or ``.npz`` by side.
        output: the ``.npy`` file to write.
        wrt: the variable; None for the function's own.
        algorithm: ``auto``, or the name of one.
        precision: of products.
        verify: entries to compute a second time, once the file is there; None for none.

    Raises:
        RequestError: if the files, the names and the options do not fit the function.
    """
    catalog = Catalog(settings.registry, settings.data)
    catalog.load()
    function = catalog.get(name)
    engine = Engine(settings.memory_bytes, settings.block_seconds)
    engine.calibrate()
    arrays = {key: array for side, path in files.items() for key, array in _read(side, path).items()}
    problem = engine.problem(function, arrays, wrt=wrt, precision=precision)
    plan = engine.plan(problem, algorithm)
    engine.prepare(plan)
    partial = output.with_name(output.name + ".part")
    try:
        _write(engine, plan, problem, partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    shape = " × ".join(map(str, problem.shape))
    typer.echo(f"{output}: {shape} {problem.dtype}, {function.name}@{function.version} by {plan.algorithm}")
    if verify is not None:
        typer.echo(_said(engine.verify(problem, np.load(output, mmap_mode="r"), verify)))
    return 0


def _said(receipt: Receipt) -> str:
    known = receipt.evaluation is not None
    own = (
        f"; the function itself is off by {receipt.evaluation:.3g} eps of its largest output" if known else ""
    )
    return (
        f"of {receipt.entries} entries, recomputed in {receipt.dtype}, none is off by more than "
        f"{receipt.error:.3g} eps of the rows' norms{own}"
    )


def _write(engine: Engine, plan: Plan, problem: Problem, path: Path) -> None:
    matrix = open_memmap(path, "w+", np.dtype(problem.dtype), tuple(problem.shape))
    whole = matrix.reshape(problem.sizes)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("blocks", total=plan.blocks)
        for block in engine.execute(plan, problem):
            whole[slice(*block.rows), :, slice(*block.columns), :] = block.array
            mirrored = problem.symmetric and block.rows > block.columns
            progress.advance(task, 0 if mirrored else 1)
    matrix.flush()


def _read(side: str, path: Path) -> dict[str, np.ndarray]:
    """The arrays of one side: one for a ``.npy``, one per dotted name for a ``.npz``."""
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return {side: held}
        with held:
            return {f"{side}.{name}": held[name] for name in held.files}
    except (ValueError, EOFError) as error:
        raise DecodeError(f"{path} is not an .npy or .npz file of numbers: {error}") from None
