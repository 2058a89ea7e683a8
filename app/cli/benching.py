"""``jjt bench``: one question asked in several formats by more and more at once, and what came of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from app.cli import figures
from app.cli.figures import RIGHT, Step
from app.errors import RequestError, ServiceError

if TYPE_CHECKING:
    from app.cli import load

FIRST = "sqrt_mean"
BUSY_SHARE = 0.9  # of one core: from here on the tool may be what is slow


def bench(
    url: str,
    *,
    name: str | None,
    n1: int | None,
    n2: int | None,
    formats: Sequence[str],
    concurrency: Sequence[int],
    seconds: float,
    total_seconds: float,
    check: bool,
    out: Path | None,
    key: str | None = None,
) -> int:
    """Measure, print a table and bars, and write a file if there is to be one.

    Returns:
        1 if nothing was answered right or, where answers are checked, one was not; else 0.

    Raises:
        RequestError: for a question that the service refuses.
        ServiceError: where there is no service, or no client.
    """
    try:
        from app.cli import load  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ServiceError(
            f"jjt bench needs the package {error.name}; pip install ./client from the checkout brings it"
        ) from None
    steps: list[Step] = []
    about: dict[str, Any] = {"url": url, "n1": n1, "n2": n2, "asked_seconds": seconds}

    def report(step: Step) -> None:
        steps.append(step)
        line = f"{step.format}, {step.concurrency} at once: {step.per_second:.1f} answers a second"
        typer.echo(line, err=True)

    async def sweep() -> None:
        asks = load.asks(*await _question(url, name, n1, n2, about, key), formats, key)
        first = load.Check() if check else load.unchecked
        await _answered(url, asks)
        for ask in asks:
            for number in concurrency:
                await load.measure(url, ask, number, seconds, first, report)

    try:
        asyncio.run(asyncio.wait_for(sweep(), total_seconds))
    except TimeoutError:
        typer.echo(f"stopped after {total_seconds:g} seconds; see --total-seconds", err=True)
    finally:
        if steps:
            _show(about, steps, out)
    wrong = any(load.DIFFERENT in step.outcomes for step in steps)
    return int(wrong or not any(RIGHT in step.outcomes for step in steps))


async def _question(
    url: str, name: str | None, n1: int | None, n2: int | None, about: dict[str, Any], key: str | None
) -> tuple[bytes, Any]:
    """The example of a function, as bytes, and the declared tree of its x."""
    import httpx  # noqa: PLC0415

    import jjt_client  # noqa: PLC0415

    try:
        async with jjt_client.AsyncClient(url, retries=0, api_key=key) as client:
            names = [line["name"] for line in await client.functions()]
            if not names:
                raise ServiceError(f"{url} holds no function")
            asked = name or (FIRST if FIRST in names else names[0])
            card = await client.function(asked)
    except ValueError as error:
        raise RequestError(str(error)) from None
    except jjt_client.RequestError as error:
        raise RequestError(error.detail) from None
    except jjt_client.JJTError as error:
        raise ServiceError(str(error)) from None
    about |= {"function": card["name"], "version": card["version"]}
    sizes = {key: n for key, n in (("n1", n1), ("n2", n2)) if n is not None}
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=jjt_client.key_headers(key)) as http:
        answer = await http.get(f"/functions/{card['name']}/example", params=sizes)
    if answer.status_code != httpx.codes.OK:
        raise RequestError(answer.json().get("detail", answer.text))
    return answer.content, card["x"]


async def _answered(url: str, asks: "Sequence[load.Ask]") -> None:
    """Ask once in each format: what is compiled now need not be later.

    Raises:
        ServiceError: if one is not answered.
    """
    import httpx  # noqa: PLC0415

    from app.cli import load  # noqa: PLC0415

    async with httpx.AsyncClient(base_url=url, timeout=310) as client:
        for ask in asks:
            outcome = await load.ask_once(client, ask, load.unchecked)
            if outcome != RIGHT:
                raise ServiceError(f"the first request, in {ask.format}, was answered: {outcome}")


def _show(about: dict[str, Any], steps: Sequence[Step], out: Path | None) -> None:
    typer.echo(f"{about['function']}@{about['version']} at {about['url']}")
    console = Console()
    console.print(figures.table(steps), soft_wrap=True)
    typer.echo("\n" + figures.bars(steps))
    if max(step.tool_cpu for step in steps) > BUSY_SHARE:
        typer.echo("\nwhere the tool's CPU is near 100 %, the service may answer more than it asks", err=True)
    if out is not None:
        text = figures.as_csv(steps) if out.suffix == ".csv" else figures.as_json(about, steps)
        out.write_text(text, encoding="utf-8")
        typer.echo(f"\nwritten to {out}")
