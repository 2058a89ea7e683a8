"""How glibc's malloc serves a process that computes: what was had once is kept, and threads share it."""

import ctypes
import os
from contextlib import suppress

# Pools of memory that malloc may have; eight for each core by default.
ARENAS = 2
# Bytes of one block, and free at the top of the heap, that are not given back to the system.
KEPT = 2**30
# By the variables that say otherwise: numbers of malloc.h, and values.
_CHOICES = {
    "MALLOC_ARENA_MAX": (-8, ARENAS),
    "MALLOC_MMAP_THRESHOLD_": (-3, KEPT),
    "MALLOC_TRIM_THRESHOLD_": (-1, KEPT),
}


def keep_memory() -> None:
    """Have malloc keep what is freed, in few pools; unless a variable of the environment says otherwise.

    * A program of XLA's CPU compiler takes its temporary memory anew with each run. From 32 MiB on malloc
      has it from the system each time, which hands out zeros page by page: a fifth to a quarter of the time
      of convolutional networks.
    * Requests are decoded, compiled and encoded on threads that come and go. What one frees in a pool of its
      own the others cannot use: resident memory grows for minutes of traffic, though nothing is kept.

    Does nothing where the process has another libc.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for variable, (parameter, value) in _CHOICES.items():
            if variable not in os.environ:
                mallopt(parameter, value)


def variables() -> dict[str, str]:
    """The same for a process that is started with these variables."""
    return {variable: str(value) for variable, (_, value) in _CHOICES.items()}
