"""torch.func's two forms of the kernel, as its tutorial teaches them, whole and in chunks.

The forms: Jacobians by ``vmap(jacrev)`` contracted over each parameter, and vjp then jvp of unit vectors for
each pair of examples.
"""

import os
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, jvp, vjp, vmap

from benchmarks.peers.cases import Arrays, Case
from benchmarks.peers.foreign.modules import DEVICE, inputs, module
from benchmarks.peers.foreign.serve import Build, Built, serve

Weights = dict[str, Tensor]
CHUNK = 4  # examples at a time


def functional(case: Case, values: Arrays) -> tuple[Callable[[Weights, Tensor], Tensor], Weights]:
    """The network of one example as a function of its weights, and those."""
    network = module(case, values)
    weights = {name: leaf.detach() for name, leaf in network.named_parameters()}

    def f(weights: Weights, x: Tensor) -> Tensor:
        return functional_call(network, weights, (x[None],))[0]

    return f, weights


def contraction(chunk: int | None, case: Case, values: Arrays) -> Built:
    """Both Jacobians, and their contraction leaf by leaf."""
    f, weights = functional(case, values)
    x1, x2 = (inputs(case, torch.from_numpy(x)) for x in (values.x1, values.x2))
    jacobian = vmap(jacrev(f), (None, 0), chunk_size=chunk)

    def call() -> Tensor:
        left, right = jacobian(weights, x1), jacobian(weights, x2)
        parts = (
            torch.einsum("iaf,jbf->iajb", left[name].flatten(2), right[name].flatten(2)) for name in weights
        )
        return sum(parts).cpu()

    return Built(call, Tensor.numpy)


def vector_products(chunk: int | None, case: Case, values: Arrays) -> Built:
    """The rows of an identity matrix through vjp and jvp, for each pair."""
    f, weights = functional(case, values)
    x1, x2 = (inputs(case, torch.from_numpy(x)) for x in (values.x1, values.x2))
    units = torch.eye(case.k, device=DEVICE)

    def pair(one: Tensor, other: Tensor) -> Tensor:
        _, pullback = vjp(lambda weights: f(weights, one), weights)

        def row(unit: Tensor) -> Tensor:
            return jvp(lambda weights: f(weights, other), (weights,), pullback(unit))[1]

        return vmap(row)(units)

    over_x2 = vmap(pair, (None, 0), chunk_size=chunk)
    pairs = vmap(over_x2, (0, None), chunk_size=1 if chunk else None)
    return Built(lambda: pairs(x1, x2).cpu(), lambda result: result.permute(0, 2, 1, 3).numpy())


def builds() -> dict[str, Build]:
    """By the names in the table."""
    return {
        "Jacobian contraction": partial(contraction, None),
        f"Jacobian contraction, {CHUNK} at a time": partial(contraction, CHUNK),
        "vector products": partial(vector_products, None),
        f"vector products, {CHUNK} at a time": partial(vector_products, CHUNK),
    }


if __name__ == "__main__":
    torch.set_num_threads(os.cpu_count() or 1)
    serve(builds())
