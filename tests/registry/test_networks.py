"""Each trained network does on held-out data what its docstring says, and is small enough to ship."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import registry.tiny_transformer._train as numerals
from app.function import Function
from registry._training import digits
from registry.digits_cnn import digits_cnn
from registry.equinox_gru import equinox_gru, reader
from registry.equinox_gru._train import errors
from registry.flax_resnet import flax_resnet, variables
from registry.tiny_transformer import ALPHABET, TOKENS, encode, example, spell, tiny_transformer, weights
from tests.registry.dense import jacobian, parameters

REGISTRY = Path(__file__).parents[2] / "registry"


def documented(function: Function, pattern: str) -> str:
    found = re.search(pattern, function.doc)
    assert found is not None, function.doc
    return found[1]


@pytest.mark.parametrize("function", [digits_cnn, flax_resnet], ids=lambda function: function.name)
def test_images_are_read_as_well_as_the_docstring_says(function: Function):
    split = digits()
    logits = jax.jit(jax.vmap(function.apply, (None, 0)))(parameters(function), split.held_images)
    right = 100 * np.mean(np.argmax(logits, axis=1) == split.held_labels)
    assert f"{right:.1f}" == documented(function, r"([\d.]+) % right")


def test_characters_are_guessed_as_well_as_the_docstring_says():
    inputs, following = (array[::7] for array in numerals.windows(numerals.lines(held_out=True), TOKENS))
    guesses = jax.jit(jax.vmap(tiny_transformer.apply, (None, 0)))(weights(), inputs).argmax(axis=1)
    right = 100 * np.mean(np.asarray(guesses) == following)
    assert f"{right:.1f}" == documented(tiny_transformer, r"([\d.]+) % right")


def test_a_number_that_was_begun_is_spelled_to_its_end():
    text = "two thousand four hund"
    for _ in range(3):
        text += ALPHABET[int(np.argmax(tiny_transformer.apply(weights(), encode(text))))]
    assert text == "two thousand four hundred"


def test_no_token_sees_those_after_it():
    first, _ = example()
    changed = first.copy()
    changed[-1] = 0
    before, after = (
        spell(jax.tree.map(jnp.asarray, weights()), jnp.asarray(tokens)) for tokens in (first, changed)
    )
    np.testing.assert_allclose(before[:-1], after[:-1], atol=1e-5)
    assert np.abs(before[-1] - after[-1]).max() > 0.1


def test_frequency_and_damping_are_read_as_well_as_the_docstring_says():
    frequency, damping = errors(reader())
    assert f"{frequency:.3f} Hz, {damping:.3f}" == documented(equinox_gru, r"errors ([\d.]+ Hz, [\d.]+) 1/s")


def test_the_residual_network_is_run_on_its_stored_statistics():
    """One image alone and among others has the same logits: no statistics of the batch are taken."""
    images = digits().held_images[:3]
    among = jax.vmap(flax_resnet.apply, (None, 0))(variables(), images)
    np.testing.assert_allclose(flax_resnet.apply(variables(), images[0]), among[0], rtol=1e-4, atol=1e-4)


def test_the_head_of_the_residual_network_has_a_bias_whose_derivative_is_the_identity():
    params = variables()
    slope = jax.jacrev(
        lambda bias: flax_resnet.apply(
            {**params, "params": {**params["params"], "head": {**params["params"]["head"], "bias": bias}}},
            digits().held_images[0],
        )
    )(params["params"]["head"]["bias"])
    np.testing.assert_array_equal(slope, np.eye(10))


def test_the_module_itself_is_the_tree_of_parameters():
    assert jacobian(equinox_gru, np.zeros(40), "params").shape == (
        2,
        sum(leaf.size for leaf in jax.tree.leaves(reader())),
    )


@pytest.mark.parametrize(
    "file",
    [path for path in sorted(REGISTRY.rglob("*")) if path.suffix in {".npz", ".eqx", ".msgpack"}],
    ids=lambda path: path.parent.name,
)
def test_the_weights_are_small_enough_to_ship(file: Path):
    assert file.stat().st_size < 100_000
