"""``jjt``: what is typed becomes settings and calls.

JAX is loaded inside the commands that compute, so that help is quick.

Wrong use ends with one line that says what to do, and exit code 2; a registry that does not load, or a
computation that fails, with one line and exit code 1.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
import typer.main
from pydantic import ValidationError

from app.cli import keys
from app.cli.allocating import keep_memory
from app.cli.flags import setting, settings_of
from app.errors import JJTError, RequestError
from app.specs import MOST_VERIFIED

MOST_AT_ONCE = 1024

cli = typer.Typer(
    help="J(x1) J(x2)ᵀ of registered JAX functions: as a service, and from the shell.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
cli.add_typer(keys.commands, name="keys")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command, and exit with its code."""
    keep_memory()
    command = typer.main.get_command(cli)
    try:
        status = command.main(arguments, prog_name="jjt", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        asked = context.command_path if context else "jjt"
        message = error.format_message().strip().rstrip(".")
        if message.startswith("Usage:"):  # no command at all: the help is the answer
            _leave(message, 2)
        _leave(f"{asked}: {_one_line(message)}; see {asked} --help", 2)
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        _leave(f"jjt: {_one_line(mistakes)}; see jjt serve --help", 2)
    except JJTError as error:
        _leave(f"jjt: {_one_line(error.detail)}", 2 if isinstance(error, RequestError) else 1)
    except OSError as error:
        _leave(f"jjt: {_one_line(str(error))}", 1)
    except (KeyboardInterrupt, typer.Abort):
        _leave("jjt: interrupted", 130)
    sys.exit(status if isinstance(status, int) else 0)


def _leave(line: str, status: int) -> NoReturn:
    typer.echo(line, err=True)
    sys.exit(status)


def _one_line(text: str) -> str:
    return " ".join(text.split())


Registry = Annotated[str | None, setting("registry")]
MemoryBytes = Annotated[int | None, setting("memory_bytes")]
Name = Annotated[str, typer.Argument(help="function, as name or name@version")]
Wrt = Annotated[str | None, typer.Option(help="variable of J, such as x or params.head  [default: its own]")]
Algorithm = Annotated[str, typer.Option(help="auto, or the name of one")]
Precision = Annotated[Literal["highest", "high", "default"], typer.Option(help="of products on the device")]


class Format(StrEnum):
    """Of the bodies that ``jjt bench`` sends."""

    json = "json"
    npz = "npz"
    safetensors = "safetensors"


@cli.command()
def serve(
    host: Annotated[str | None, setting("host")] = None,
    port: Annotated[int | None, setting("port")] = None,
    registry: Registry = None,
    data: Annotated[Path | None, setting("data")] = None,
    memory_bytes: MemoryBytes = None,
    block_seconds: Annotated[float | None, setting("block_seconds")] = None,
    max_body_bytes: Annotated[int | None, setting("max_body_bytes")] = None,
    max_answer_bytes: Annotated[int | None, setting("max_answer_bytes")] = None,
    stream_bytes: Annotated[int | None, setting("stream_bytes")] = None,
    max_stream_bytes: Annotated[int | None, setting("max_stream_bytes")] = None,
    deadline_seconds: Annotated[float | None, setting("deadline_seconds")] = None,
    queue_seconds: Annotated[float | None, setting("queue_seconds")] = None,
    queue_bytes: Annotated[int | None, setting("queue_bytes")] = None,
    connections: Annotated[int | None, setting("connections")] = None,
    head_seconds: Annotated[float | None, setting("head_seconds")] = None,
    stall_seconds: Annotated[float | None, setting("stall_seconds")] = None,
    drain_seconds: Annotated[float | None, setting("drain_seconds")] = None,
    executables: Annotated[int | None, setting("executables")] = None,
    compiled_bytes: Annotated[int | None, setting("compiled_bytes")] = None,
    keys: Annotated[Path | None, setting("keys")] = None,
    cors_origins: Annotated[str | None, setting("cors_origins")] = None,
    reload: Annotated[bool | None, setting("reload")] = None,
    log: Annotated[Literal["console", "json"] | None, setting("log")] = None,
) -> int:
    """Start the service."""
    settings = settings_of(
        host=host,
        port=port,
        registry=registry,
        data=data,
        memory_bytes=memory_bytes,
        block_seconds=block_seconds,
        max_body_bytes=max_body_bytes,
        max_answer_bytes=max_answer_bytes,
        stream_bytes=stream_bytes,
        max_stream_bytes=max_stream_bytes,
        deadline_seconds=deadline_seconds,
        queue_seconds=queue_seconds,
        queue_bytes=queue_bytes,
        connections=connections,
        head_seconds=head_seconds,
        stall_seconds=stall_seconds,
        drain_seconds=drain_seconds,
        executables=executables,
        compiled_bytes=compiled_bytes,
        keys=keys,
        cors_origins=cors_origins,
        reload=reload,
        log=log,
    )
    from app.cli import serving  # noqa: PLC0415

    return serving.serve(settings)


@cli.command()
def functions(
    check: Annotated[
        bool, typer.Option("--check", help="say of each file whether it loads; exit 1 if one does not")
    ] = False,
    registry: Registry = None,
) -> int:
    """List the functions, or check the files."""
    from app.cli import listing  # noqa: PLC0415

    settings = settings_of(registry=registry)
    return listing.check(settings) if check else listing.functions(settings)


@cli.command()
def plan(
    name: Name,
    n1: Annotated[int, typer.Option(min=1, help="number of examples in x1")] = 1,
    n2: Annotated[
        int | None, typer.Option(min=1, help="number of examples in x2  [default: x2 = x1]")
    ] = None,
    wrt: Wrt = None,
    algorithm: Algorithm = "auto",
    precision: Precision = "highest",
    memory_bytes: MemoryBytes = None,
    registry: Registry = None,
) -> int:
    """Show what each algorithm would cost, or why not.

    In seconds, bytes of memory and floating-point operations; exits 1 where no algorithm fits.
    """
    from app.cli import listing  # noqa: PLC0415

    settings = settings_of(registry=registry, memory_bytes=memory_bytes)
    return listing.plan(settings, name, n1, n2, wrt=wrt, algorithm=algorithm, precision=precision)


@cli.command()
def run(
    name: Name,
    x1: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".npy, or .npz for a tree")],
    x2: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="the same; left out: x2 = x1")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help=".npy file to write")] = Path("k.npy"),
    wrt: Wrt = None,
    algorithm: Algorithm = "auto",
    precision: Precision = "highest",
    verify: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_VERIFIED, help="random entries to recompute another way, and say how far off"
        ),
    ] = None,
    memory_bytes: MemoryBytes = None,
    registry: Registry = None,
) -> int:
    """Compute one matrix into a file, without a server."""
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}", param_hint="--output")
    from app.cli import running  # noqa: PLC0415

    settings = settings_of(registry=registry, memory_bytes=memory_bytes)
    files = {"x1": x1} if x2 is None else {"x1": x1, "x2": x2}
    options: dict[str, Any] = {"wrt": wrt, "algorithm": algorithm, "precision": precision, "verify": verify}
    return running.run(settings, name, files, output, **options)


