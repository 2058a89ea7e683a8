"""Functions × variables × algorithms × batching, and a sample of the product in which each pair meets."""

from dataclasses import dataclass
from itertools import product

import pytest

from tests.zoo import ZOO, Entry

ALGORITHMS = ("contraction", "forward", "vector_products", "structured")
BATCHING = ("single", "batch", "batch and single", "x2 left out")


@dataclass(frozen=True)
class Case:
    """One way to ask for one matrix of the zoo."""

    entry: Entry
    wrt: str
    algorithm: str
    batching: str

    def __str__(self) -> str:
        return f"{self.entry.name} {self.wrt} {self.algorithm} {self.batching}"

    @property
    def kind(self) -> str:
        """What sort of variable: x, all parameters, or a part."""
        return self.wrt if self.wrt in ("x", "params") else "part"


def possible(entry: Entry) -> list[str]:
    """The algorithms that can do an entry."""
    return [algorithm for algorithm in ALGORITHMS if algorithm not in entry.cannot]


def sampled() -> list[Case]:
    """Cases in which each function meets each of its variables, algorithms and batchings."""
    cases = []
    for place, entry in enumerate(ZOO):
        algorithms = possible(entry)
        for turn in range(max(len(entry.wrts), len(algorithms), len(BATCHING))):
            wrt = entry.wrts[turn % len(entry.wrts)]
            # Shifted from function to function, so that algorithms meet all batchings and variables too.
            algorithm = algorithms[(turn + place) % len(algorithms)]
            batching = BATCHING[(turn + place // 2) % len(BATCHING)]
            cases.append(Case(entry, wrt, algorithm, batching))
    return cases


def whole() -> list[Case]:
    """Every case."""
    return [Case(entry, *rest) for entry in ZOO for rest in product(entry.wrts, possible(entry), BATCHING)]


def parametrized() -> list[object]:
    """The whole product as pytest's parameters; what is not in the sample is marked long."""
    picked = set(sampled())
    return [
        pytest.param(case, id=str(case), marks=() if case in picked else pytest.mark.long) for case in whole()
    ]
