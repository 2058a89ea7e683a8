"""The perceptron reads digits it has not seen as well as its docstring says."""

import re

import jax
import numpy as np

from registry._training import digits
from registry.digits_mlp import WEIGHTS, digits_mlp, weights
from tests.registry.dense import jacobian


def test_the_accuracy_on_held_out_images_is_the_one_that_is_documented():
    split = digits()
    logits = jax.vmap(digits_mlp.apply, (None, 0))(weights(), split.held_images.reshape(-1, 64))
    right = 100 * np.mean(np.argmax(logits, axis=1) == split.held_labels)
    documented = re.search(r"([\d.]+) % right", digits_mlp.doc)
    assert documented is not None
    assert f"{right:.1f}" == documented[1]


def test_the_images_that_were_held_out_are_not_among_those_for_training():
    split = digits()
    assert len(split.labels) + len(split.held_labels) == 1797
    seen = {image.tobytes() for image in split.images}
    assert not any(image.tobytes() in seen for image in split.held_images)


def test_the_head_sees_the_kernel_of_the_last_hidden_layer():
    """With respect to the head, K is (h1 · h2 + 1) times the identity: the conjugate kernel."""
    split = digits()
    x1, x2 = split.held_images[:2].reshape(2, 64)
    hidden = [_hidden(x) for x in (x1, x2)]
    K = jacobian(digits_mlp, x1, "params.head") @ jacobian(digits_mlp, x2, "params.head").T
    np.testing.assert_allclose(K, (hidden[0] @ hidden[1] + 1) * np.eye(10), rtol=1e-5, atol=1e-9)


def test_the_weights_are_small_enough_to_ship():
    assert WEIGHTS.stat().st_size < 100_000


def _hidden(x: np.ndarray) -> np.ndarray:
    params = weights()
    for layer in ("layer0", "layer1"):
        x = np.asarray(jax.nn.gelu(x @ params[layer]["kernel"] + params[layer]["bias"]))
    return x
