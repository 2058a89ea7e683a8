"""JAX's own events → one call for each program: whether XLA compiled it, or it was read from a disk.

Hears all that this process compiles, in any thread, small programs of JAX itself among them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from jax import monitoring

Source = Literal["compiler", "disk"]
_READ = "/jax/compilation_cache/cache_hits"
_MADE = "/jax/core/compile/backend_compile_duration"


def listen(count: Callable[[Source], None]) -> Callable[[], None]:
    """Tell where each program comes from, until what is returned is called.

    Args:
        count: called on the thread that needed the program, once it has been read or written.
    """
    here = threading.local()

    def read(event: str, **_: Any) -> None:
        # Comes before the event of the same program, on the same thread.
        if event == _READ:
            here.read = True

    def made(event: str, *_: Any, **__: Any) -> None:
        if event == _MADE:
            count("disk" if getattr(here, "read", False) else "compiler")
            here.read = False

    def stop() -> None:
        monitoring.unregister_event_listener(read)
        monitoring.unregister_event_duration_listener(made)

    monitoring.register_event_listener(read)
    monitoring.register_event_duration_secs_listener(made)
    return stop


@contextmanager
def heard(count: Callable[[Source], None]) -> Iterator[None]:
    """The same within a ``with``."""
    stop = listen(count)
    try:
        yield
    finally:
        stop()
