"""Train ``tiny_transformer``: ``python -m registry.tiny_transformer._train``, three minutes on two cores."""

import jax
import numpy as np

from registry._training import adam, cosine, cross_entropy, save
from registry.tiny_transformer import ALPHABET, TOKENS, WEIGHTS, Params, spell, tiny_transformer

# fmt: off
SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on

WIDTH, WIDE, STEPS, SIZE = 32, 64, 4000, 64

batched = jax.vmap(spell, in_axes=(None, 0))


def numeral(number: int) -> str:
    """A number from 1 to 9,999 in English words, without hyphens."""
    thousands, rest = divmod(number, 1000)
    hundreds, low = divmod(rest, 100)
    words = [SMALL[thousands], "thousand"] if thousands else []
    words += [SMALL[hundreds], "hundred"] if hundreds else []
    if low:
        words += ["and"] if words else []
        tens, ones = divmod(low, 10)
        words += [SMALL[low]] if low < len(SMALL) else [TENS[tens - 2]] + ([SMALL[ones]] if ones else [])
    return " ".join(words)


def lines(held_out: bool) -> np.ndarray:
    """Token ids of the numerals, a line each in a fixed random order; every tenth is held out."""
    order = 1 + np.random.RandomState(0).permutation(9_999)
    text = "\n".join(numeral(int(number)) for number in order[(np.arange(order.size) % 10 == 0) == held_out])
    return np.array([ALPHABET.index(character) for character in text], np.int32)


def windows(ids: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """All stretches of ``size`` tokens, ``[n, size]``, and the token that follows each, ``[n]``."""
    view = np.lib.stride_tricks.sliding_window_view(ids, size + 1)
    return view[:, :-1], view[:, -1]


def start(seed: int) -> Params:
    """Normal weights of variance 1 / inputs, the outputs of each block smaller."""
    random = np.random.RandomState(seed)

    def normal(rows: int, columns: int, scale: float = 1.0) -> jax.Array:
        return jax.numpy.asarray(scale * random.randn(rows, columns) / np.sqrt(rows), "float32")

    def block() -> dict[str, jax.Array]:
        scales = {f"scale{place}": jax.numpy.ones(WIDTH) for place in (0, 1)}
        shifts = {f"shift{place}": jax.numpy.zeros(WIDTH) for place in (0, 1)}
        square = {name: normal(WIDTH, WIDTH) for name in ("query", "key", "value")}
        outputs = {"output": normal(WIDTH, WIDTH, 0.5), "narrow": normal(WIDE, WIDTH, 0.5)}
        return {
            "widen": normal(WIDTH, WIDE),
            "bias": jax.numpy.zeros(WIDE),
            **square,
            **outputs,
            **scales,
            **shifts,
        }

    return {
        "embedding": {"token": normal(len(ALPHABET), WIDTH), "position": normal(TOKENS, WIDTH, 0.5)},
        "block0": block(),
        "block1": block(),
        "head": {
            "scale": jax.numpy.ones(WIDTH),
            "shift": jax.numpy.zeros(WIDTH),
            "kernel": normal(WIDTH, len(ALPHABET), 0.5),
        },
    }


def train(seed: int = 0) -> Params:
    """Weights after ``STEPS`` steps on random stretches of the training lines."""
    random = np.random.RandomState(seed)
    stretches, _ = windows(lines(held_out=False), TOKENS + 1)
    chosen = (stretches[random.randint(len(stretches), size=SIZE)] for _ in range(STEPS))

    def loss(params: Params, inputs: jax.Array, following: jax.Array) -> jax.Array:
        return cross_entropy(batched(params, inputs).reshape(-1, len(ALPHABET)), following.ravel())

    data = ((rows[:, :-1], rows[:, 1:]) for rows in chosen)
    return adam(loss, start(seed), data, cosine(5e-3, STEPS), decay=0.01)


def main() -> None:
    params = train()
    inputs, following = windows(lines(held_out=True), TOKENS)
    guesses = jax.jit(jax.vmap(tiny_transformer.apply, (None, 0)))(params, inputs[::7]).argmax(axis=1)
    right = np.asarray(guesses) == following[::7]
    print(f"held out: {right.sum()} of {right.size} right, {100 * right.mean():.1f} %")
    save(WEIGHTS, params)


if __name__ == "__main__":
    main()
