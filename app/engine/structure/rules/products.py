r"""``dot_general``: $y_{esf} = \sum_c a_{esc}\,\theta_{ecf}$, the other operand is A.

Batch axes are E, contracted axes C, the leaf's free axes F, and the other operand's free axes S.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jax import Array

from app.engine.structure.uses import Axes, Use, factored
from app.engine.structure.values import LinearView


def dot_general(
    view: LinearView, position: int, arrays: Sequence[Array], params: Mapping[str, Any]
) -> Use | None:
    """A leaf as an operand of a matrix product.

    Args:
        view: of the leaf, as operand ``position``.
        position: 0 or 1.
        arrays: both operands.
        params: of the equation.
    """
    contract, batch = params["dimension_numbers"]
    other = arrays[1 - position]
    own_free = _free(view.index.ndim, batch[position], contract[position])
    other_free = _free(other.ndim, batch[1 - position], contract[1 - position])
    index = view.index.transpose(*batch[position], *contract[position], *own_free)
    a = other.transpose(*batch[1 - position], *other_free, *contract[1 - position])
    e, s, c, f = len(batch[0]), len(other_free), len(contract[0]), len(own_free)

    def arrange(cotangent: Array) -> Array:
        if position == 1:
            return cotangent
        return cotangent.transpose(*range(e), *range(e + f, e + f + s), *range(e, e + f))

    return factored(view, index, Axes(e, s, c, f), a, arrange)


def _free(ndim: int, batch: Sequence[int], contract: Sequence[int]) -> list[int]:
    return [axis for axis in range(ndim) if axis not in batch and axis not in contract]
