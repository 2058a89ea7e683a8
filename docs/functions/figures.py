"""The pictures and numbers of these pages, by way of the engine: ``python docs/functions/figures.py``.

Writes ``*.svg`` and ``numbers.json`` beside itself; a test holds the pages against the numbers.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from app.catalog import Catalog  # noqa: E402
from app.engine import Engine  # noqa: E402
from registry import _training as training  # noqa: E402
from registry.equinox_gru._train import NOISE, signals  # noqa: E402
from registry.rbm_log_psi import _optimise as spins  # noqa: E402
from registry.tiny_transformer import encode  # noqa: E402

mpl.use("Agg")
mpl.rcParams |= {
    "svg.hashsalt": "figures",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

ENGINE = Engine()
CATALOG = Catalog((ROOT / "registry",))
Numbers = dict[str, str]


def matrix(name: str, x1: Any, x2: Any = None, wrt: str | None = None) -> np.ndarray:
    """The matrix of a registered function, from single arrays or dicts of arrays."""
    arrays: dict[str, np.ndarray] = {}
    for side, x in (("x1", x1), ("x2", x2)):
        if isinstance(x, dict):
            arrays |= {f"{side}.{key}": np.asarray(value) for key, value in x.items()}
        elif x is not None:
            arrays[side] = np.asarray(x)
    problem = ENGINE.problem(CATALOG.functions[name], arrays, wrt=wrt)
    plan = ENGINE.plan(problem)
    ENGINE.prepare(plan)
    whole = np.empty(problem.sizes, problem.dtype)
    for block in ENGINE.execute(plan, problem):
        whole[slice(*block.rows), :, slice(*block.columns), :] = block.array
    return whole.reshape(problem.shape)


def similarity(K: np.ndarray) -> np.ndarray:
    """The trace over outputs, scaled to ones on the diagonal, ``[n, k, n, k]`` -> ``[n, n]``."""
    trace = np.einsum("iaja->ij", K)
    scale = np.sqrt(np.diag(trace))
    return trace / np.outer(scale, scale)


def digits_mlp() -> Numbers:
    """The kernel of 60 images, sorted by digit."""
    split = training.digits()
    rows = np.concatenate([np.flatnonzero(split.held_labels == digit)[:6] for digit in range(10)])
    alike = similarity(matrix("digits_mlp", split.held_images[rows].reshape(-1, 64)))
    same = split.held_labels[rows][:, None] == split.held_labels[rows]
    figure, axes = plt.subplots(figsize=(4, 3.4))
    shown = axes.imshow(alike, vmin=0, vmax=1, cmap="magma")
    axes.set_xticks(np.arange(10) * 6 + 2.5, [str(digit) for digit in range(10)])
    axes.set_yticks(np.arange(10) * 6 + 2.5, [str(digit) for digit in range(10)])
    figure.colorbar(shown, label="similarity")
    save(figure, "digits_mlp")
    others = ~np.eye(len(rows), dtype=bool)
    return {"same digit": f"{alike[same & others].mean():.2f}", "other digits": f"{alike[~same].mean():.2f}"}


def digits_cnn() -> Numbers:
    """A misread image, and the training images that move the wrong logit most, up and down."""
    split, function = training.digits(), CATALOG.functions["digits_cnn"]
    assert callable(function.params)
    logits = jax.vmap(function.apply, (None, 0))(function.params(), split.held_images)
    guesses = np.argmax(logits, axis=1)
    wrong = int(np.flatnonzero(guesses != split.held_labels)[0])
    label, guess = split.held_labels[wrong], guesses[wrong]
    cross = matrix("digits_cnn", split.held_images[wrong], split.images[:400])[guess, :, guess]
    loudest = np.argsort(-cross)
    agree = split.labels[loudest] == guess
    shown = [*loudest[agree][:3], *loudest[~agree][:3]]
    figure, panels = plt.subplots(1, 7, figsize=(8, 1.6))
    panels[0].set_title(f"a {label}, read as {guess}")
    for panel, image in zip(panels, [split.held_images[wrong], *split.images[shown]], strict=True):
        panel.imshow(image, cmap="gray_r")
        panel.set_axis_off()
    for panel, row in zip(panels[1:], shown, strict=True):
        panel.set_title(f"{split.labels[row]} {'for' if split.labels[row] == guess else 'against'}")
    save(figure, "digits_cnn")
    return {"label": f"a {label}", "guess": f"reads as a {guess}"}


def heat_rod() -> Numbers:
    """Eigenvalues of the data-space matrix, against the noise of the thermometers."""
    x1, _ = ENGINE.example(CATALOG.functions["heat_rod"])
    figure, axes = plt.subplots(figsize=(4.6, 3))
    numbers = {}
    for wrt, spread, label in (
        ("x", 10.0, "profile, ± 10 K"),
        ("params.conductivity", 5.0, "conductivity, ± 5 W/(m K)"),
    ):
        K = matrix("heat_rod", x1, wrt=wrt)
        values = np.linalg.eigvalsh(K.astype(np.float64))[::-1] * spread**2
        axes.semilogy(np.arange(1, 33), np.clip(values, 1e-7, None), "o-", ms=3, label=label)
        numbers[label] = str(int((values > 0.05**2).sum()))
    axes.axhline(0.05**2, color="gray", ls="--", lw=1)
    axes.text(32, 0.05**2 * 1.4, "noise of 0.05 K", ha="right", color="gray")
    axes.set(xlabel="number", ylabel="variance in the readings, K²", ylim=(1e-5, None))
    axes.legend(frameon=False)
    save(figure, "heat_rod")
    return numbers


def arm_pose() -> Numbers:
    """Manipulability while the elbow stretches."""
    ready = np.array([0, -0.25, 0, -0.75, 0, 0.5, 0.25]) * np.pi
    elbows = np.linspace(-2.9, -0.1, 57)
    poses = np.tile(ready, (57, 1))
    poses[:, 3] = elbows
    poses[:, 5] += ready[3] - elbows  # the flange keeps its direction
    K = matrix("arm_pose", poses.astype(np.float32), poses.astype(np.float32))
    measures = [np.sqrt(max(np.linalg.det(K[i, :, i].astype(np.float64)), 0)) for i in range(57)]
    K = matrix("arm_pose", ready.astype(np.float32))
    figure, axes = plt.subplots(figsize=(4.6, 2.6))
    axes.plot(elbows, measures)
    axes.plot(ready[3], np.sqrt(np.linalg.det(K)), "ko")
    axes.annotate(
        "ready", (float(ready[3]), float(np.sqrt(np.linalg.det(K)))), (4, 4), textcoords="offset points"
    )
    axes.set(xlabel="angle of joint 4, rad", ylabel="√det K", ylim=(0, None))
    save(figure, "arm_pose")
    axis = np.sqrt(np.linalg.eigvalsh(K[:3, :3].astype(np.float64)))
    return {"ready": f"{np.sqrt(np.linalg.det(K)):.4f}", "slow": f"{axis[0]:.2f}", "fast": f"{axis[2]:.2f}"}


def tiny_transformer() -> Numbers:
    """How alike four beginnings are to the network."""
    texts = [
        "nine hundred and ninety ",
        "five hundred and ninety ",
        "nine hundred and ninet",
        "six thousand and ",
    ]
    alike = similarity(matrix("tiny_transformer", np.stack([encode(text) for text in texts])))
    return {f"{texts[i]}|{texts[j]}": f"{alike[i, j]:.2f}" for i in range(4) for j in range(i)}


def rbm_log_psi() -> Numbers:
    """The energy's way down by natural gradient, with K, and by plain gradient."""
    exact = spins.ground_energy(spins.SPINS)
    figure, axes = plt.subplots(figsize=(4.6, 2.8))
    numbers = {}
    with jax.enable_x64(True):
        for label, natural in (("natural gradient, with K", True), ("plain gradient", False)):
            energies = [energy for energy, _ in spins.descent(natural=natural, steps=120)]
            errors = (np.array(energies) - exact) / abs(exact)
            axes.semilogy(errors, label=label)
            numbers[label] = f"{errors[-1]:.0e}"
    axes.set(xlabel="step", ylabel="relative error of the energy")
    axes.legend(frameon=False)
    save(figure, "rbm_log_psi")
    return numbers


