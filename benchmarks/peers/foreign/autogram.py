"""TorchJD's autogram, the engine for J Jᵀ in PyTorch: of one batch, so that x2 = x1 always."""

import os

import torch
from torchjd.autogram import Engine

from benchmarks.peers.cases import Arrays, Case
from benchmarks.peers.foreign.modules import inputs, module
from benchmarks.peers.foreign.serve import Built, serve


def gramian(case: Case, values: Arrays) -> Built:
    """The Gramian of the network's Jacobian over a batch, its forward included as in ours."""
    network = module(case, values)
    engine = Engine(network, batch_dim=0)
    x = inputs(case, torch.from_numpy(values.x1))
    n, k = len(x), case.k
    return Built(
        lambda: engine.compute_gramian(network(x)).cpu(),
        lambda result: result.detach().reshape(n, k, n, k).numpy(),
    )


if __name__ == "__main__":
    torch.set_num_threads(os.cpu_count() or 1)
    serve({"Engine": gramian})
