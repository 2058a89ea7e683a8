"""Flax NNX: layers with low-rank corrections and dropout, whose state holds typed keys and counters."""

import jax
from flax import nnx

from app import ArraySpec, function


class Net(nnx.Module):
    """Two layers of which the first is corrected, and dropout that is switched off."""

    def __init__(self, rngs: nnx.Rngs):
        self.body = nnx.LoRALinear(7, 13, lora_rank=2, rngs=rngs)
        self.norm = nnx.BatchNorm(13, use_running_average=True, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs, deterministic=True)
        self.head = nnx.Linear(13, 3, rngs=rngs)

    def __call__(self, x):
        """Three numbers for seven."""
        return self.head(self.drop(nnx.silu(self.norm(self.body(x)))))


GRAPH = nnx.graphdef(Net(nnx.Rngs(0)))


def state():
    """The parameters, the statistics and the random streams of a net, its second factor not at zero."""
    net = Net(nnx.Rngs(0))
    factor = net.body.lora.lora_b
    factor.value = jax.random.normal(jax.random.key(3), factor.value.shape)
    return nnx.state(net)


@function(x=ArraySpec("float32", (7,)), params=state, wrt="params.body.lora.lora_a,params.body.lora.lora_b")
def nnx_lora(params, x):
    """Three numbers for seven; J is taken with respect to the corrections."""
    return nnx.merge(GRAPH, params)(x[None])[0]
