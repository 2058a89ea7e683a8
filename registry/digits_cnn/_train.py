"""Train ``digits_cnn`` and write ``weights.npz``: ``python -m registry.digits_cnn._train``, a minute."""

import jax
import numpy as np

from registry._training import Split, adam, batches, cosine, cross_entropy, digits, save
from registry.digits_cnn import WEIGHTS, Params, digits_cnn

KERNELS = {"conv0": (3, 3, 1, 16), "conv1": (3, 3, 16, 32), "head": (512, 10)}
EPOCHS, SIZE = 80, 64

batched = jax.vmap(digits_cnn.apply, in_axes=(None, 0))


def start(seed: int) -> Params:
    """Normal kernels of variance 2 / inputs, zero biases."""
    random = np.random.RandomState(seed)
    return {
        layer: {
            "kernel": jax.numpy.asarray(random.randn(*shape) * np.sqrt(2 / np.prod(shape[:-1])), "float32"),
            "bias": jax.numpy.zeros(shape[-1]),
        }
        for layer, shape in KERNELS.items()
    }


def shifted(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """The images, each moved by up to a pixel in both directions; what leaves is lost."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    corners = random.randint(0, 3, size=(len(images), 2))
    return np.stack([image[y : y + 8, x : x + 8] for image, (y, x) in zip(padded, corners, strict=True)])


def train(split: Split, seed: int = 0) -> Params:
    """Weights after ``EPOCHS`` passes over the training images, moved at random in each."""
    chosen, random = batches(len(split.labels), SIZE, EPOCHS, seed), np.random.RandomState(seed)
    data = ((shifted(split.images[rows], random), split.labels[rows]) for rows in chosen)
    steps = EPOCHS * (len(split.labels) // SIZE)

    def loss(params: Params, images: jax.Array, labels: jax.Array) -> jax.Array:
        return cross_entropy(batched(params, images), labels)

    return adam(loss, start(seed), data, cosine(3e-3, steps), decay=0.02)


def main() -> None:
    split = digits()
    params = train(split)
    right = np.argmax(batched(params, split.held_images), axis=1) == split.held_labels
    print(f"held out: {right.sum()} of {right.size} right, {100 * right.mean():.1f} %")
    save(WEIGHTS, params)


if __name__ == "__main__":
    main()