@cli.command()
def demo(registry: Registry = None) -> int:
    """Show one answer, and where its time went.

    Starts a server on a free port, posts its first example, and stops the server.
    """
    from app.cli import demonstration  # noqa: PLC0415

    return demonstration.demo(registry)


@cli.command()
def bench(
    url: Annotated[str, typer.Argument(help="of a service, such as http://localhost:8000")],
    function: Annotated[
        str | None, typer.Option(help="to ask  [default: sqrt_mean, or else the first]")
    ] = None,
    n1: Annotated[int | None, typer.Option(min=1, help="examples in x1  [default: the example's]")] = None,
    n2: Annotated[int | None, typer.Option(min=1, help="examples in x2  [default: the example's]")] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="of the requests; may be repeated  [default: json and safetensors]"),
    ] = None,
    concurrency: Annotated[str, typer.Option(help="requests at once, step by step")] = "1,2,4,8,16,32",
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="of each step")] = 5,
    total_seconds: Annotated[float, typer.Option(min=1, max=3600, help="of all steps, at most")] = 600,
    check: Annotated[
        bool, typer.Option("--check", help="compare each answer with the first one; exit 1 if one differs")
    ] = False,
    out: Annotated[Path | None, typer.Option(help=".json or .csv file for the figures")] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="JJT_KEY", help="where the service asks for one; the variable stays unseen"),
    ] = None,
) -> int:
    """Ask a service as fast as it answers, and show how fast that is.

    The body is the function's example. Needs the client: pip install ./client
    """
    if out is not None and (out.suffix not in {".json", ".csv"} or not out.parent.is_dir()):
        raise typer.BadParameter(f"{out} is no .json or .csv file in a folder", param_hint="--out")
    from app.cli import benching  # noqa: PLC0415

    return benching.bench(
        url,
        name=function,
        n1=n1,
        n2=n2,
        formats=formats or [Format.json, Format.safetensors],
        concurrency=_counts(concurrency),
        seconds=seconds,
        total_seconds=total_seconds,
        check=check,
        out=out,
        key=key,
    )


def _counts(text: str) -> list[int]:
    """Numbers between commas, each from 1 to ``MOST_AT_ONCE``."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MOST_AT_ONCE for part in parts):
        hint = f"expected numbers from 1 to {MOST_AT_ONCE} between commas, got {text!r}"
        raise typer.BadParameter(hint, param_hint="--concurrency")
    return [int(part) for part in parts]


@cli.command()
def version() -> None:
    """Print the versions of the service, of Python and of JAX."""
    import platform  # noqa: PLC0415
    from importlib.metadata import version as version_of  # noqa: PLC0415

    typer.echo(f"jjt {version_of('jjt')}, Python {platform.python_version()}, JAX {version_of('jax')}")
