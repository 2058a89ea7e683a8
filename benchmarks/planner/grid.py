"""The points where the planner is asked: functions × numbers of examples × variables. Measures nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app import Function
from benchmarks.engine import functions

Sizes = tuple[int, int | None]
Wanted = tuple[str, tuple[Sizes, ...]]


@dataclass(frozen=True)
class Row:
    """A function, and what is asked of it.

    Args:
        title: in the table.
        make: the function; its weights are held only while it is measured.
        wanted: a wrt, and pairs (n1, n2) for it; n2 is None where x2 is left out.
    """

    title: str
    make: Callable[[], Function]
    wanted: tuple[Wanted, ...]

    def __iter__(self) -> Iterator[tuple[str, Sizes]]:
        """Variables and numbers of examples of each point."""
        for wrt, sizes in self.wanted:
            for n in sizes:
                yield wrt, n


ONE: Sizes = (1, 1)
NETWORK = "params.params"  # of the networks that peers are compared on
ADAPTERS = "params.*.a,params.*.b"


def _of(wrt: str, *sizes: Sizes) -> Wanted:
    return wrt, sizes


GRID: Sequence[Row] = (
    Row(
        "mixture, p = 10,000, k = 5",
        lambda: functions.mixture(5, 10_000),
        (_of("x", ONE, (8, 8), (32, None)), _of("params", ONE, (8, 8))),
    ),
    Row(
        "mixture, p = 10,000, k = 100",
        lambda: functions.mixture(100, 10_000),
        (_of("x", ONE, (8, 8), (16, None)), _of("params", ONE, (4, 4))),
    ),
    Row(
        "mixture, p = 10,000, k = 500",
        lambda: functions.mixture(500, 10_000),
        (_of("x", ONE, (4, None)), _of("params", ONE)),
    ),
    Row(
        "MLP 16-32-32-4",
        lambda: functions.perceptron(16, 32, 32, 4),
        (_of("params", ONE, (16, 16), (64, None)), _of("x", (64, 64))),
    ),
    Row(
        "MLP 784-512³-10",
        lambda: functions.perceptron(784, 512, 512, 512, 10),
        (
            _of("params", ONE, (8, 8), (32, None), (64, 64)),
            _of("x", ONE, (16, 16)),
            _of("params.3", (32, 32)),
        ),
    ),
    Row(
        "MLP 64-256-100",
        lambda: functions.perceptron(64, 256, 100),
        (_of("params", ONE, (8, 8), (16, None)), _of("x", (8, 8)), _of("params.1", (8, 8))),
    ),
    Row(
        "CNN 8×8×3, 2 × conv 32",
        lambda: functions.convolutions(32, 2),
        (_of("params", ONE, (4, 4), (16, None)), _of("x", (8, 8)), _of("params.head", (16, 16))),
    ),
    Row(
        "CNN 8×8×3, 3 × conv 64",
        lambda: functions.convolutions(64, 3),
        (_of("params", ONE, (4, 4), (8, None)),),
    ),
    Row(
        "depthwise CNN 8×8×3, 64 channels",
        lambda: functions.depthwise(64),
        (_of("params", ONE, (4, 4), (8, None)), _of("x", (4, 4))),
    ),
    Row(
        "ResNet 16×16×3",
        lambda: functions.peers("resnet"),
        (_of(NETWORK, ONE, (4, 4), (6, None)), _of(f"{NETWORK}.head", (8, 8))),
    ),
    Row(
        "transformer block, d = 128, 32 tokens",
        lambda: functions.peers("transformer"),
        (_of(NETWORK, ONE, (4, 4), (8, None)), _of("x", (4, 4))),
    ),
    Row(
        "ViT 16×16×3, 2 blocks, d = 64",
        functions.vision,
        (_of("params", ONE, (4, 4), (8, None)), _of("params.head", (16, 16))),
    ),
    Row(
        "LoRA of rank 8, 512³-10",
        lambda: functions.adapted(8, 512, 512, 512, 10),
        (_of(ADAPTERS, ONE, (16, 16), (32, None)),),
    ),
    Row(
        "GRU, 20 steps",
        lambda: functions.recurrent(20),
        (_of("params", ONE, (8, 8), (16, None)), _of("x", (8, 8))),
    ),
    Row(
        "GRU, 200 steps",
        lambda: functions.recurrent(200),
        (_of("params", ONE, (4, 4)), _of("x", (4, 4))),
    ),
    Row("heat in a rod, 200 steps", functions.rod, (_of("x", ONE, (8, 8), (32, None)),)),
    Row(
        "sin of 200,000 in 100 groups",
        lambda: functions.groups(100, 2_000),
        (_of("x", ONE, (4, 4), (8, None)),),
    ),
    Row(
        "tanh of 1,000,000, k = 1",
        lambda: functions.scalar(1_000_000),
        (_of("x", ONE, (4, 4)), _of("params", (8, None))),
    ),
    Row(
        "MLP 784-2048³-10, 10⁷ parameters",
        lambda: functions.perceptron(784, 2048, 2048, 2048, 10),
        (_of("params", (2, 2), (2, None)), _of("x", (2, 2))),
    ),
)
