"""Functions in which parameters enter in every way that keeps or loses structure: views, layers, products."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from app import ArraySpec
from tests.zoo.entry import entry, f32, weights
from tests.zoo.rules import reversed_only, saturate


@entry(x=f32(11), params={"w": weights(1, 11, 11), "b": weights(2, 11)}, wrts=("params", "x", "params.w"))
def used_twice(params, x):
    """One weight and one bias in two layers: both uses see the same places."""
    for _ in range(2):
        x = jnp.tanh(params["w"] @ x + params["b"])
    return x[:7]


@entry(x=f32(11), params=weights(3, 18, 11), wrts=("params", "x"))
def disjoint_slices(params, x):
    """Two slices of one matrix that share no row."""
    return (params[13:] @ x) * jnp.tanh(params[:13] @ x)[3:8]


@entry(x=f32(11), params=weights(4, 13, 11), wrts=("params", "x"))
def overlapping_slices(params, x):
    """Two slices of one matrix that share a row."""
    return jnp.sin(params[:7] @ x) + params[6:] @ jnp.cos(x)


@entry(
    x=ArraySpec("int32", (5,), low=0, high=13),
    params={"table": weights(5, 13, 7), "mix": weights(6, 7, 7)},
    wrts=("params", "params.table"),
)
def tied_embedding(params, x):
    """A table that looks tokens up, and whose transpose is the last layer."""
    tokens = params["table"][x]
    return (jnp.tanh(tokens @ params["mix"]) @ params["table"].T).sum(axis=0)


@entry(x=f32(11, 2), params={"kernel": weights(7, 3, 2, 5), "gate": weights(8, 5)}, wrts=("params", "x"))
def kernel_and_factor(params, x):
    """A parameter in a convolution, entry by entry, and added; another as a scale and as a bias."""
    layout = ("NHC", "HIO", "NHC")
    image = lax.conv_general_dilated(x[None], params["kernel"], (2,), "SAME", dimension_numbers=layout)[0]
    gated = jnp.tanh(image * params["gate"] + params["gate"]).sum(axis=0)
    window = jnp.sin(x[:3, :, None] * params["kernel"] - params["kernel"])
    return gated + window.sum(axis=(0, 1))


@entry(
    x=f32(6, 7, 5),
    params={"grouped": weights(9, 4, 3, 3, 2), "depthwise": weights(10, 12, 1, 2, 3)},
    wrts=("params", "x", "params.grouped"),
)
def grouped_convolutions(params, x):
    """Channels first: two groups with strides, then one group for each channel, dilated."""
    layout = ("NCHW", "OIHW", "NCHW")
    image = lax.conv_general_dilated(
        x[None], params["grouped"], (2, 1), [(1, 1), (2, 0)], dimension_numbers=layout, feature_group_count=2
    )
    image = lax.conv_general_dilated(
        jnp.tanh(image),
        params["depthwise"],
        (1, 1),
        "SAME",
        rhs_dilation=(2, 1),
        dimension_numbers=layout,
        feature_group_count=4,
    )
    return jnp.sin(image[0]).sum(axis=(1, 2))[:11]


@entry(x=f32(5, 2), params={"kernel": weights(11, 3, 7, 2), "bias": weights(12, 7)}, wrts=("params", "x"))
def transposed_convolution(params, x):
    """Pixels spread apart before the window moves over them; features in front."""
    image = lax.conv_general_dilated(
        x[:, None],
        params["kernel"],
        (1,),
        [(2, 1)],
        lhs_dilation=(2,),
        dimension_numbers=("HNC", "HOI", "CHN"),
    )
    return jnp.tanh(image[..., 0] + params["bias"][:, None]).sum(axis=1)


@entry(
    x=f32(5, 7),
    params={
        "qkv": {name: weights(seed, 7, 6) for name, seed in (("q", 13), ("k", 14), ("v", 15))},
        "out": weights(16, 2, 3, 11),
    },
    wrts=("params", "x", "params.qkv", "params.out"),
)
def heads(params, x):
    """Attention with an axis of heads: kernels are reshaped, and shared by all tokens."""
    query, key, value = (
        jnp.einsum("td,dhe->the", x, params["qkv"][name].reshape(7, 2, 3)) for name in ("q", "k", "v")
    )
    mixed = jax.nn.softmax(jnp.einsum("the,she->hts", query, key))
    return jnp.einsum("hts,she,hef->tf", mixed, value, params["out"]).sum(axis=0)


@entry(
    x=f32(3, 5),
    params={"w": weights(17, 3, 5, 7), "b": weights(18, 3, 7), "head": weights(19, 7, 2)},
    wrts=("params", "x", "params.w,params.b"),
)
def experts(params, x):
    """A weight of its own for each row, then one that all rows share."""
    hidden = jnp.tanh(jnp.einsum("gc,gcf->gf", x, params["w"]) + params["b"])
    return (hidden @ params["head"]).ravel()


@entry(
    x=f32(11),
    params={name: weights(seed, 7, 11) for name, seed in (("update", 20), ("reset", 21), ("new", 22))},
    wrts=("params", "x", "params.reset"),
)
def joined_gates(params, x):
    """Three weights as one matrix, one product, and three parts of the result."""
    joined = jnp.concatenate([params["update"], params["reset"], params["new"]])
    update, reset, new = jnp.split(joined @ x, 3)
    return jax.nn.sigmoid(update) * jnp.tanh(jnp.sin(reset) * new)


@entry(
    x=f32(11),
    params={
        "a": weights(23, 7, 11),
        "b": weights(24, 7, 11),
        "up": weights(25, 7, 2),
        "down": weights(26, 2, 11),
    },
    wrts=("params", "x", "params.a", "params.up,params.down"),
)
def bilinear_weights(params, x):
    """Weights that are products of parameters, entry by entry and as matrices, before they meet x."""
    merged = params["a"] * params["b"] + 0.5 * (params["up"] @ params["down"])
    return jnp.tanh(merged @ x)


@entry(
    x=f32(11),
    params={
        "w": weights(27, 13, 11),
        "v": weights(28, 7, 13),
        "gain": np.float32(1.5),
        "log": np.float32(0.25),
    },
    wrts=("params", "x", "params.w,params.v", "params.gain"),
)
def scaled_weights(params, x):
    """Weights times numbers: fixed ones, a learned one, and one of which the logarithm is learned."""
    hidden = jnp.tanh((params["w"] * 0.5 / np.sqrt(11)) @ x)
    return jnp.sin(params["gain"] * (-params["v"] * jnp.exp(params["log"]) @ hidden))


@entry(
    x=f32(7),
    params={"lower": weights(29, 7, 7), "sparse": weights(30, 5, 7), "kept": weights(31, 5)},
    wrts=("params", "x", "params.sparse"),
)
def masked_weights(params, x):
    """Weights under masks: a triangle, a factor of zeros and ones, and entries chosen by x."""
    mask = (np.arange(35).reshape(5, 7) % 3 > 0).astype(np.float32)
    hidden = jnp.tanh(jnp.tril(params["lower"]) @ x)
    return jnp.where(hidden[:5] > 0, params["kept"], 0.5) * ((params["sparse"] * mask) @ hidden)


@entry(
    x=f32(7),
    params={name: 1 + weights(seed, 7) ** 2 for name, seed in (("below", 32), ("above", 33), ("soft", 34))}
    | {"jvp": weights(35, 5, 7), "vjp": weights(36, 7)},
    wrts=("params", "params.vjp"),
    cannot={"forward": "custom_vjp"},
)
def bent_weights(params, x):
    """Parameters below a line and above one, under exp, and under both kinds of custom rules."""
    hidden = x / params["below"] + params["above"] / (1 + x**2) + jnp.exp(-params["soft"]) * x
    return saturate(params["jvp"]) @ (hidden * reversed_only(params["vjp"]))


@entry(
    x=f32(11),
    params={"padded": weights(37, 5, 11), "cut": weights(38, 13, 11), "round": weights(39, 11)},
    wrts=("params", "x", "params.padded", "params.cut"),
)
def moved_weights(params, x):
    """Weights padded, split, turned round, reshaped, and beside themselves on their way."""
    padded = jnp.pad(params["padded"], ((0, 2), (0, 0))) @ x
    _, first, last = jnp.split(params["cut"][::-1], (3, 8))
    turned = jnp.roll(params["round"][::-1], 3) * x
    some = params["cut"].T.reshape(-1)[:6:2]
    return jnp.concatenate(
        [jnp.tanh(padded), (first * last).sum(axis=1) + jnp.cos(first @ turned)]
    ) * jnp.sin(jnp.concatenate([some, some, last @ x, x[:1]]))


@entry(
    x={"places": ArraySpec("int32", (5,), low=-17, high=17), "row": ArraySpec("int32", (), low=0, high=13)},
    params={"filled": weights(40, 11, 7), "wrapped": weights(41, 17, 7), "cut": weights(42, 7, 13)},
    wrts=("params", "params.filled", "params.cut"),
)
def look_ups(params, x):
    """Rows from anywhere: negative places, places outside that are filled, one column cut out."""
    filled = params["filled"].at[x["places"]].get(mode="fill", fill_value=0.5)
    wrapped = params["wrapped"][x["places"]]
    column = lax.dynamic_slice_in_dim(params["cut"], x["row"], 1, axis=1)[:, 0]
    return jnp.tanh(filled * wrapped).sum(axis=0) + jnp.sin(column)


@entry(
    x=f32(5, 7),
    params={
        "scale": 1 + weights(43, 7),
        "offset": weights(44, 7),
        "mean": weights(45, 7),
        "variance": weights(46, 7) ** 2,
    },
    wrts=("params", "x", "params.scale,params.offset"),
)
def fixed_norm(params, x):
    """Batch norm as it is evaluated: its mean and variance are parameters."""
    factor = params["scale"] * lax.rsqrt(params["variance"] + 1e-2)
    return jax.nn.relu((x - params["mean"]) * factor + params["offset"]).sum(axis=0)


USES = (
    used_twice,
    disjoint_slices,
    overlapping_slices,
    tied_embedding,
    kernel_and_factor,
    grouped_convolutions,
    transposed_convolution,
    heads,
    experts,
    joined_gates,
    bilinear_weights,
    scaled_weights,
    masked_weights,
    bent_weights,
    moved_weights,
    look_ups,
    fixed_norm,
)
