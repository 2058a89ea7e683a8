"""Compiled programs that outlive the process: JAX's own cache, in a folder of bounded size.

Lost, unwritable or damaged, it costs time only. JAX's configuration is one for the process: whoever owns
the process calls this, once, before anything is compiled. Knows neither functions nor plans.
"""

import logging
import math
import tempfile
import warnings
from pathlib import Path

import jax
import structlog

from app.catalog.environment import machine

_UNREADABLE = "Error reading persistent compilation cache entry"
_ENTRY, _USED = "-cache", "-atime"  # the two files of one program: itself, and when it was last used
log = structlog.get_logger()


def keep_programs(folder: Path, most_bytes: int) -> None:
    """Let JAX keep what it compiles in a folder, below it in one of this machine's own.

    Where nothing can be written, what lies there is still read; where there is nothing, nothing is kept.

    Args:
        folder: may be shared by processes and machines that trust one another.
        most_bytes: of one machine's programs; past that the least recently used are dropped.
    """
    own = folder.absolute() / machine()
    writable = _writable(own)
    if not writable:
        log.warning("compiled programs are not kept: the folder cannot be written", folder=str(own))
        if not own.is_dir():
            return
    else:
        _drop_unfinished(own)
        _drop_what_cannot_be_read(own)
    jax.config.update("jax_compilation_cache_dir", str(own))
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # XLA's own caches have no bound, and their path would make a program useless in a folder that was moved.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    # A bounded folder is locked even to read from it, so one that is only read has no bound.
    jax.config.update("jax_compilation_cache_max_size", most_bytes if writable else -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0 if writable else math.inf)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _drop_unfinished(folder: Path) -> None:
    """Drop programs that a process which was killed had not written to the end: its time comes last."""
    for entry in folder.glob(f"*{_ENTRY}"):
        if not _used(entry).exists():
            _drop(entry)


def _drop_what_cannot_be_read(folder: Path) -> None:
    """Let a damaged program be replaced when it is found: JAX warns, compiles, and would leave it there."""
    warnings.filterwarnings("always", message=_UNREADABLE)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(_Damaged(folder))


class _Damaged(logging.Handler):
    """Hears JAX's warning before the new program is written, and drops the one that was read just now."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        """Drop the program that was read last; several, where the clock of the disk sees no difference."""
        if _UNREADABLE not in record.getMessage():
            return
        times = {entry: _time(entry) for entry in self._folder.glob(f"*{_ENTRY}")}
        for entry in [entry for entry, time in times.items() if time == max(times.values())]:
            _drop(entry)


def _used(entry: Path) -> Path:
    return entry.with_name(entry.name.removesuffix(_ENTRY) + _USED)


def _time(entry: Path) -> int:
    try:
        return _used(entry).stat().st_mtime_ns
    except OSError:
        return 0


def _drop(entry: Path) -> None:
    try:
        entry.unlink(missing_ok=True)
        _used(entry).unlink(missing_ok=True)
    except OSError as error:
        log.warning("a damaged program could not be dropped", file=str(entry), reason=str(error))
