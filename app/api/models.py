"""The shapes of the JSON that the service answers, so that ``/openapi.json`` stays true."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_EXAMPLES = (1 << 31) - 1
Count = Annotated[int, Field(ge=1, le=MAX_EXAMPLES)]


class Problem(BaseModel):
    """An error, as RFC 9457 has it; more members, typed, belong to some codes."""

    model_config = ConfigDict(extra="allow")

    type: Literal["about:blank"]
    title: str = Field(description="the phrase of the status")
    status: int
    detail: str = Field(description="what was expected, what came, what to do")
    code: str = Field(description="the word to branch on")
    request_id: str


class FunctionLine(BaseModel):
    """One function in the list."""

    name: str
    version: str
    wrt: str
    k: int = Field(description="number of scalars in one output")
    doc: str


class FunctionList(BaseModel):
    """All functions, sorted by name."""

    functions: list[FunctionLine]


class Leaf(BaseModel):
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


class Holding(BaseModel):
    """What is kept of the parameters for one variable, so that no request computes it again."""

    wrt: str = Field(description="every leaf of the variable, as a request may name it")
    algorithm: str
    precision: str
    arrays: list[KeptArray]


class FunctionCard(BaseModel):
    """All that is known of a function."""

    name: str
    version: str
    doc: str
    tags: list[str]
    wrt: str
    x: Any = Field(description="tree of {dtype, shape[, low, high]}: one example")
    y: list[OutputLeaf]
    k: int
    p: dict[str, int] = Field(description="number of floating scalars by wrt")
    params: list[Leaf]
    report: dict[str, Any] = Field(description="what was found when the function was registered")
    kept: list[Holding] = Field(description="what the device keeps of the parameters now")


class PlanRequest(BaseModel):
    """What ``POST /plan`` asks; n2 left out means x2 = x1."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"function": "sqrt_mean", "n1": 8, "n2": 8}]},
    )

    function: str = Field(description="name or name@version")
    n1: Count
    n2: Count | None = None
    wrt: str | None = None
    algorithm: str = "auto"
    precision: Literal["highest", "high", "default"] = "highest"
    memory_bytes: Annotated[int, Field(gt=0)] | None = Field(None, description="a budget to plan for")


class Offer(BaseModel):
    """What an algorithm would cost."""

    algorithm: str
    seconds: float
    bytes: int
    flops: float
    explicit: list[str] = Field(description="Leaves whose gradients are formed though it can do without.")


class Refusal(BaseModel):
    """Why an algorithm cannot be used."""

    algorithm: str
    refused: str


class Relief(BaseModel):
    """What more memory would buy."""

    memory_bytes: int
    algorithm: str
    seconds: float


class PlanAnswer(BaseModel):
    """The choice that the planner makes, and why not the others."""

    function: str
    version: str
    wrt: str
    n1: int
    n2: int
    k: int
    p: int
    algorithm: str | None = Field(description="null where none fits")
    block: list[int] = Field(description="examples of x1 and of x2 in one block")
    blocks: int
    algorithms: list[Offer | Refusal]
    memory_bytes: int = Field(description="the budget that was planned for, parameters included")
    larger_budget: Relief | None = Field(description="a larger one that saves a tenth of the time or more")


class Live(BaseModel):
    """The process answers."""

    live: bool


class FailedFile(BaseModel):
    """A file of the registry whose last change does not load; its old version serves on."""

    file: str
    reason: str


class Ready(BaseModel):
    """Whether requests are taken, and if not, what is missing."""

    ready: bool
    reasons: list[str]
    failed: list[FailedFile]


class Limits(BaseModel):
    """What this server allows and knows."""

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
    reads: list[str] = Field(description="media types of bodies")
    writes: list[str] = Field(description="media types of answers")
    encodings: list[str] = Field(description="what bodies and answers may be compressed with")
    algorithms: list[str]
    precisions: list[str]
    device: str = Field(description="kind of the devices")
    devices: int
    jax: str
    version: str
