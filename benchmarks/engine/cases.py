"""What is measured: functions and numbers of examples."""

from collections.abc import Callable
from dataclasses import dataclass

from app import Function
from benchmarks.engine import functions

PAIR = (None, None)


@dataclass(frozen=True)
class Case:
    """A function, and how many examples each side has; None for one without a batch axis."""

    title: str
    function: Function
    n: tuple[int | None, int | None] = PAIR


def cases() -> list[Case]:
    """From the seed's shape to those where J has no room."""
    make: list[Callable[[], Case]] = [
        lambda: Case("`sqrt_mean`: p = 10,000, k = 5", functions.mixture(5, 10_000)),
        lambda: Case("same with k = 500", functions.mixture(500, 10_000)),
        lambda: Case("same with p = 20,000, k = 2,000", functions.mixture(2_000, 20_000)),
        lambda: Case("MLP 784-512³-10, 8 × 8 examples", functions.perceptron(784, 512, 512, 512, 10), (8, 8)),
        lambda: Case("CNN 8×8×3, 2 × conv 32, 4 × 4 examples", functions.convolutions(32, 2), (4, 4)),
        lambda: Case("sin of 2,000,000 in 1,000 groups", functions.groups(1_000, 2_000)),
        lambda: Case("MLP 64-256-100, 4 × 4 examples", functions.perceptron(64, 256, 100), (4, 4)),
        lambda: Case("LoRA of rank 8, 512³, 4 × 4 examples", functions.adapted(8, 512, 512, 512, 10), (4, 4)),
        lambda: Case("depthwise CNN 8×8×3, 32 channels, 2 × 2 examples", functions.depthwise(32), (2, 2)),
        lambda: Case("GRU of 20 steps, 2 × 2 examples", functions.recurrent(20), (2, 2)),
    ]
    return [one() for one in make]
