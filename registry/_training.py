"""What the training scripts of this folder share: the digits, split once and for all, and Adam.

Not a function of the registry (the name begins with ``_``), and never imported by one: a registered
function needs its weights, not the way to them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any  # a pytree of arrays


@dataclass(frozen=True)
class Split:
    """Images ``[n, 8, 8]`` float32 in [0, 1] and labels ``[n]`` int32, for training and held out."""

    images: np.ndarray
    labels: np.ndarray
    held_images: np.ndarray
    held_labels: np.ndarray


def digits() -> Split:
    """scikit-learn's 1,797 handwritten digits; every fifth is held out, in a fixed random order.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    order = np.random.RandomState(0).permutation(len(bunch.target))
    images, labels = (bunch.images[order] / 16).astype(np.float32), bunch.target[order].astype(np.int32)
    held = np.arange(len(order)) % 5 == 0
    return Split(images[~held], labels[~held], images[held], labels[held])


def batches(count: int, size: int, epochs: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of ``epochs`` shuffled passes over ``count`` examples, ``size`` at a time."""
    random = np.random.RandomState(seed)
    for _ in range(epochs):
        order = random.permutation(count)
        yield from (order[start : start + size] for start in range(0, count - size + 1, size))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean over examples of −log p(label), logits ``[n, classes]`` -> scalar."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


def adam(
    loss: Callable[..., jax.Array],
    params: Tree,
    data: Iterator[tuple[Any, ...]],
    rate: Callable[[int], float],
    decay: float = 0.0,
) -> Tree:
    """Minimise ``loss(params, *batch)`` over the batches.

    Args:
        loss: scalar to minimise.
        params: pytree of floating arrays to start from.
        data: what loss takes beside the parameters, batch by batch.
        rate: step size of step 0, 1, …
        decay: weight decay, decoupled from the gradient.

    Source: Kingma & Ba, arXiv:1412.6980; decay as in Loshchilov & Hutter, arXiv:1711.05101.
    """

    @jax.jit
    def update(step: jax.Array, size: jax.Array, state: tuple[Tree, Tree, Tree], *batch: Any) -> Any:
        params, mean, square = state
        slope = jax.grad(loss)(params, *batch)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, slope)
        scale = jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)

        def move(p: jax.Array, m: jax.Array, s: jax.Array) -> jax.Array:
            return p - size * (scale * m / (jnp.sqrt(s) + 1e-8) + decay * p)

        return jax.tree.map(move, params, mean, square), mean, square

    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros, zeros)
    for step, batch in enumerate(data):
        state = update(jnp.float32(step + 1), jnp.float32(rate(step)), state, *batch)
    return state[0]


def cosine(start: float, steps: int) -> Callable[[int], float]:
    """Step size that falls from ``start`` to nothing along half a cosine."""
    return lambda step: float(start * 0.5 * (1 + np.cos(np.pi * step / steps)))


def save(path: Any, params: dict[str, dict[str, Any]]) -> None:
    """Write two levels of named arrays as an npz archive with keys ``layer.name``."""
    named = {f"{layer}.{key}": np.asarray(a) for layer, arrays in params.items() for key, a in arrays.items()}
    np.savez(path, allow_pickle=False, **named)
