"""Functions that test the trees of inputs, outputs and parameters, and what their leaves can be."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec
from tests.zoo.entry import entry, f32, weights


@entry(
    x={"kind": ArraySpec("int32", (3,), low=0, high=13), "mask": ArraySpec("bool", (7,)), "value": f32(7)},
    params={"table": weights(1, 13, 7), "w": weights(2, 5, 7)},
    wrts=("x", "params", "params.table", "x.value"),
)
def mixed_input(params, x):
    """Integers, booleans and floats in one input."""
    row = params["table"][x["kind"]].sum(axis=0)
    return params["w"] @ jnp.where(x["mask"], jnp.tanh(x["value"] * row), x["value"] ** 2)


@entry(x=({"a.b": f32(5), "c": f32(7)}, [f32(), f32(2, 3)]), wrts=("x", "x.0", "x.0.[a.b]", "x.1.*"))
def nested_input(params, x):
    """Dicts, tuples and lists in one input, a key that holds a dot, a 0-d leaf."""
    named, (gain, table) = x
    return gain * jnp.outer(table[:, 0], named["a.b"]).ravel() + jnp.sin(named["c"]).sum() * table.sum()


@entry(x=f32(11), params={"w": weights(3, 7, 11)})
def tree_output(params, x):
    """A dict that holds a tuple and a 0-d array: k is 1 + 5 + 7."""
    hidden = jnp.sin(params["w"] @ x)
    return {"pair": (hidden[:5] ** 2, (hidden[:, None] * x[:2]).sum(axis=1)), "energy": hidden @ hidden}


@entry(x=f32(11), params={"w": weights(4, 7, 11)})
def scalar_output(params, x):
    """One output, without axes: k = 1."""
    return jnp.log1p((params["w"] @ x) ** 2).sum()


@entry(x=f32(), params=weights(5, 7), wrts=("x", "params"))
def scalar_input(params, x):
    """One input, without axes: p = 1 for x."""
    return jnp.sin(params * x)


@entry(
    x=f32(11), params={"used": weights(6, 7, 11), "dead": weights(7, 13)}, wrts=("params", "params.dead", "x")
)
def dead_parameter(params, x):
    """A parameter that reaches nothing: its part of K is exactly zero."""
    return jnp.tanh(params["used"] @ x)


@entry(x=f32(11), params=weights(8, 5, 11), wrts=("params", "x"))
def constant_output(params, x):
    """Two outputs that depend on no parameter, one that depends on nothing."""
    return jnp.concatenate([params @ x, x[:1] ** 2, jnp.ones(1, x.dtype)])


def strange_leaves() -> dict[str, Any]:
    """A typed key, an integer, a boolean, None and a 0-d array beside the weights."""
    return {
        "w": weights(9, 7, 11),
        "key": jax.random.key(5),
        "steps": np.int32(3),
        "flag": np.bool_(True),
        "none": None,
        "gain": np.asarray(0.5, np.float32),
    }


@entry(x=f32(11), params=strange_leaves, wrts=("params", "params.gain", "x"))
def odd_leaves(params, x):
    """Leaves that are not floating are constants of the function."""
    noise = jax.random.normal(params["key"], (7,), "float32")
    gain = jnp.where(params["flag"], params["gain"], 0)
    return gain * jnp.sin(params["w"] @ x + noise) ** params["steps"]


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    """Parameters as an object, as many libraries hold them."""

    weight: Any
    bias: Any


@entry(
    x=f32(11),
    params=[Layer(weights(10, 13, 11), weights(11, 13)), Layer(weights(12, 7, 13), weights(13, 7))],
    wrts=("params", "params.*.weight", "params.1", "x"),
)
def dataclass_params(params, x):
    """Parameters in registered dataclasses: attributes are components of a path."""
    for layer in params:
        x = jnp.tanh(layer.weight @ x + layer.bias)
    return x


@entry(
    x=f32(11),
    params={"mlp/~/l.0": {"w": weights(14, 13, 11)}, "l.1": {"w": weights(15, 7, 13)}},
    wrts=("params.[mlp/~/l.0]", "params", "params.[l.1].w", "x"),
)
def dotted_keys(params, x):
    """Keys that hold dots are quoted in a path."""
    return params["l.1"]["w"] @ jnp.sin(params["mlp/~/l.0"]["w"] @ x)


def load() -> dict[str, np.ndarray]:
    """Make the parameters when they are first needed."""
    return {"w": weights(16, 5, 7), "v": weights(17, 7, 11)}


@entry(x=f32(11), params=load, wrts=("params", "x", "params.v"))
def loaded(params, x):
    """Parameters given as a callable; a product of two of them."""
    return params["w"] @ params["v"] @ x


TREES = (
    mixed_input,
    nested_input,
    tree_output,
    scalar_output,
    scalar_input,
    dead_parameter,
    constant_output,
    odd_leaves,
    dataclass_params,
    dotted_keys,
    loaded,
)
