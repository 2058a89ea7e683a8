"""``jjt serve``: a socket, an application, Uvicorn between them, and an end in good order."""

import gc
import logging
import os
import resource
import signal
import socket
import sys
from importlib.metadata import version

import typer
import uvicorn

from app.api import create_app
from app.api.connection import Limits, connection_class
from app.api.house import House
from app.api.logs import configure
from app.catalog import keep_programs
from app.cli.ending import SIGNALS, Server
from app.settings import Settings

KEEP_ALIVE_SECONDS = 75  # longer than proxies keep a connection that they would use again
FIRST = "sqrt_mean"
# How long a thread that traces or plans may keep the event loop waiting; 5e-3 by default.
_SWITCH_SECONDS = 1e-3
_OTHER_FILES = 256  # open beside the connections


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0, the exit code of a service that was asked to end.

    Raises:
        LoadError: if a file of the registry does not load.
        OSError: if the address cannot be had.
    """
    configure(settings.log)
    # Not by an exception: a file of the registry that is being imported would seem to raise it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # What was imported stays. To look through it each time that garbage is sought takes 0.1 s, and the event
    # loop waits. Not after the registry is read: what a reload replaces would never be found.
    gc.collect()
    gc.freeze()
    _allow_files(settings.connections)
    keep_programs(settings.data / "compiled", settings.compiled_bytes)
    with _bound(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        app = create_app(settings, announce=lambda house: _welcome(house, port))
        limits = Limits(
            settings.connections, settings.head_seconds, settings.stall_seconds, app.state.house.metrics
        )
        server = Server(
            uvicorn.Config(
                app,
                http=connection_class(limits),
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ),
            app.state.house,
            listener,
        )
        for number in SIGNALS:  # as Uvicorn does it, but before and after its time too
            signal.signal(number, server.handle_exit)
        sys.setswitchinterval(_SWITCH_SECONDS)
        server.run(sockets=[listener])
    if not app.state.house.closed_in_time:
        _abandon()
    return 0


def _allow_files(connections: int) -> None:
    """Raise the soft limit of open files as far as connections, and those that are refused, may need."""
    needed = 2 * connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logging.getLogger(__name__).warning(
            "%d files may be open, %d connections need %d", allowed, connections, needed
        )


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise OSError(f"{host}:{port}: {reason}; choose another with --port, or --port 0") from None
    return listener


def _welcome(house: House, port: int) -> None:
    host = house.settings.host
    shown = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else host  # noqa: S104
    names = sorted(house.catalog.functions)
    typer.echo(f"jjt {version('jjt')} is ready on http://{shown}:{port} with")
    for name in names:
        typer.echo(f"  {name:24} {house.catalog.functions[name].doc}")
    if names:
        first = FIRST if FIRST in names else names[0]
        here = f"{shown}:{port}"
        typer.echo(f"try\n  curl -s {here}/functions/{first}/example | curl -s {here}/jjt --json @-")
    sys.stdout.flush()


def _abandon() -> None:
    """End a process whose lanes are inside calls that nothing can stop, such as a long compilation."""
    logging.getLogger(__name__).warning("ended while a computation was under way")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
