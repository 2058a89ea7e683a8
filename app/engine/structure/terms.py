r"""Uses of leaves → terms: groups of uses whose gradients are one, and what each adds to the matrix.

K is a sum over leaves, and over the parts of a leaf that different uses read. Uses that see the same places
in the same order are one use with more positions S; two that see them transposed, such as a tied embedding,
meet in a small product of their own; where views overlap in any other way the gradient itself is formed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from app.engine.structure.factors import Factor, gradients
from app.engine.structure.orders import Arithmetic, product
from app.engine.structure.programs import Programs
from app.engine.structure.uses import Use

_OVERLAP = "it is used through views that overlap"


@dataclass(frozen=True)
class Fallback:
    """A leaf whose gradient is formed as it is.

    Args:
        leaf: number of the leaf of the variable.
        reason: why.
    """

    leaf: int
    reason: str


@dataclass(frozen=True, eq=False)
class Term:
    """Uses that share places of one leaf.

    Args:
        uses: their numbers.
        how: ``joined``, ``tied`` or ``explicit``.
    """

    uses: tuple[int, ...]
    how: str


@lru_cache(maxsize=64)
def terms(uses: tuple[Use, ...]) -> list[Term]:
    """Group uses: every two that read a common place are in one group."""
    groups: list[list[int]] = []
    for number, use in enumerate(uses):
        meeting = [group for group in groups if any(_meet(uses[other], use) for other in group)]
        merged = sorted([number, *(other for group in meeting for other in group)])
        groups = [group for group in groups if group not in meeting] + [merged]
    return [Term(tuple(group), _how([uses[number] for number in group])) for group in sorted(groups)]


def fallbacks(uses: tuple[Use, ...]) -> list[Fallback]:
    """The leaves whose gradients are formed, and why; each once."""
    reasons: dict[int, str] = {}
    for term in terms(uses):
        for number in term.uses:
            reason = uses[number].reason or (_OVERLAP if term.how == "explicit" else "")
            if reason:
                reasons.setdefault(uses[number].leaf, reason)
    return [Fallback(leaf, reason) for leaf, reason in reasons.items()]


def factors(
    term: Term,
    made: Programs,
    operands: Sequence[Array | None],
    cotangents: Sequence[Array],
    metric: Array | None = None,
    riders: int = 0,
) -> list[Factor]:
    """What one side brings to a term: one factor, or two that meet transposed.

    Args:
        term: the group.
        made: the programs that made the arrays.
        operands: of all uses.
        cotangents: of all uses.
        metric: A Aᵀ of the term's only use, where it was kept.
        riders: biases that ride on that use.
    """
    own = [
        Factor.of(
            operands[number],
            cotangents[number],
            made.operand_varies[number],
            made.cotangent_varies[number],
            metric,
            made.uses[number].windows,
            riders,
            made.uses[number].behind,
        )
        for number in term.uses
    ]
    if term.how == "tied":
        return own
    if term.how == "joined":
        return [own[0] if len(own) == 1 else _joined(own)]
    uses = [made.uses[number] for number in term.uses]
    total = sum(
        _placed(use, gradients(factor, made.view.precision, len(use.index)))
        for use, factor in zip(uses, own, strict=True)
    )
    return [Factor(None, jnp.asarray(total)[:, :, None, None, :])]


def _meet(one: Use, other: Use) -> bool:
    if one.leaf != other.leaf:
        return False
    if one.index.size == one.size or other.index.size == other.size:
        return True
    read = np.zeros(one.size, bool)
    read[one.index] = True
    return bool(read[other.index].any())


def _how(uses: Sequence[Use]) -> str:
    first = uses[0]
    if len(uses) == 1 or all(_same(first, use) for use in uses[1:]):
        return "joined"
    if len(uses) == 2 and _transposed(*uses):
        return "tied"
    return "explicit"


def _same(one: Use, other: Use) -> bool:
    alike = one.index.shape == other.index.shape and one.looks_up == other.looks_up
    return alike and (one.a is None) == (other.a is None) and bool(np.array_equal(one.index, other.index))


def _transposed(one: Use, other: Use) -> bool:
    if one.a is None or other.a is None:
        return False
    first, second = (use.index if use.looks_up else use.index[0] for use in (one, other))
    single = all(use.looks_up or len(use.index) == 1 for use in (one, other))
    return single and first.shape == second.shape[::-1] and bool(np.array_equal(first, second.T))


def _joined(own: Sequence[Factor]) -> Factor:
    """Factors that see the same places: positions side by side."""
    n = max(factor.n for factor in own)
    spread = [factor.spread(n) for factor in own]
    if spread[0].a is None:
        return Factor(None, jnp.asarray(sum(factor.g for factor in spread)))
    operands = [factor.a for factor in spread if factor.a is not None]
    axis = 1 if operands[0].ndim == 2 else 2
    windows = {factor.windows for factor in own}
    return Factor(
        jnp.concatenate(operands, axis),
        jnp.concatenate([factor.g for factor in spread], 3),
        windows=windows.pop() if len(windows) == 1 else None,
    )


def _placed(use: Use, gradient: Array) -> Array:
    """``[n, k, E, F, C]`` as ``[n, k, leaf]``."""
    places = use.index.swapaxes(-1, -2).reshape(-1)
    gradient = gradient.reshape(*gradient.shape[:2], -1)
    if np.array_equal(places, np.arange(use.size)):
        return gradient
    leaf = jnp.zeros((*gradient.shape[:2], use.size), gradient.dtype)
    return leaf.at[:, :, places].add(gradient)


def added(term: Term, left: Sequence[Factor], right: Sequence[Factor], how: Arithmetic) -> Array:
    """What a term adds to the matrix: ``[n1, k1, n2, k2]``; an n of 1 stands for all examples."""
    total = sum(product(one, other, how) for one, other in zip(left, right, strict=True))
    if term.how == "tied":
        total += _crossed(left[0], right[1], how)
        total += _crossed(right[0], left[1], how).transpose(2, 3, 0, 1)
    return jnp.asarray(total)


def _crossed(one: Factor, other: Factor, how: Arithmetic) -> Array:
    """Gradients that see the leaf transposed: Σ A₁[s, a] G₁[s, b] A₂[t, b] G₂[t, a]."""
    one, other = one.spread(one.n), other.spread(other.n)
    first = _seen(one, other.g.shape[-1])
    second = _seen(other, one.g.shape[-1])
    return jnp.einsum(
        "isa,iosb,jtb,jqta->iojq",
        first,
        one.g[:, :, 0],
        second,
        other.g[:, :, 0],
        precision=how.precision,
        optimize="optimal",
    )


def _seen(factor: Factor, rows: int) -> Array:
    """The operand ``[n, S, C]``, of a table's rows written out as zeros and ones."""
    assert factor.a is not None
    return jax.nn.one_hot(factor.a, rows, dtype=factor.g.dtype) if factor.looks_up else factor.a[:, 0]
