"""The shapes of the service's JSON, as it answers it. A newer service may say more than stands here."""

from typing import Any, NotRequired, TypedDict


class FunctionLine(TypedDict):
    """One function in the list; ``k`` is the number of scalars in one output."""

    name: str
    version: str
    wrt: str
    k: int
    doc: str


class Leaf(TypedDict):
    """One array of a tree."""

    path: str
    dtype: str
    shape: list[int]


class OutputLeaf(Leaf):
    """One array of the output, and where it begins among the k scalars."""

    offset: int


class KeptArray(Leaf):
    """An array on the device that serves the leaf at ``path``."""

    bytes: int


class Holding(TypedDict):
    """What the service keeps of the parameters for one variable; ``wrt`` names every leaf of it."""

    wrt: str
    algorithm: str
    precision: str
    arrays: list[KeptArray]


class FunctionCard(TypedDict):
    """All that is known of a function.

    ``x`` is a tree of ``{"dtype", "shape"[, "low", "high"]}`` for one example; ``p`` has the number of
    floating scalars by wrt; ``report`` is what was found when the function was registered; ``kept`` is what
    the device keeps of the parameters now.
    """

    name: str
    version: str
    doc: str
    tags: list[str]
    wrt: str
    x: Any
    y: list[OutputLeaf]
    k: int
    p: dict[str, int]
    params: list[Leaf]
    report: dict[str, Any]
    kept: list[Holding]


class Candidate(TypedDict):
    """What an algorithm would cost, or why it is ``refused``.

    ``explicit`` names the leaves whose gradients it forms though it can do without, each with the reason.
    """

    algorithm: str
    seconds: NotRequired[float]
    bytes: NotRequired[int]
    flops: NotRequired[float]
    explicit: NotRequired[list[str]]
    refused: NotRequired[str]


class Relief(TypedDict):
    """A larger budget, and the predicted ``seconds`` of the ``algorithm`` that it lets in."""

    memory_bytes: int
    algorithm: str
    seconds: float


class Plan(TypedDict):
    """What the planner would choose: ``algorithm`` is None where none fits, ``block`` rows and columns.

    ``larger_budget`` is None where more than ``memory_bytes`` would save less than a tenth of the time.
    """

    function: str
    version: str
    wrt: str
    n1: int
    n2: int
    k: int
    p: int
    algorithm: str | None
    block: list[int]
    blocks: int
    algorithms: list[Candidate]
    memory_bytes: int
    larger_budget: Relief | None


class Limits(TypedDict):
    """What the service allows and knows; ``reads`` and ``writes`` are media types.

    ``encodings`` are what bodies and answers may be compressed with.
    """

    max_body_bytes: int
    max_answer_bytes: int
    stream_bytes: int
    max_stream_bytes: int
    max_header_bytes: int
    memory_bytes: int
    block_seconds: float
    deadline_seconds: float
    queue_seconds: float
    queue_bytes: int
    connections: int
    reads: list[str]
    writes: list[str]
    encodings: list[str]
    algorithms: list[str]
    precisions: list[str]
    device: str
    devices: int
    jax: str
    version: str


class FailedFile(TypedDict):
    """A file of the registry whose last change does not load."""

    file: str
    reason: str


class Ready(TypedDict):
    """Whether requests are taken, and if not, what is missing."""

    ready: bool
    reasons: list[str]
    failed: list[FailedFile]
