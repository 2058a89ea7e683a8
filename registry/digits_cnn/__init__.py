"""A convolutional network that reads handwritten digits; its weights lie beside this file."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

WEIGHTS = Path(__file__).with_name("weights.npz")

Params = dict[str, dict[str, jax.Array]]


def weights() -> dict[str, dict[str, np.ndarray]]:
    """The trained weights: ``conv0``, ``conv1`` and ``head``, each with a ``kernel`` and a ``bias``."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    with np.load(WEIGHTS, allow_pickle=False) as archive:
        for key in archive.files:
            layer, name = key.split(".")
            tree.setdefault(layer, {})[name] = archive[key]
    return tree


def convolve(layer: dict[str, jax.Array], image: jax.Array, stride: int) -> jax.Array:
    """A 3 × 3 convolution of one image, ``[height, width, channels]``; the border is padded with zeros."""
    batch = jax.lax.conv_general_dilated(
        image[None], layer["kernel"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return batch[0] + layer["bias"]


@function(
    x=ArraySpec("float32", (8, 8), low=0, high=1),
    params=weights,
    wrt="params",
    tags=("neural network", "classifier"),
)
def digits_cnn(params: Params, x: jax.Array) -> jax.Array:
    """Logits of the ten digits for an 8 × 8 image, by convolutions; 97.5 % right on held-out images.

    Trained by ``_train.py`` on four fifths of scikit-learn's digits; the accuracy is that on the other 360.

    Args:
        params: ``conv0`` 1 → 16 and ``conv1`` 16 → 32 channels, with ``kernel`` ``[3, 3, in, out]`` and
            ``bias`` ``[out]``; ``head`` 512 → 10, with ``kernel`` ``[in, out]`` and ``bias`` ``[out]``.
        x: the image, ``[8, 8]``, 0 (paper) to 1 (ink).

    Returns:
        ``[10]``: logits of the digits 0 to 9.
    """
    features = jax.nn.gelu(convolve(params["conv0"], x[..., None], stride=1))
    features = jax.nn.gelu(convolve(params["conv1"], features, stride=2))
    return jnp.ravel(features) @ params["head"]["kernel"] + params["head"]["bias"]
