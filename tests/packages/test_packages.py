"""Functions as users of many packages would register them: each is right, and it is known what falls back.

Only with ``--packages``; ``make test-packages`` makes the environment that has them, and asks for it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from app.catalog import Catalog
from app.engine import Engine
from app.engine.algorithms.structured import Structured
from app.engine.signature import signature
from app.engine.view import View
from app.engine.worlds import world
from app.errors import NotApplicable
from tests.engine.ask import ask
from tests.oracle import close, inputs, reference
from tests.packages.plain import plain
from tests.zoo import Entry

FUNCTIONS = Path(__file__).parent / "functions"
LOOSEST = 16 * 64  # slack of the bound: a looser one would hide a wrong term
REVERSE_ONLY = ("forward", "vector_products")
FORWARD_ONLY = ("contraction", "vector_products", "structured")
OVERLAP = "it is used through views that overlap"
SOLVED = "it enters custom_jvp_call"
LOOPED = "it enters custom_vjp_call"

# Warnings of the packages are not ours, and some of their functions compile for minutes.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Known:
    """What is known of a function.

    Args:
        wrts: variables; the first is its own.
        falls: leaves of these whose gradient is explicit, and where they enter.
        cannot: algorithms that cannot do it.
        wide: whether it can be traced in float64; some name float32 or int32 inside.
    """

    wrts: tuple[str, ...]
    falls: frozenset[str] = frozenset()
    cannot: tuple[str, ...] = ()
    wide: bool = True


def known(*wrts: str, falls: dict[str, str] | None = None, cannot=(), wide: bool = True) -> Known:
    """The same, from leaves to reasons."""
    said = frozenset(f"{leaf}: {reason}" for leaf, reason in (falls or {}).items())
    return Known(wrts, said, tuple(cannot), wide)


MLP = {f"params.layers.{layer}.{leaf}": "it enters cond" for layer in (0, 1) for leaf in ("weight", "bias")}
FLOW = "params.bijection.bijection.bijection.bijections.0"
SCALE = "params.base_dist.bijection.scale.args.0"
MASKED = "it enters select_n"

KNOWN = {
    "linen_transformer": known("params", "params.params.Embed_0"),
    "linen_lstm": known("params", "x", wide=False),
    "nnx_lora": known(
        "params.body.lora.lora_a,params.body.lora.lora_b",
        "params",
        "x",
        falls={"params.norm.var.value": "it enters rsqrt"},
    ),
    "equinox_stack": known("params", "x", "params.stack"),
    "haiku_net": known("params", "x", "params.block/~/hidden", falls={"x": "it enters conv_general_dilated"}),
    "neural_ode": known("params", "x", falls=dict.fromkeys([*MLP, "x"], LOOPED), cannot=REVERSE_ONLY),
    "neural_ode_forward": known("params", "x", cannot=FORWARD_ONLY),
    "neural_ode_direct": known("params", "x", falls=MLP | {"x": "it is carried by a scan"}),
    "neural_ode_backsolve": known(
        "params", "x", falls=dict.fromkeys([*MLP, "x"], LOOPED), cannot=REVERSE_ONLY
    ),
    "equilibrium": known(
        "params", "x", "params.w", falls=dict.fromkeys(["params.w", "params.b", "x"], SOLVED)
    ),
    "solved_by_conjugate_gradients": known("params", "x", falls={"x": SOLVED}),
    "solved_by_least_squares": known(
        "params", "x", falls={"params.w": "it enters linear_solve", "x": SOLVED}
    ),
    "netket_rbm": known("params", "x"),
    "netket_symmetric": known("params"),
    "netket_autoregressive": known("params", "params.params._layers_1"),
    "numpyro_density": known(
        "params",
        "x",
        falls={
            "params.level": OVERLAP,
            "params.mean": "it enters integer_pow",
            "params.spread": "it enters integer_pow",
            "params.freedom": "it enters log",
            "x": "it enters pow",
        },
        wide=False,
    ),
    "numpyro_counts": known("params", "x.z"),
    "mjx_hand": known("x", "params.body_pos", falls={"params.body_pos": OVERLAP}),
    "soft_sphere_forces": known("params", "x", falls={"params.sigma": "it enters div", "x": "it enters rem"}),
    "morse_energy": known("x", "params", falls={"x": "it enters rem", "params.epsilon": OVERLAP}),
    "distrax_spline": known("params", "x", falls={"params.scale": "it enters exp", "x": OVERLAP}),
    "flowjax_masked": known(
        "params",
        "x",
        falls={f"{FLOW}.masked_autoregressive_mlp.layers.{layer}.weight.args.1": MASKED for layer in (0, 1)}
        | {SCALE: SOLVED, "x": "it is carried by a scan"},
    ),
    "flowjax_block": known(
        "params",
        "x",
        falls={f"{FLOW}.bijection.layers.{layer}.0.weight.weight.args.0": MASKED for layer in (0, 1)}
        | {f"{FLOW}.bijection.layers.{layer}.0.weight.scale.args.0": SOLVED for layer in (0, 1)}
        | {SCALE: SOLVED, "x": "it is carried by a scan"},
    ),
    "equivariant_message": known("params", "x", falls={"x": "it enters integer_pow"}),
    "equivariant_layer": known("params", "x"),
    "graph_network": known("params", "x", falls={"x": OVERLAP}),
    "graph_attention": known("params"),
    "tinygp_prediction": known(
        "params", falls={"params.noise": "it enters scatter-add", "params.scale": "it enters div"}
    ),
    "tinygp_quasiseparable": known(
        "params",
        "x",
        falls={
            "params.scale": "it enters square",
            "params.noise": "it is repeated, padded or scaled before it enters a loop",
            "params.size": OVERLAP,
            "x": OVERLAP,
        },
    ),
    "gpjax_prediction": known(
        "params",
        "x",
        falls=dict.fromkeys(["params.scale", "params.size", "params.noise"], "it enters expm1")
        | {"x": "it enters integer_pow"},
    ),
    "dynamax_kalman": known("params.dynamics.weights,params.emissions.weights", "x"),
    "dynamax_hidden_markov": known(
        "params.emissions",
        "x",
        falls={
            "params.emissions.means": "it enters gather",
            "params.emissions.covs": "it enters gather",
            "x": "it enters triangular_solve",
        },
    ),
    "blackjax_leapfrog": known(
        "params",
        "x",
        falls={"params.precision": OVERLAP, "params.mass": "it enters sqrt", "x.position": OVERLAP},
    ),
    "trained_by_adam": known(
        "params", "x", "params.rate", falls={"params.w": "it is carried by a scan", "x": OVERLAP}
    ),
    "projected_and_scored": known("params"),
}
CASES = [(name, wrt) for name, each in KNOWN.items() for wrt in each.wrts]
# Each variable by the way that sees its leaves, the function's own by the others too.
WAYS = [
    (name, wrt, algorithm)
    for name, wrt in CASES
    for algorithm in ("structured", "vector_products", "forward", "auto")
    if algorithm not in KNOWN[name].cannot
    and (wrt == KNOWN[name].wrts[0] or algorithm in ("structured", "auto"))
]


@cache
def catalog() -> Catalog:
    made = Catalog((FUNCTIONS,))
    made.load()
    return made


@cache
def entry(name: str) -> Entry:
    return plain(catalog().functions[name], KNOWN[name].wrts, KNOWN[name].cannot)


def test_every_function_of_this_folder_is_known_and_the_first_variable_is_its_own():
    assert {name: function.wrt for name, function in catalog().functions.items()} == {
        name: each.wrts[0] for name, each in KNOWN.items()
    }


@pytest.mark.parametrize(("name", "wrt", "algorithm"), WAYS)
def test_the_matrix_is_that_of_the_dense_jacobians(name: str, wrt: str, algorithm: str, engine: Engine):
    x1, x2 = inputs(entry(name))
    dense = reference(entry(name), wrt, wide=KNOWN[name].wide)
    assert dense.slack <= LOOSEST
    close(ask(engine, catalog().functions[name], x1, x2, wrt=wrt, algorithm=algorithm), dense)


@pytest.mark.parametrize(
    ("name", "algorithm"), [(name, algorithm) for name, each in KNOWN.items() for algorithm in each.cannot]
)
def test_an_algorithm_that_cannot_says_so(name: str, algorithm: str, engine: Engine):
    with pytest.raises(NotApplicable, match=algorithm):
        ask(engine, catalog().functions[name], *inputs(entry(name)), algorithm=algorithm)


@pytest.mark.parametrize("name", [name for name, each in KNOWN.items() if "structured" not in each.cannot])
def test_of_all_leaves_only_these_fall_back(name: str):
    shapes = signature(catalog().functions[name])
    found: set[str] = set()
    with world(shapes.function):
        for wrt in KNOWN[name].wrts:
            found |= set(Structured().explicit(View(shapes, shapes.selection(wrt), "float32")))
    assert found == KNOWN[name].falls