def pendulum() -> Numbers:
    """Largest stretch over two seconds, all over phase space."""
    angle, velocity = np.meshgrid(np.linspace(-3, 3, 61), np.linspace(-6, 6, 61))
    states = [{"angle": a, "velocity": v} for a, v in zip(angle.ravel(), velocity.ravel(), strict=True)]
    function = CATALOG.functions["pendulum"]
    assert callable(function.params)
    slope = jax.vmap(jax.jacfwd(function.apply, argnums=1), (None, 0))
    batch = {key: np.array([state[key] for state in states], np.float32) for key in ("angle", "velocity")}
    flow = slope(function.params(), batch)
    J = np.array([[flow[a][b] for b in ("angle", "velocity")] for a in ("angle", "velocity")]).transpose(
        2, 0, 1
    )
    stretch = np.linalg.svd(J, compute_uv=False)[:, 0].reshape(angle.shape)
    figure, axes = plt.subplots(figsize=(4.6, 3.2))
    shown = axes.contourf(angle, velocity, np.log(stretch) / 2, 20, cmap="viridis")
    axes.set(xlabel="angle, rad", ylabel="velocity, rad/s")
    figure.colorbar(shown, label="Lyapunov exponent over 2 s, 1/s")
    save(figure, "pendulum")
    gentle = matrix("pendulum", {"angle": np.float32(0.3), "velocity": np.float32(0.0)}).astype(np.float64)
    wild = matrix("pendulum", {"angle": np.float32(3.0), "velocity": np.float32(0.2)})
    return {
        "determinant": f"{np.sqrt(np.linalg.det(gentle)):.4f}",
        "stretch": f"{np.linalg.norm(wild, 2) ** 0.5:.1f}",
    }


