"""A multilayer perceptron that reads handwritten digits; its weights lie beside this file."""

from pathlib import Path

import jax
import numpy as np

from app import ArraySpec, function

WEIGHTS = Path(__file__).with_name("weights.npz")

Params = dict[str, dict[str, jax.Array]]


def weights() -> dict[str, dict[str, np.ndarray]]:
    """The trained weights: ``layer0``, ``layer1`` and ``head``, each with a ``kernel`` and a ``bias``."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    with np.load(WEIGHTS, allow_pickle=False) as archive:
        for key in archive.files:
            layer, name = key.split(".")
            tree.setdefault(layer, {})[name] = archive[key]
    return tree


@function(
    x=ArraySpec("float32", (64,), low=0, high=1),
    params=weights,
    wrt="params",
    tags=("neural network", "classifier"),
)
def digits_mlp(params: Params, x: jax.Array) -> jax.Array:
    """Logits of the ten digits for an 8 × 8 image; 97.8 % right on held-out images.

    Trained by ``_train.py`` on four fifths of scikit-learn's digits; the accuracy is that on the other 360.

    Args:
        params: ``layer0`` 64 → 96, ``layer1`` 96 → 64, ``head`` 64 → 10, each with a ``kernel``
            ``[in, out]`` and a ``bias`` ``[out]``.
        x: the pixels in C order, ``[64]``, 0 (paper) to 1 (ink).

    Returns:
        ``[10]``: logits of the digits 0 to 9.
    """
    for layer in ("layer0", "layer1"):
        x = jax.nn.gelu(x @ params[layer]["kernel"] + params[layer]["bias"])
    return x @ params["head"]["kernel"] + params["head"]["bias"]
