"""(function version) → its parameters on the device. Their bytes come out of the planner's budget."""

import threading
from collections.abc import Sequence

import jax
from jax import Array

from app.engine.signature import Signature
from app.engine.worlds import world
from app.function import Function


class Residency:
    """Parameters that were put on the device, until they are let go of."""

    def __init__(self) -> None:
        self._held: dict[Function, list[Array]] = {}
        self._lock = threading.Lock()

    def parameters(self, signature: Signature) -> list[Array]:
        """The arrays of a function's parameters on the device, put there the first time."""
        function = signature.function
        with self._lock:
            if function not in self._held:
                with world(function):
                    self._held[function] = [jax.device_put(array) for array in signature.params.arrays]
            return self._held[function]

    def forget(self, function: Function) -> None:
        """Let go of a function's parameters."""
        with self._lock:
            self._held.pop(function, None)

    @property
    def held_bytes(self) -> int:
        """Bytes of all parameters on the device."""
        with self._lock:
            return sum(_bytes(arrays) for arrays in self._held.values())


def _bytes(arrays: Sequence[Array]) -> int:
    return sum(array.nbytes for array in arrays)