def flax_resnet() -> Numbers:
    """The share of each layer in the kernel's trace."""
    images = training.digits().held_images[:8]
    parts = {}
    for layer in ("stem", "Block_0", "Block_1", "head"):
        parts[layer] = float(np.einsum("iaia->", matrix("flax_resnet", images, wrt=f"params.params.{layer}")))
    return {layer: f"{100 * part / sum(parts.values()):.0f} %" for layer, part in parts.items()}


def equinox_gru() -> Numbers:
    """Noise of the samples, propagated to what is read, against what is missed."""
    x, truth = signals(np.random.RandomState(7), 200)
    K = matrix("equinox_gru", x, wrt="x")
    predicted = NOISE * np.sqrt(np.einsum("iaia->a", K) / len(x))
    function = CATALOG.functions["equinox_gru"]
    assert callable(function.params)
    found = jax.vmap(function.apply, (None, 0))(function.params(), x)
    missed = [
        np.sqrt(np.mean((found[name] - truth[:, i]) ** 2)) for i, name in enumerate(("frequency", "damping"))
    ]
    return {
        "propagated": f"{predicted[1]:.3f} Hz, {predicted[0]:.3f} 1/s",
        "missed": f"{missed[0]:.3f} Hz, {missed[1]:.3f} 1/s",
    }


def gum_impedance() -> Numbers:
    """Combined standard uncertainties and correlations."""
    K = matrix("gum_impedance", np.zeros(3))
    deviations = np.sqrt(np.diag(K))
    correlations = K / np.outer(deviations, deviations)
    names = ("impedance", "reactance", "resistance")
    found = {f"u({name})": f"{value:.4f}" for name, value in zip(names, deviations, strict=True)}
    return found | {
        f"r({names[i]}, {names[j]})": f"{correlations[i, j]:.4f}" for i in range(3) for j in range(i)
    }


PAGES: tuple[Callable[[], Numbers], ...] = (
    digits_mlp, digits_cnn, heat_rod, arm_pose, tiny_transformer, rbm_log_psi, pendulum, flax_resnet,
    equinox_gru, gum_impedance,
)  # fmt: skip


def save(figure: Any, name: str) -> None:
    """Write a picture that is the same bytes each time."""
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Make the pictures and numbers of the pages that are named, or of all."""
    CATALOG.load()
    file = HERE / "numbers.json"
    numbers = json.loads(file.read_text()) if file.exists() else {}
    for page in PAGES:
        if page.__name__ in (sys.argv[1:] or [page.__name__]):
            numbers[page.__name__] = page()
    file.write_text(json.dumps(numbers, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
