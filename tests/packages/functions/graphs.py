"""e3nn-jax and Jraph: equivariant products, and messages along the edges of a graph."""

import e3nn_jax as e3nn
import jax
import jax.numpy as jnp
import jraph
import numpy as np

from app import ArraySpec, function

RANDOM = np.random.default_rng(0)
NODES = 4
SENDERS, RECEIVERS = np.array([0, 1, 2, 3, 0, 2, 1]), np.array([1, 2, 3, 0, 2, 0, 3])


def normal(*shape):
    """Random weights."""
    return RANDOM.normal(size=shape).astype(np.float32) / 2


@function(x=ArraySpec("float32", (3,)), params={"w": normal(4), "radial": normal(2, 4)}, wrt="params")
def equivariant_message(params, x):
    """Scalars, vectors and a tensor of rank two that a direction and its length make."""
    harmonics = e3nn.spherical_harmonics("0e + 1o + 2e", x, normalize=True)
    gates = jnp.tanh(jnp.array([1.0, 2.0], x.dtype) * jnp.linalg.norm(x) @ params["radial"])
    product = e3nn.tensor_product(harmonics, harmonics, filter_ir_out="0e + 1o + 2e").regroup()
    return (product.array * jnp.resize(params["w"] * gates, product.array.shape[-1:])).ravel()


linear = e3nn.flax.Linear("2x0e + 1x1o")
INPUT = e3nn.Irreps("3x0e + 2x1o")


@function(
    x=ArraySpec("float32", (INPUT.dim,)),
    params=lambda: linear.init(jax.random.key(0), e3nn.IrrepsArray(INPUT, jnp.ones(INPUT.dim))),
    wrt="params",
)
def equivariant_layer(params, x):
    """A linear layer that mixes only what turns alike, and a gate."""
    y = linear.apply(params, e3nn.IrrepsArray(INPUT, x))
    return e3nn.norm_activation(y, [jnp.tanh, jnp.tanh]).array


@function(
    x=ArraySpec("float32", (NODES, 3)),
    params={"edge": normal(6, 5), "node": normal(8, 2), "bias": normal(5)},
    wrt="params",
)
def graph_network(params, x):
    """Two numbers for each node after one round of messages."""
    graph = jraph.GraphsTuple(
        nodes=x,
        edges=jnp.zeros((len(SENDERS), 0), x.dtype),
        senders=jnp.asarray(SENDERS),
        receivers=jnp.asarray(RECEIVERS),
        globals=None,
        n_node=jnp.array([NODES]),
        n_edge=jnp.array([len(SENDERS)]),
    )
    net = jraph.GraphNetwork(
        update_edge_fn=lambda edges, sent, received, _: jax.nn.relu(
            jnp.concatenate([sent, received], axis=1) @ params["edge"] + params["bias"]
        ),
        update_node_fn=lambda nodes, sent, received, _: (
            jnp.concatenate([nodes, received], axis=1) @ params["node"]
        ),
    )
    return net(graph).nodes


@function(
    x=ArraySpec("float32", (NODES, 3)),
    params={"query": normal(3, 5), "logit": normal(10, 1)},
    wrt="params",
)
def graph_attention(params, x):
    """Five numbers for each node by attention along the edges: a softmax over segments."""
    graph = jraph.GraphsTuple(
        nodes=x,
        edges=None,
        senders=jnp.asarray(SENDERS),
        receivers=jnp.asarray(RECEIVERS),
        globals=None,
        n_node=jnp.array([NODES]),
        n_edge=jnp.array([len(SENDERS)]),
    )
    net = jraph.GAT(
        attention_query_fn=lambda nodes: nodes @ params["query"],
        attention_logit_fn=lambda sent, received, _: jax.nn.leaky_relu(
            jnp.concatenate([sent, received], axis=1) @ params["logit"]
        ),
    )
    return net(graph).nodes
