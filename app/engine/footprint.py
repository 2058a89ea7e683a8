"""A simplified program → the bytes that it holds at once, in the order that a compiler would run it in.

XLA's CPU compiler orders by breadth, so that what is independent can run at once: whatever is ready first
goes first. Orders that let go earlier, as on GPUs, hold less. An estimate for counting costs.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from app.engine.simplified import FUSED, Simplified

# What may be written over an operand that nobody reads any more.
_IN_PLACE = FUSED | {"scatter", "scatter-add", "scatter_add", "dynamic_update_slice", "rev"}


def peak_bytes(seen: Simplified, extra: Sequence[int], *, results: bool) -> int:
    """The most that is held at once, arguments apart.

    Args:
        seen: the program.
        extra: for each equation, bytes that it holds while it runs beside what it reads and writes.
        results: whether what it returns counts.
    """
    return _Walk(seen, extra, results=results).peak()


class _Walk:
    """Equations that write something, and what each waits for."""

    def __init__(self, seen: Simplified, extra: Sequence[int], *, results: bool) -> None:
        self._seen = seen
        self._results = results
        written = [number for number, equation in enumerate(seen.equations) if seen.writes(equation)]
        self._names = [seen.equations[number].primitive.name for number in written]
        self._made = [seen.equations[number].outvars for number in written]
        self._extra = [extra[number] for number in written]
        maker = {var: step for step, made in enumerate(self._made) for var in made}
        self._reads = [[var for var in seen.reads[number] if var in maker] for number in written]
        self._left = Counter(var for reads in self._reads for var in reads)
        self._missing = [len({maker[var] for var in reads}) for reads in self._reads]
        self._readers: dict[int, list[int]] = {}
        for step, reads in enumerate(self._reads):
            for source in {maker[var] for var in reads}:
                self._readers.setdefault(source, []).append(step)

    def peak(self) -> int:
        """Run all equations."""
        ready = deque(step for step, missing in enumerate(self._missing) if missing == 0)
        held = most = 0
        while ready:
            step = ready.popleft()
            written, freed = self._written(step), self._freed(step)
            shared = written if self._overwrites(step, written) else 0
            most = max(most, held + written - shared + self._extra[step])
            held += written - freed - self._unread(step)
            self._left.subtract(self._reads[step])
            for reader in self._readers.get(step, ()):
                self._missing[reader] -= 1
                if self._missing[reader] == 0:
                    ready.append(reader)
        return most

    def _written(self, step: int) -> int:
        return sum(self._bytes(var) for var in self._made[step])

    def _freed(self, step: int) -> int:
        return sum(self._bytes(var) for var in self._last(step))

    def _unread(self, step: int) -> int:
        outputs = self._seen.outputs
        return sum(self._bytes(var) for var in self._made[step] if not self._left[var] and var not in outputs)

    def _overwrites(self, step: int, written: int) -> bool:
        return self._names[step] in _IN_PLACE and any(self._bytes(var) >= written for var in self._last(step))

    def _last(self, step: int) -> list[Any]:
        """What it reads and nobody after it."""
        outputs = self._seen.outputs
        return [var for var in self._reads[step] if self._left[var] == 1 and var not in outputs]

    def _bytes(self, var: Any) -> int:
        return 0 if var in self._seen.outputs and not self._results else self._seen.bytes_of(var)
