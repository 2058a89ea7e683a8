"""(function version, device) → what is worth keeping there: parameters, and what depends on them alone.

Their bytes come out of the planner's budget. Parameters stay until their function is let go of. Arrays that
an algorithm computes once from parameters, such as A Aᵀ, stay as far as they fit a budget of their own; what
was let go of is computed again when it is next needed.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import jax
from jax import Array

from app.engine.algorithms import Algorithm
from app.engine.signature import Signature
from app.engine.view import View
from app.engine.worlds import world
from app.function import Function

Key = tuple[View, str]


@dataclass(frozen=True, eq=False)
class Kept:
    """Arrays that an algorithm made of a function's parameters.

    Args:
        arrays: on the device.
        nbytes: of all of them.
        worth: depth of the products that made them: flops saved for each byte at each request.
    """

    arrays: list[Array]
    nbytes: int
    worth: float


class Residency:
    """Arrays on the device.

    Args:
        kept_bytes: budget of what algorithms keep.
    """

    def __init__(self, kept_bytes: int) -> None:
        self._held: dict[Function, list[Array]] = {}
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._kept_bytes = kept_bytes
        self._lock = threading.RLock()

    def parameters(self, signature: Signature) -> list[Array]:
        """The arrays of a function's parameters on the device, put there the first time."""
        function = signature.function
        with self._lock:
            if function not in self._held:
                with world(function):
                    self._held[function] = [jax.device_put(array) for array in signature.params.arrays]
            return self._held[function]

    def arguments(self, view: View, algorithm: Algorithm) -> list[Array]:
        """Parameters, and behind them what an algorithm keeps of them, computed where it is missing."""
        params = self.parameters(view.signature)
        with self._lock:
            key = (view, algorithm.name)
            if key not in self._kept:
                self._keep(key, algorithm, params)
            self._kept.move_to_end(key)
            kept = self._kept[key]
            self._let_go()
            return [*params, *kept.arrays]

    def kept(self, function: Function) -> list[tuple[str, int]]:
        """Names of the variables that something is kept for, and its bytes."""
        with self._lock:
            return [
                (",".join(view.names), kept.nbytes)
                for (view, _), kept in self._kept.items()
                if view.signature.function is function and kept.nbytes
            ]

    def forget(self, function: Function) -> None:
        """Let go of a function's parameters, and of what was made of them."""
        with self._lock:
            self._held.pop(function, None)
            for key in [key for key in self._kept if key[0].signature.function is function]:
                del self._kept[key]

    @property
    def held_bytes(self) -> int:
        """Bytes of all parameters on the device, and of all that is kept."""
        with self._lock:
            params = sum(_bytes(arrays) for arrays in self._held.values())
            return params + sum(kept.nbytes for kept in self._kept.values())

    def _keep(self, key: Key, algorithm: Algorithm, params: list[Array]) -> None:
        view, _ = key
        with world(view.signature.function, view.precision):
            shapes = algorithm.kept(view)
            arrays = jax.jit(lambda given: algorithm.keep(view, given))(params) if shapes else []
        # Of a metric over few positions made from many, more work is saved for each byte.
        worth = view.p / max(1, sum(array.size for array in arrays))
        self._kept[key] = Kept(arrays, _bytes(arrays), worth)

    def _let_go(self) -> None:
        """Drop what saves the least for its bytes until the rest fits; of equals the longest unused."""
        newest = next(reversed(self._kept))
        while sum(kept.nbytes for kept in self._kept.values()) > self._kept_bytes or len(self._kept) > 1024:
            others = [key for key in self._kept if key != newest]
            del self._kept[min(others, key=lambda key: self._kept[key].worth) if others else newest]


def _bytes(arrays: Sequence[Array]) -> int:
    return sum(array.nbytes for array in arrays)
