"""Train ``equinox_gru`` and write ``checkpoint.eqx``: ``python -m registry.equinox_gru._train``, a minute."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from registry._training import adam, cosine
from registry.equinox_gru import CHECKPOINT, SAMPLES, Reader, equinox_gru

STEPS, SIZE, NOISE, SECONDS = 4000, 64, 0.05, 2.0


def signals(random: np.random.RandomState, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random noisy oscillations ``[n, 40]``, and their frequencies and dampings ``[n, 2]``, float32."""
    frequency, damping = random.uniform(0.5, 2, count), random.uniform(0, 1, count)
    phase, seconds = random.uniform(0, 2 * np.pi, count), np.arange(SAMPLES) * SECONDS / SAMPLES
    decay = np.exp(-damping[:, None] * seconds)
    clean = decay * np.cos(2 * np.pi * frequency[:, None] * seconds + phase[:, None])
    noisy = clean + NOISE * random.randn(count, SAMPLES)
    return noisy.astype(np.float32), np.stack([frequency, damping], axis=1).astype(np.float32)


def loss(module: Reader, x: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean square error over the batch, both numbers alike."""
    return jnp.mean((jax.vmap(module)(x) - truth) ** 2)


def train(seed: int = 0) -> Reader:
    """The module after ``STEPS`` steps, each on new signals."""
    random = np.random.RandomState(seed)
    data: Iterator[tuple[np.ndarray, np.ndarray]] = (signals(random, SIZE) for _ in range(STEPS))
    return adam(loss, Reader(jax.random.key(seed)), data, cosine(6e-3, STEPS))


def errors(module: Reader) -> tuple[float, float]:
    """Root mean square errors of frequency and damping on 2,000 signals that training never saw."""
    x, truth = signals(np.random.RandomState(12345), 2000)
    found = jax.vmap(equinox_gru.apply, (None, 0))(module, x)
    miss = np.stack([found["frequency"], found["damping"]], axis=1) - truth
    frequency, damping = np.sqrt(np.mean(miss**2, axis=0))
    return float(frequency), float(damping)


def main() -> None:
    module = train()
    print("root mean square errors: {:.3f} Hz, {:.3f} 1/s".format(*errors(module)))
    eqx.tree_serialise_leaves(CHECKPOINT, module)


if __name__ == "__main__":
    main()
