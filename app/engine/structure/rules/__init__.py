"""``RULES``, the only list of equations that a leaf may enter and keep its structure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jax import Array
from jax.extend.core import primitives

from app.engine.structure.rules.convolution import convolution
from app.engine.structure.rules.elementwise import addition, division, multiplication
from app.engine.structure.rules.look_ups import dynamic_slice, gather
from app.engine.structure.rules.products import dot_general
from app.engine.structure.uses import Use
from app.engine.structure.values import LinearView

Rule = Callable[[LinearView, int, Sequence[Array], Mapping[str, Any]], Use | None]

RULES: Mapping[Any, Rule] = {
    primitives.dot_general_p: dot_general,
    primitives.conv_general_dilated_p: convolution,
    primitives.add_p: addition,
    primitives.sub_p: addition,
    primitives.mul_p: multiplication,
    primitives.div_p: division,
    primitives.gather_p: gather,
    primitives.dynamic_slice_p: dynamic_slice,
}

__all__ = ["RULES", "Rule"]
