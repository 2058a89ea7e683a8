"""``jjt keys``: add, list and remove the keys of a file. A secret is printed once, and kept by nobody."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from app.cli.flags import setting, settings_of

commands = typer.Typer(
    help="Keys that requests are asked for, in the file that JJT_KEYS names.", no_args_is_help=True
)
File = Annotated[Path | None, setting("keys")]
Name = Annotated[str, typer.Argument(help="of the key, as logs and metrics say it")]


@commands.command()
def add(
    name: Name,
    requests_per_second: Annotated[float | None, typer.Option(help="on average")] = None,
    requests_burst: Annotated[float | None, typer.Option(help="at once  [default: 10 s of the rate]")] = None,
    bytes_per_second: Annotated[float | None, typer.Option(help="of bodies and answers, on average")] = None,
    bytes_burst: Annotated[float | None, typer.Option(help="at once  [default: 10 s of the rate]")] = None,
    device_seconds_per_minute: Annotated[
        float | None, typer.Option(help="seconds that devices compute for it, on average")
    ] = None,
    keys: File = None,
) -> None:
    """Make a key, and print it, this once.

    What is not limited is not limited by the key; the queue is shared by all in any case. A service that
    runs knows the key within two seconds.
    """
    from app.keys import add as put  # noqa: PLC0415
    from app.keys import minted  # noqa: PLC0415

    path = _file(keys)
    try:
        key, secret = minted(
            name,
            requests_per_second=requests_per_second,
            requests_burst=requests_burst,
            bytes_per_second=bytes_per_second,
            bytes_burst=bytes_burst,
            device_seconds_per_minute=device_seconds_per_minute,
        )
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        where = ".".join(map(str, mistake["loc"]))
        raise typer.BadParameter(f"{where}: {mistake['msg']}" if where else mistake["msg"]) from None
    put(path, key)
    typer.echo(f"{name} is in {path}; its key is shown only now:", err=True)
    typer.echo(secret)


@commands.command(name="list")
def show(keys: File = None) -> None:
    """Show names and limits."""
    from app.keys import Allowance, read  # noqa: PLC0415

    table = Table("key", "limits")
    for key in read(_file(keys)):
        table.add_row(key.name, "\n".join(Allowance(key).limits) or "none")
    Console().print(table, soft_wrap=True)


@commands.command()
def remove(name: Name, keys: File = None) -> None:
    """Take a key away.

    A service that runs refuses it within two seconds.
    """
    from app.keys import remove as take  # noqa: PLC0415

    take(_file(keys), name)
    typer.echo(f"{name} is gone", err=True)


def _file(keys: Path | None) -> Path:
    path = settings_of(keys=keys).keys
    if path is None:
        raise typer.BadParameter("name the file of keys, here or in JJT_KEYS", param_hint="--keys")
    return path
