"""Tiny functions that meet every corner of the contract; ``tests.oracle`` knows their matrices.

All sizes within a function are prime and distinct, as far as the function allows.
"""

from tests.zoo.entry import Entry, entry, examples
from tests.zoo.layers import LAYERS
from tests.zoo.loops import LOOPS
from tests.zoo.networks import NETWORKS
from tests.zoo.numbers import NUMBERS
from tests.zoo.rules import RULES
from tests.zoo.trees import TREES
from tests.zoo.uses import USES

ZOO: tuple[Entry, ...] = (*LAYERS, *NETWORKS, *RULES, *TREES, *NUMBERS, *USES, *LOOPS)

__all__ = ["ZOO", "Entry", "entry", "examples"]
