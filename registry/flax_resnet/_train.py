"""Train ``flax_resnet`` and write its checkpoint: ``python -m registry.flax_resnet._train``, a minute."""

from typing import Any

import jax
import numpy as np
import optax
from flax.serialization import msgpack_serialize

from registry._training import Split, batches, cross_entropy, digits
from registry.flax_resnet import CHECKPOINT, MODEL, flax_resnet

EPOCHS, SIZE = 30, 64


def train(split: Split, seed: int = 0) -> dict[str, Any]:
    """Variables after ``EPOCHS`` passes over the training images, batch statistics averaged on the way."""
    steps = EPOCHS * (len(split.labels) // SIZE)
    optimiser = optax.adamw(optax.cosine_decay_schedule(3e-3, steps), weight_decay=0.02)

    def loss(params: Any, stats: Any, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
        logits, changed = MODEL.apply(
            {"params": params, "batch_stats": stats}, images[..., None], train=True, mutable=["batch_stats"]
        )
        return cross_entropy(logits, labels), changed["batch_stats"]

    @jax.jit
    def update(params: Any, stats: Any, state: Any, images: jax.Array, labels: jax.Array) -> Any:
        slope, stats = jax.grad(loss, has_aux=True)(params, stats, images, labels)
        change, state = optimiser.update(slope, state, params)
        return optax.apply_updates(params, change), stats, state

    start = MODEL.init(jax.random.key(seed), split.images[:1, ..., None])
    params, stats, state = start["params"], start["batch_stats"], optimiser.init(start["params"])
    for rows in batches(len(split.labels), SIZE, EPOCHS, seed):
        params, stats, state = update(params, stats, state, split.images[rows], split.labels[rows])
    return jax.tree.map(np.asarray, {"params": params, "batch_stats": stats})


def main() -> None:
    split = digits()
    variables = train(split)
    guesses = np.argmax(jax.vmap(flax_resnet.apply, (None, 0))(variables, split.held_images), axis=1)
    right = guesses == split.held_labels
    print(f"held out: {right.sum()} of {right.size} right, {100 * right.mean():.1f} %")
    CHECKPOINT.write_bytes(msgpack_serialize(variables))


if __name__ == "__main__":
    main()
