"""The wrt grammar: paths, globs, quoting, several at once, and what is said where nothing matches."""

import pytest

from app.engine import Engine
from app.engine.variables import Selection, render, select
from app.errors import SpecMismatch
from tests.zoo import ZOO

ENTRIES = {entry.name: entry for entry in ZOO}

X = [(("position",), True), (("kind",), False), (("a.b", "0"), True)]
PARAMS = [
    (("layers", "0", "kernel"), True),
    (("layers", "0", "bias"), True),
    (("layers", "10", "kernel"), True),
    (("head", "kernel"), True),
    (("head", "steps"), False),
    (("mlp/~/l.0", "w"), True),
    (("mlp/~/l", "0"), True),
    (("*",), True),
    (("[odd]",), True),
]


@pytest.mark.parametrize(
    ("wrt", "x", "params"),
    [
        ("x", (0, 2), ()),
        ("x.position", (0,), ()),
        ("x.[a.b]", (2,), ()),
        ("x.[a.b].0", (2,), ()),
        ("params", (), (0, 1, 2, 3, 5, 6, 7, 8)),
        ("params.layers", (), (0, 1, 2)),
        ("params.layers.0", (), (0, 1)),
        ("params.layers.1", None, None),
        ("params.layers.*.kernel", (), (0, 2)),
        ("params.*.kernel", (), (3,)),
        ("params.head", (), (3,)),
        ("params.[mlp/~/l.0]", (), (5,)),
        ("params.mlp/~/l.0", (), (6,)),
        ("params.[*]", (), (7,)),
        ("params.head,params.layers.0.bias", (), (1, 3)),
        ("params.head,params.head.kernel", (), (3,)),
        ("x,params.head", (0, 2), (3,)),
    ],
)
def test_a_wrt_names_leaves_by_whole_components(wrt, x, params):
    if x is None:
        with pytest.raises(SpecMismatch):
            select(wrt, X, PARAMS)
    else:
        assert select(wrt, X, PARAMS) == Selection(x, params)


@pytest.mark.parametrize(
    "wrt",
    [
        "",
        ",",
        "params,",
        ",params",
        "params.",
        ".params",
        "params..head",
        "params head",
        "y",
        "theta.head",
        "*",
        "params.[head",
        "params.head]",
        "params.[]x",
        "x1",
        "params.__class__",
        "params.head.kernel.shape",
        "x.0",
        "params.head.kernel.0",
        "x" * 10_000,
        "params.head\x00",
        "params.he",
        "params.**",
        "Params",
    ],
)
def test_what_names_nothing_is_refused(wrt):
    with pytest.raises(SpecMismatch):
        select(wrt, X, PARAMS)


def test_near_names_are_named():
    with pytest.raises(SpecMismatch, match=r"near.*params\.layers\.0\.kernel"):
        select("params.layers.0.kernl", X, PARAMS)
    with pytest.raises(SpecMismatch, match=r"x\.position"):
        select("x.positoin", X, PARAMS)


@pytest.mark.parametrize("wrt", ["x.kind", "params.head.steps"])
def test_what_holds_no_float_is_refused_and_said(wrt):
    with pytest.raises(SpecMismatch, match="no floating"):
        select(wrt, X, PARAMS)


def test_a_function_without_parameters_says_that_it_has_none():
    with pytest.raises(SpecMismatch, match="no params"):
        select("params", X, [])


@pytest.mark.parametrize("path", [path for path, _ in PARAMS])
def test_a_rendered_path_names_its_own_leaf(path):
    floating = [(other, True) for other, _ in PARAMS]
    (found,) = select(render("params", *path), X, floating).params
    assert PARAMS[found][0] == path


@pytest.mark.parametrize(
    ("name", "wrt", "p"),
    [
        ("mlp_dict", "params", 11 * 13 + 13 + 13 * 5 + 5),
        ("mlp_dict", "params.*.kernel", 11 * 13 + 13 * 5),
        ("mlp_tuple", "params.0.0,params.1.1", 11 * 13 + 17),
        ("dataclass_params", "params.*.weight", 13 * 11 + 7 * 13),
        ("lora", "params.*.lora_a,params.*.lora_b", 2 * (11 + 13 + 13 + 7)),
        ("odd_leaves", "params", 7 * 11 + 1),
        ("dotted_keys", "params.[mlp/~/l.0]", 13 * 11),
        ("mixed_input", "x", 7),
        ("nested_input", "x", 5 + 7 + 1 + 6),
        ("scalar_input", "x", 1),
    ],
)
def test_p_counts_the_floating_scalars_of_a_variable(engine: Engine, name, wrt, p):
    assert engine.signature(ENTRIES[name].function).p(wrt) == p


@pytest.mark.parametrize("name", ["embedding", "sine_sums"])
def test_a_variable_that_a_function_has_not_is_refused(engine: Engine, name):
    missing = {"embedding": "x", "sine_sums": "params"}[name]
    with pytest.raises(SpecMismatch):
        engine.explain(ENTRIES[name].function, 3, wrt=missing)
