"""Every registered function: its matrix is that of the dense Jacobians in float64."""

from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from app.catalog import Catalog
from app.engine import Engine
from tests.engine.ask import ask
from tests.oracle import close, inputs, reference
from tests.registry.dense import parameters
from tests.zoo import Entry

REGISTRY = Path(__file__).parents[2] / "registry"

WRTS = {
    "arm_pose": ("x", "params.offset"),
    "digits_cnn": ("params", "x", "params.*.kernel"),
    "digits_mlp": ("params", "x", "params.head"),
    "equinox_gru": ("params", "x", "params.head"),
    "flax_resnet": ("params.params", "params.params.head"),
    "gum_impedance": ("x", "params.estimate"),
    "heat_rod": ("params.conductivity", "x"),
    "pendulum": ("x", "params"),
    "rbm_log_psi": ("params", "params.visible,params.hidden"),
    "sqrt_mean": ("x", "params"),
    "tiny_transformer": ("params", "params.*.query,params.*.value"),
}
SLOW_TO_COMPILE = {"flax_resnet", "tiny_transformer"}
CASES = [
    pytest.param(name, wrt, marks=[pytest.mark.long] if name in SLOW_TO_COMPILE or place else [])
    for name, wrts in WRTS.items()
    for place, wrt in enumerate(wrts)
]


@cache
def catalog() -> Catalog:
    made = Catalog((REGISTRY,))
    made.load()
    return made


@cache
def entry(name: str) -> Entry:
    return Entry(catalog().functions[name], WRTS[name])


def test_every_function_of_the_registry_is_tested_here_and_the_first_variable_is_its_own():
    assert {name: function.wrt for name, function in catalog().functions.items()} == {
        name: wrts[0] for name, wrts in WRTS.items()
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_the_matrix_is_that_of_the_dense_jacobians(name: str, wrt: str, engine: Engine):
    x1, x2 = inputs(entry(name))
    close(ask(engine, entry(name).function, x1, x2, wrt=wrt), reference(entry(name), wrt))


@pytest.mark.long
@pytest.mark.parametrize("name", WRTS)
def test_a_batch_against_itself_is_symmetric_to_the_last_bit(name: str, engine: Engine):
    x1, _ = inputs(entry(name))
    K = ask(engine, entry(name).function, x1)
    n, k = K.shape[:2]
    np.testing.assert_array_equal(K.reshape(n * k, n * k), K.reshape(n * k, n * k).T)


@pytest.mark.parametrize("name", WRTS)
def test_its_report_card_finds_no_mixing_and_derivatives_that_agree(name: str, engine: Engine):
    card = engine.inspect(catalog().functions[name])
    assert card["examples"]["independent"] is True, card
    assert card["derivatives"]["agree"] is True, card
    assert card["zero_derivative"] == []


@pytest.mark.parametrize("name", WRTS)
def test_its_examples_have_finite_outputs(name: str, engine: Engine):
    function = catalog().functions[name]
    for x in engine.example(function):
        with jax.enable_x64(function.x64):
            y = jax.jit(function.apply)(parameters(function), x)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(y))


@pytest.mark.parametrize("name", WRTS)
def test_its_documentation_says_what_goes_in_and_out(name: str):
    function = catalog().functions[name]
    doc = function.apply.__doc__ or ""
    assert "Args:" in doc
    assert "Returns:" in doc
    assert (REGISTRY.parent / "docs" / "functions" / f"{name}.md").is_file()
