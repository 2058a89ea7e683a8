"""Functions built as networks are: layers, convolutions, attention, recurrences, embeddings."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec
from tests.zoo.entry import entry, f32, weights


@entry(
    x=f32(11),
    params={"w": weights(1, 7, 11), "b": weights(2, 7)},
    wrts=("x", "params", "params.w", "params.b"),
)
def affine(params, x):
    """The closed form: K is W Wᵀ for x, and (x1 · x2 + 1) I for the parameters."""
    return params["w"] @ x + params["b"]


@entry(x=f32(7, 11), wrts=("x",))
def sine_sums(params, x):
    """No parameters at all; K is diagonal."""
    return jnp.sin(x).sum(axis=1)


@entry(
    x=f32(11),
    params={
        "body": {"kernel": weights(3, 13, 11), "bias": weights(4, 13)},
        "head": {"kernel": weights(5, 5, 13), "bias": weights(6, 5)},
    },
    wrts=("params", "x", "params.head", "params.*.kernel", "params.body.bias,params.head.kernel"),
)
def mlp_dict(params, x):
    """Two dense layers, their parameters in dicts."""
    hidden = jnp.tanh(params["body"]["kernel"] @ x + params["body"]["bias"])
    return params["head"]["kernel"] @ hidden + params["head"]["bias"]


@entry(
    x=f32(11),
    params=((weights(7, 13, 11), 1 + weights(8, 13)), [weights(9, 17, 13), 1 + weights(10, 17)]),
    wrts=("params", "x", "params.1", "params.0.0", "params.*.1"),
)
def mlp_tuple(params, x):
    """Two dense layers, their parameters in a tuple of a tuple and a list."""
    for weight, bias in params:
        x = jax.nn.gelu(weight @ x + bias)
    return x


@entry(
    x=f32(7, 11, 2),
    params={"kernel": weights(11, 3, 5, 2, 13), "bias": weights(12, 13), "head": weights(13, 17, 13)},
    wrts=("params", "x", "params.kernel"),
)
def conv(params, x):
    """One convolution, pooled."""
    image = jax.lax.conv_general_dilated(
        x[None], params["kernel"], (1, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
    return params["head"] @ jax.nn.softplus(image + params["bias"]).mean(axis=(0, 1))


@entry(
    x=f32(5, 7),
    params={
        "norm": {"scale": 1 + weights(14, 7), "offset": weights(15, 7)},
        "query": weights(16, 11, 7),
        "key": weights(17, 11, 7),
        "value": weights(18, 13, 7),
    },
    wrts=("params", "x", "params.norm", "params.query,params.key"),
)
def attention(params, x):
    """A block of attention over five tokens, with layer norm, averaged over tokens."""
    centred = x - x.mean(axis=1, keepdims=True)
    normal = centred * jax.lax.rsqrt((centred**2).mean(axis=1, keepdims=True) + 1e-3)
    normal = normal * params["norm"]["scale"] + params["norm"]["offset"]
    query, key, value = (normal @ params[name].T for name in ("query", "key", "value"))
    return (jax.nn.softmax(query @ key.T) @ value).mean(axis=0)


@entry(
    x=f32(11, 5),
    params={"cell": {"inner": weights(19, 7, 7), "outer": weights(20, 7, 5)}, "head": weights(21, 13, 7)},
    wrts=("x", "params", "params.cell"),
)
def scan_time(params, x):
    """A recurrent network: the weights are shared by all steps."""

    def step(state, value):
        state = jnp.tanh(params["cell"]["inner"] @ state + params["cell"]["outer"] @ value)
        return state, None

    return params["head"] @ jax.lax.scan(step, jnp.zeros(7, x.dtype), x)[0]


@entry(
    x=f32(7),
    params={"layers": {"w": weights(22, 5, 7, 7), "b": weights(23, 5, 7)}, "head": weights(24, 13, 7)},
    wrts=("x", "params", "params.layers.w"),
)
def scan_layers(params, x):
    """A scan over stacked layers: each step has weights of its own."""

    def layer(state, weight):
        return state + jnp.sin(weight["w"] @ state + weight["b"]), state[0]

    state, firsts = jax.lax.scan(layer, x, params["layers"])
    return params["head"] @ state + firsts.sum()


@entry(
    x=f32(5, 11),
    params={
        name: {"input": weights(seed, 7, 11), "state": weights(seed + 1, 7, 7)}
        for name, seed in (("update", 25), ("reset", 27), ("new", 29))
    },
    wrts=("params", "x", "params.*.state"),
)
def gated_recurrence(params, x):
    """A gated recurrent unit over five steps."""

    def mix(name, value, state):
        return params[name]["input"] @ value + params[name]["state"] @ state

    def step(state, value):
        update = jax.nn.sigmoid(mix("update", value, state))
        reset = jax.nn.sigmoid(mix("reset", value, state))
        new = jnp.tanh(mix("new", value, reset * state))
        state = (1 - update) * state + update * new
        return state, state.sum()

    state, sums = jax.lax.scan(step, jnp.zeros(7, x.dtype), x)
    return state * sums[-1]


@entry(
    x=f32(11),
    params={"shared": weights(31, 7, 11), "bias": weights(32, 7)},
    wrts=("params", "x", "params.shared"),
)
def tied(params, x):
    """One weight used twice, once transposed."""
    return params["shared"].T @ jnp.tanh(params["shared"] @ x + params["bias"])


@entry(
    x=ArraySpec("int32", (5,), low=0, high=23),
    params={"table": weights(33, 23, 7), "head": weights(34, 11, 7)},
    wrts=("params", "params.table", "params.head"),
)
def embedding(params, x):
    """Integer tokens look rows of a table up; there is no J with respect to x."""
    return params["head"] @ jnp.tanh(params["table"][x]).sum(axis=0)


@entry(
    x=f32(11),
    params={
        name: {
            "frozen": weights(seed, *sizes),
            "lora_a": weights(seed + 1, 2, sizes[1]),
            "lora_b": weights(seed + 2, sizes[0], 2),
        }
        for name, seed, sizes in (("first", 35, (13, 11)), ("second", 38, (7, 13)))
    },
    wrts=("params.*.lora_a,params.*.lora_b", "params.second.lora_b", "x"),
)
def lora(params, x):
    """Low-rank updates of frozen weights, found by a glob."""
    for name in ("first", "second"):
        layer = params[name]
        x = jnp.tanh((layer["frozen"] + layer["lora_b"] @ layer["lora_a"]) @ x)
    return x


@entry(
    x=f32(11),
    params={"direction": weights(41, 7, 11), "length": np.ones(7, np.float32), "gain": np.float32(1.5)},
    wrts=("params", "params.length,params.gain", "x"),
)
def weight_norm(params, x):
    """A product of parameters: each has the others in its derivative."""
    direction = params["direction"]
    weight = direction * (params["length"] / jnp.linalg.norm(direction, axis=1))[:, None]
    return jnp.sin(params["gain"] * weight @ x)


LAYERS = (
    affine,
    sine_sums,
    mlp_dict,
    mlp_tuple,
    conv,
    attention,
    scan_time,
    scan_layers,
    gated_recurrence,
    tied,
    embedding,
    lora,
    weight_norm,
)
