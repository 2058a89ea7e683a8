r"""Biases that ride: where a summand meets the cotangent of a product, it is one more column of its operand.

$\sum_s G_{esf} = \sum_s 1 \cdot G_{esf}$: the cotangent is neither summed for itself nor seen another way.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from app.engine.structure.programs import Programs
from app.engine.structure.terms import Term
from app.engine.structure.uses import Use


def riders(made: Programs, terms: Sequence[Term]) -> dict[int, int]:
    """The uses of some terms that ride, each with the use that carries it.

    Args:
        made: the programs.
        terms: those that are contracted; one of several uses neither rides nor carries.
    """
    alone = [term.uses[0] for term in terms if len(term.uses) == 1]
    carriers = [number for number in alone if _carries(made.uses[number])]
    found: dict[int, int] = {}
    for number in alone:
        places = made.uses[number].places
        if places is None:
            continue
        for carrier in carriers:
            behind = made.cotangents[carrier]
            same = behind.number == made.cotangents[number].number
            if same and _fits(made.uses[carrier], behind.shape, places):
                found[number] = carrier
                break
    return found


def _carries(use: Use) -> bool:
    return use.a is not None and not use.looks_up


def _fits(carrier: Use, shape: tuple[int, ...], places: np.ndarray) -> bool:
    """Whether the carrier sees each entry of its tap once, and each place of the summand along one row of S.

    Args:
        carrier: of a tap with as many entries as there are places.
        shape: of that tap.
        places: for each entry the summand's place.
    """
    with jax.ensure_compile_time_eval():  # a kernel is being traced
        entries = jnp.arange(places.size, dtype=jnp.int32).reshape(shape)
        seen = np.asarray(carrier.arrange(entries))
    if seen.size != places.size or not np.array_equal(np.sort(seen, None), np.arange(places.size)):
        return False
    by_row = places.reshape(-1)[seen]  # [E, S, F]
    first = by_row[:, :1]
    return bool((by_row == first).all()) and len(np.unique(first)) == first.size
