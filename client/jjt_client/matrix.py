"""``Matrix``: an array, and what the service said beside it. Knows no HTTP but the names of its headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

TIMING = re.compile(r"([a-z_]+);dur=([0-9]+(?:\.[0-9]+)?)")
MILLISECONDS = 1e-3


@dataclass(frozen=True)
class Receipt:
    """What came out when entries of a matrix were computed a second time, another way.

    Attributes:
        error: the largest one, in units of eps · ‖J1 row‖ · ‖J2 row‖; may be infinite.
        entries: how many were recomputed.
        dtype: in what: float64, or the function's own.
        evaluation: error of the function itself, in units of eps · max |y|; None where not known.
    """

    error: float
    entries: int
    dtype: str
    evaluation: float | None = None


@dataclass(frozen=True)
class Facts:
    """What is said beside a matrix; the attributes of ``Matrix``."""

    function: str = ""
    version: str = ""
    algorithm: str = ""
    wrt: str | None = None
    non_finite: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    request_id: str = ""
    verified: Receipt | None = None


class Matrix(np.ndarray):
    """K = J(x1) J(x2)ᵀ, ``[n1, k, n2, k]``, without the n axis of a side that was given as one example.

    Slices and other views keep the attributes, which tell of the whole matrix; what is computed from it
    is a plain array.

    Attributes:
        function: the function's name.
        version: its version.
        algorithm: the one that was used.
        wrt: the variable, as it was asked for; None for the function's own.
        non_finite: number of entries that are NaN or infinite; None where the service did not say.
        timings: seconds per stage: decode, queue, compile, compute, encode.
        request_id: under which the service's log has the request.
        verified: what recomputing some entries showed; None where that was not asked for.
    """

    function: str
    version: str
    algorithm: str
    wrt: str | None
    non_finite: int | None
    timings: dict[str, float]
    request_id: str
    verified: Receipt | None

    def __new__(cls, array: np.ndarray, facts: Facts) -> Self:
        """See an array as a matrix."""
        matrix = np.asarray(array).view(cls)
        vars(matrix).update(vars(facts))
        return matrix

    def __array_finalize__(self, source: np.ndarray | None) -> None:
        vars(self).update(vars(source) if isinstance(source, Matrix) else vars(Facts()))

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """What NumPy computed from a matrix: the matrix itself where it was the target, else no matrix."""
        if array is self:
            return self
        return array[()] if return_scalar else np.asarray(array)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an array and its facts."""
        facts = Facts(**{fact.name: vars(self)[fact.name] for fact in fields(Facts)})
        return Matrix, (np.asarray(self), facts)


def facts_of(headers: Mapping[str, str], wrt: str | None = None) -> Facts:
    """Read the headers of an answer.

    Args:
        headers: by lower-case name.
        wrt: the variable, as it was asked for; no header says it.
    """
    function, _, version = headers.get("jjt-function", "").partition("@")
    non_finite = headers.get("jjt-non-finite", "")
    timings = TIMING.findall(headers.get("server-timing", ""))
    return Facts(
        function=function,
        version=version,
        algorithm=headers.get("jjt-algorithm", ""),
        wrt=wrt,
        non_finite=int(non_finite) if non_finite.isdecimal() else None,
        timings={stage: float(milliseconds) * MILLISECONDS for stage, milliseconds in timings},
        request_id=headers.get("x-request-id", ""),
        verified=_receipt(headers.get("jjt-verified", "")),
    )


def _receipt(header: str) -> Receipt | None:
    """Read ``error;entries=…;dtype=…[;evaluation=…]``; None for anything else."""
    error, *parts = header.split(";")
    said = {name.strip(): text for name, _, text in (part.partition("=") for part in parts)}
    try:
        evaluation = float(said["evaluation"]) if "evaluation" in said else None
        return Receipt(float(error), int(said["entries"]), said["dtype"], evaluation)
    except (KeyError, ValueError):
        return None
