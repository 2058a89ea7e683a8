"""Compiled programs that outlive the process: JAX's own cache, in a folder of bounded size.

Lost, unwritable or damaged, it costs time only. JAX runs what it reads: one flipped bit of a program would
end the process, or make answers wrong, so that a checksum lies beside each, and only what has its own is
read. JAX's configuration is one for the process: whoever owns the process calls this, once, before anything
is compiled. Knows neither functions nor plans.
"""

import math
import tempfile
import zlib
from pathlib import Path

import jax
import structlog

from app.catalog.environment import machine
from app.engine.compilations import Source, listen

# The files of one program: itself, when it was last used, and its checksum. The last is ours.
_ENTRY, _USED, _SUM = "-cache", "-atime", "-sum"
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
    damaged = [entry for entry in own.glob(f"*{_ENTRY}") if not _is_whole(entry)]
    if writable:
        _drop(damaged, own)
        _sum_what_is_made(own)
    else:
        log.warning("compiled programs are not kept: the folder cannot be written", folder=str(own))
        if damaged or not own.is_dir():
            return
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


def _is_whole(entry: Path) -> bool:
    """Whether a program is what was written; not where a process was killed before it had written all."""
    try:
        return _beside(entry, _USED).exists() and _beside(entry, _SUM).read_text() == _checksum(entry)
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(entry: Path) -> str:
    return f"{zlib.crc32(entry.read_bytes()):08x}"


def _beside(file: Path, suffix: str) -> Path:
    """Another of the files of the same program."""
    return file.with_name(file.name.rpartition("-")[0] + suffix)


def _drop(damaged: list[Path], folder: Path) -> None:
    """Drop programs, and what lies beside programs that are not there any more."""
    for entry in damaged:
        if _beside(entry, _SUM).exists():  # else nobody got that far with it, or an older version made it
            log.warning("a compiled program is damaged: it is compiled again", file=str(entry))
    left = [checksum for checksum in folder.glob(f"*{_SUM}") if not _beside(checksum, _ENTRY).exists()]
    for file in [_beside(entry, suffix) for entry in damaged for suffix in (_ENTRY, _USED, _SUM)] + left:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("a damaged program could not be dropped", file=str(file), reason=str(error))


def _sum_what_is_made(folder: Path) -> None:
    """Write the checksum of each program once JAX has written it; for as long as the process lives."""
    summed: set[str] = set()  # names of programs that have theirs; to ask the disk for each takes long

    def made(source: Source) -> None:
        if source == "disk":
            return
        there = {entry.name for entry in folder.glob(f"*{_ENTRY}")}
        for name in there - summed:
            entry = folder / name
            checksum = _beside(entry, _SUM)
            try:
                known = checksum.exists() and checksum.stat().st_mtime_ns >= entry.stat().st_mtime_ns
                if not known and not _beside(entry, _USED).exists():
                    continue  # JAX is still writing it
                if not known:
                    checksum.write_text(_checksum(entry))
                summed.add(name)
            except OSError as error:  # dropped meanwhile, or no room: it is compiled again one day
                log.info("a compiled program has no checksum", file=str(entry), reason=str(error))
        summed.intersection_update(there)  # what was dropped may be made anew

    listen(made)
