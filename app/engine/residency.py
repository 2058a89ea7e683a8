"""(function version, device) → what is worth keeping there: parameters, and what depends on them alone.

Their bytes come out of the planner's budget. Parameters stay until their function is let go of. Arrays that
an algorithm computes once from parameters, such as A Aᵀ, stay as far as they fit a budget of their own; what
was let go of is computed again when it is next needed.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import jax
from jax import Array

from app.engine.algorithms import Algorithm, Keepsake
from app.engine.devices import Device
from app.engine.recent import Recent
from app.engine.signature import Signature
from app.engine.view import View
from app.engine.worlds import world
from app.function import Function

Event = Literal["hit", "miss", "eviction", "forget"]
Heard = Callable[[Event, Function, int | None], None]
Key = tuple[View, Algorithm]

_MOST = 1024  # variables of all functions, those for which there is nothing to keep among them
_MAKERS = 64  # compiled programs that make what is kept


@dataclass(frozen=True)
class Holding:
    """What is kept of a function's parameters for one variable.

    Args:
        wrt: every leaf of the variable, as a request may name it.
        algorithm: name of the one that made it.
        precision: of the products that made it.
        keepsakes: what each array is.
    """

    wrt: str
    algorithm: str
    precision: str
    keepsakes: tuple[Keepsake, ...]

    @cached_property
    def nbytes(self) -> int:
        """Of all its arrays."""
        return sum(each.nbytes for each in self.keepsakes)

    @cached_property
    def worth(self) -> float:
        """Flops that a request saves which finds it, for each byte."""
        return sum(each.flops for each in self.keepsakes) / max(1, self.nbytes)


@dataclass(frozen=True, eq=False)
class _Kept:
    holding: Holding
    arrays: list[Array]


class Residency:
    """Arrays on the device; from any thread. What is held can be asked for while something is being made.

    Args:
        kept_bytes: budget of what algorithms keep.
        heard: is told what happened to something kept: what, of which function, and the bytes that are kept
            of all functions of its name from then on.
        device: where they are; the default one by default.
    """

    def __init__(self, kept_bytes: int, heard: Heard = lambda *_: None, device: Device | None = None) -> None:
        self._held: dict[Function, list[Array]] = {}
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._makers: Recent[Key, Any] = Recent(_maker, _MAKERS, lambda key: key[0].signature.function)
        self._kept_bytes = kept_bytes
        self._device = device
        self._heard = heard
        self._making = threading.RLock()  # one thread at a time puts something on the device
        self._lock = threading.RLock()  # of the tables, for moments; taken inside the other

    def parameters(self, signature: Signature) -> list[Array]:
        """The arrays of a function's parameters on the device, put there the first time."""
        function = signature.function
        with self._making:
            if function not in self._held:
                with world(function):
                    arrays = [jax.device_put(array, self._device) for array in signature.params.arrays]
                with self._lock:
                    self._held[function] = arrays
            return self._held[function]

    def arguments(self, view: View, algorithm: Algorithm) -> list[Array]:
        """Parameters, and behind them what an algorithm keeps of them, computed where it is missing."""
        with self._making:
            params = self.parameters(view.signature)
            kept = self._find((view, algorithm))
            if kept is None:
                kept = self._make((view, algorithm), params)
                self._keep((view, algorithm), kept)
            return [*params, *kept.arrays]

    def kept(self, function: Function) -> list[Holding]:
        """What is kept of a function's parameters, what was used last at the end."""
        with self._lock:
            holdings = [
                kept.holding for (view, _), kept in self._kept.items() if view.signature.function is function
            ]
        return [holding for holding in holdings if holding.keepsakes]

    def forget(self, function: Function) -> None:
        """Let go of a function's parameters, and of what was made of them."""
        self._makers.forget(function)
        with self._making, self._lock:
            self._held.pop(function, None)
            for key in [key for key in self._kept if key[0].signature.function is function]:
                self._drop(key, "forget")

    @property
    def held_bytes(self) -> int:
        """Bytes of all parameters on the device, and of all that is kept."""
        with self._lock:
            return sum(array.nbytes for arrays in self._held.values() for array in arrays) + self._sum()

    def _find(self, key: Key) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                self._tell("hit", key, kept)
            return kept

    def _make(self, key: Key, params: Sequence[Array]) -> _Kept:
        view, algorithm = key
        with world(view.signature.function, view.precision), jax.default_device(self._device):
            keepsakes = tuple(algorithm.kept(view))
            arrays = self._makers.get(key)(params) if keepsakes else []
        return _Kept(Holding(",".join(view.names), algorithm.name, view.precision, keepsakes), arrays)

    def _keep(self, key: Key, made: _Kept) -> None:
        """Keep what was made, unless it alone is more than may be kept.

        What saves the least for its bytes makes room, of equals what was not used for longest.
        """
        with self._lock:
            if made.holding.nbytes <= self._kept_bytes:
                self._kept[key] = made
                while self._sum() > self._kept_bytes:
                    self._evict(other for other in self._kept if self._kept[other].arrays and other != key)
                while len(self._kept) > _MOST:
                    self._evict(other for other in self._kept if other != key)
            self._tell("miss", key, made)

    def _evict(self, keys: Iterable[Key]) -> None:
        self._drop(min(keys, key=lambda key: self._kept[key].holding.worth), "eviction")

    def _drop(self, key: Key, event: Event) -> None:
        self._tell(event, key, self._kept.pop(key))

    def _tell(self, event: Event, key: Key, kept: _Kept) -> None:
        """Say what happened, except to what holds nothing."""
        if kept.arrays:
            function = key[0].signature.function
            self._heard(event, function, None if event == "hit" else self._sum(function.name))

    def _sum(self, name: str | None = None) -> int:
        """Bytes that are kept, of all functions or of those of a name."""
        return sum(
            kept.holding.nbytes
            for (view, _), kept in self._kept.items()
            if name in (None, view.signature.function.name)
        )


def _maker(key: Key) -> Any:
    view, algorithm = key
    return jax.jit(partial(algorithm.keep, view))
