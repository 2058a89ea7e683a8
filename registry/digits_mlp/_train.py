"""Train ``digits_mlp`` and write ``weights.npz``: ``python -m registry.digits_mlp._train``, ten seconds."""

import jax
import numpy as np

from registry._training import Split, adam, batches, cosine, cross_entropy, digits, save
from registry.digits_mlp import WEIGHTS, Params, digits_mlp

WIDTHS = {"layer0": (64, 96), "layer1": (96, 64), "head": (64, 10)}
EPOCHS, SIZE = 120, 64

batched = jax.vmap(digits_mlp.apply, in_axes=(None, 0))


def start(seed: int) -> Params:
    """Normal kernels of variance 2 / inputs, zero biases."""
    random = np.random.RandomState(seed)
    return {
        layer: {
            "kernel": jax.numpy.asarray(random.randn(fan_in, out) * np.sqrt(2 / fan_in), "float32"),
            "bias": jax.numpy.zeros(out),
        }
        for layer, (fan_in, out) in WIDTHS.items()
    }


def train(split: Split, seed: int = 0) -> Params:
    """Weights after ``EPOCHS`` passes over the training images."""
    chosen = batches(len(split.labels), SIZE, EPOCHS, seed)
    data = ((split.images[rows].reshape(-1, 64), split.labels[rows]) for rows in chosen)
    steps = EPOCHS * (len(split.labels) // SIZE)

    def loss(params: Params, images: jax.Array, labels: jax.Array) -> jax.Array:
        return cross_entropy(batched(params, images), labels)

    return adam(loss, start(seed), data, cosine(2e-3, steps), decay=0.02)


def main() -> None:
    split = digits()
    params = train(split)
    right = np.argmax(batched(params, split.held_images.reshape(-1, 64)), axis=1) == split.held_labels
    print(f"held out: {right.sum()} of {right.size} right, {100 * right.mean():.1f} %")
    save(WEIGHTS, params)


if __name__ == "__main__":
    main()
