r"""A Aᵀ of operands that no request changes: computed once for a function's parameters, and kept.

Where the variable is x, it mostly enters by a product with parameters. Then $K = H_1\,(A A^\top)\,H_2^\top$
with H the Jacobian of what follows, and $M = A A^\top$ is a metric between cotangents. With fewer positions
than outputs the columns of M are pushed through the linearised rest, and no Jacobian is formed at all.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct

from app.engine.structure.programs import Programs, over_examples
from app.engine.structure.terms import Term
from app.engine.structure.uses import Use

_MOST_BYTES = 1 << 28  # of one metric


def kept(made: Programs, terms: Sequence[Term]) -> list[int]:
    """Numbers of the uses whose metric is worth keeping: it is not much larger than the operand itself."""
    alone = [term.uses[0] for term in terms if len(term.uses) == 1]
    return [number for number in alone if not made.operand_varies[number] and _worth(made.uses[number])]


def _worth(use: Use) -> bool:
    if use.a is None or use.looks_up:
        return False
    e, s, c = use.a.shape
    return s <= 2 * c and e * s * s * use.a.dtype.itemsize <= _MOST_BYTES


def metric_shapes(made: Programs, numbers: Sequence[int]) -> list[ShapeDtypeStruct]:
    """Shapes of the metrics of some uses: each ``[E, S, S]`` in the matrix's dtype."""
    operands = [made.uses[number].a for number in numbers]
    sides = [a.shape[:2] for a in operands if a is not None]
    return [ShapeDtypeStruct((e, s, s), jnp.dtype(made.view.dtype)) for e, s in sides]


def metric_flops(made: Programs, numbers: Sequence[int]) -> list[float]:
    """Flops of making the metrics of some uses."""
    operands = [made.uses[number].a for number in numbers]
    return [2.0 * e * s * s * c for e, s, c in (a.shape for a in operands if a is not None)]


def metrics(made: Programs, numbers: Sequence[int], params: Sequence[Array]) -> list[Array]:
    """The metrics of some uses, each ``[E, S, S]``, from the parameters alone."""
    # Operands that do not vary are the same for any example.
    x = [jnp.zeros((1, *aval.shape), aval.dtype) for aval in made.view.signature.x_avals]
    operands, _ = made.forward(params, x)
    known = [a.astype(made.view.dtype) for a in (operands[number] for number in numbers) if a is not None]
    return [jnp.einsum("esc,etc->est", a, a, precision=made.view.precision) for a in known]


def pushed_through(made: Programs, use: Use) -> bool:
    """Whether there are fewer columns of a metric to push than outputs to pull, and they can be pushed."""
    e, s, f = use.index.shape[0], _positions(use), use.index.shape[2]
    return e * s * f <= made.view.k and made.pushes(use, (e, s, f))


def _positions(use: Use) -> int:
    return 0 if use.a is None else use.a.shape[1]


def push(made: Programs, use: Use, metric: Array, left: Sequence[Array], right: Sequence[Array]) -> Array:
    """A use's part of the matrix: columns of its metric pushed through x1's rest, then the rows through x2's.

    Args:
        made: the programs.
        use: with one operand for all examples.
        metric: ``[E, S, S]``.
        left: residuals of x1.
        right: residuals of x2.

    Returns:
        ``[n1, k, n2, k]``; an n of 1 stands for all examples.
    """
    e, s, _ = metric.shape
    f = use.index.shape[2]
    if e == f == 1:
        columns = metric.swapaxes(1, 2).reshape(s, 1, s, 1)
    else:
        columns = jnp.einsum("est,ed,fg->dtgesf", metric, jnp.eye(e), jnp.eye(f)).reshape(-1, e, s, f)
    varies = made.residual_varies
    out = [any(varies)]

    def once(*residuals: Array) -> list[Array]:
        return [jax.vmap(made.pushing(use, residuals))(columns.astype(made.view.signature.y_dtype)).T]

    (half,) = over_examples(once, varies, out)(*left)  # [n1, k, columns]
    rows = half.reshape(-1, e, s, f) if any(varies) else half.reshape(made.view.k, e, s, f)

    def twice(*residuals: Array) -> list[Array]:
        return [jax.vmap(made.pushing(use, residuals))(rows)]

    (whole,) = over_examples(twice, varies, out)(*right)  # [n2, n1 k, k]
    n2 = whole.shape[0] if any(varies) else 1
    return whole.reshape(n2, -1, made.view.k, made.view.k).transpose(1, 2, 0, 3)
