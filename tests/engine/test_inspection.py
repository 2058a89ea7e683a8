"""The report card: mixed examples are found, rules are compared, and what has no derivative is said."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine
from tests.zoo import ZOO

ENTRIES = {entry.name: entry for entry in ZOO}


def normalised(params, x):
    """A layer in training mode: the batch's own statistics."""
    return jnp.tanh((x - x.mean(axis=0)) / jnp.sqrt(x.var(axis=0) + 1e-3) @ params)


def rowwise(params, x):
    """A batch whose rows keep to themselves."""
    return jnp.tanh(x @ params)


def _card(engine: Engine, apply, spec, params=None) -> dict:
    return engine.inspect(Function(apply, spec, params))


WEIGHTS = np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)


def test_a_function_that_mixes_examples_is_found_and_said(engine: Engine):
    mixed = _card(engine, normalised, ArraySpec("float32", (7, 11)), WEIGHTS)
    assert mixed["examples"]["independent"] is False
    assert "statistics" in mixed["examples"]["detail"]


@pytest.mark.parametrize(
    "entry", [entry for entry in ZOO if entry.name != "stopped"][:12], ids=lambda e: e.name
)
def test_functions_of_one_example_are_not_accused(engine: Engine, entry):
    assert engine.inspect(entry.function)["examples"] == {"independent": True, "detail": ""}


def test_a_batch_whose_rows_keep_to_themselves_is_not_accused(engine: Engine):
    assert _card(engine, rowwise, ArraySpec("float32", (7, 11)), WEIGHTS)["examples"]["independent"] is True


def _lying(params, x):
    """A linear solve whose transpose is not its own."""
    return jax.lax.custom_linear_solve(
        lambda v: 2 * v, jnp.sin(x), solve=lambda _, b: b / 2, transpose_solve=lambda _, b: b / 3
    )


def test_a_reverse_rule_that_is_not_the_transpose_of_the_forward_one_is_found(engine: Engine):
    derivatives = _card(engine, _lying, ArraySpec("float32", (7,)))["derivatives"]
    assert derivatives["agree"] is False
    assert "transpose" in derivatives["detail"]


@pytest.mark.parametrize(
    "name", ["mlp_dict", "custom_jvp", "scan_time", "double", "brain_half", "odd_leaves"]
)
def test_honest_rules_agree(engine: Engine, name):
    assert engine.inspect(ENTRIES[name].function)["derivatives"]["agree"] is True


@pytest.mark.parametrize(("name", "missing"), [("custom_vjp", "custom_vjp"), ("while_loop", "while_loop")])
def test_where_one_mode_is_missing_nothing_is_claimed(engine: Engine, name, missing):
    derivatives = engine.inspect(ENTRIES[name].function)["derivatives"]
    assert derivatives["agree"] is None
    assert missing in derivatives["detail"]


@pytest.mark.parametrize("name", ["mlp_dict", "while_loop", "custom_vjp"])
def test_the_card_says_which_algorithms_apply_and_why_others_do_not(engine: Engine, name):
    said = engine.inspect(ENTRIES[name].function)["algorithms"]
    assert {algorithm for algorithm, why in said.items() if why != "applies"} == set(ENTRIES[name].cannot)
    for algorithm, why in ENTRIES[name].cannot.items():
        assert why.split("_")[0] in said[algorithm]


@pytest.mark.parametrize(
    ("name", "leaves"),
    [
        ("dead_parameter", ["params.dead"]),
        ("stopped", ["params.frozen"]),
        ("mlp_dict", []),
        ("embedding", []),
    ],
)
def test_leaves_without_a_derivative_are_named(engine: Engine, name, leaves):
    assert engine.inspect(ENTRIES[name].function)["zero_derivative"] == leaves


@pytest.mark.parametrize(
    ("name", "leaves"), [("embedding", ["x"]), ("mixed_input", ["x.kind", "x.mask"]), ("mlp_dict", [])]
)
def test_inputs_that_are_no_floats_are_named(engine: Engine, name, leaves):
    assert engine.inspect(ENTRIES[name].function)["integer_inputs"] == leaves


def test_parameters_that_were_cast_are_named(engine: Engine):
    def apply(params, x):
        return params["wide"]["w.0"] * params["narrow"] * x

    params = {"wide": {"w.0": np.ones(3)}, "narrow": np.ones(3, np.float32)}
    function = Function(apply, ArraySpec("float32", (3,)), params, "params")
    assert engine.inspect(function)["cast"] == ["params.wide.[w.0]"]
    assert engine.signature(function).dtype("params") == "float32"
    assert engine.inspect(ENTRIES["double"].function)["cast"] == []


def test_the_card_is_json_and_is_made_once(engine: Engine):
    function = ENTRIES["mixed_input"].function
    fresh = Engine(memory_bytes=1 << 30)
    assert fresh.report(function) == {}
    card = fresh.inspect(function)
    assert json.loads(json.dumps(card)) == card
    assert fresh.inspect(function) is card
    assert fresh.report(function) is card
    fresh.forget(function)
    assert fresh.report(function) == {}


def _complex(params, x):
    return jnp.fft.rfft(x)


def _integers(params, x):
    return jnp.argsort(x)


def _nothing(params, x):
    return ()


@pytest.mark.parametrize(
    ("apply", "message"), [(_complex, "complex"), (_integers, "int"), (_nothing, "no number")]
)
def test_outputs_that_no_function_can_have_are_refused(engine: Engine, apply, message):
    with pytest.raises(ValueError, match=message):
        engine.signature(Function(apply, ArraySpec("float32", (8,))))


def test_complex_parameters_are_refused_and_the_real_form_is_shown(engine: Engine):
    function = Function(rowwise, ArraySpec("float32", (7, 11)), {"w": np.ones((11, 5), np.complex64)})
    with pytest.raises(ValueError, match=r"params\.w.*real"):
        engine.signature(function)


def test_a_signature_lists_outputs_with_their_offsets(engine: Engine):
    leaves = engine.signature(ENTRIES["tree_output"].function).y
    assert [(leaf.path, leaf.shape, leaf.offset) for leaf in leaves] == [
        ("energy", (), 0),
        ("pair.0", (5,), 1),
        ("pair.1", (7,), 6),
    ]
