"""The compiler's own mistakes do not reach an answer."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine
from app.engine.compilers import keep_right, options
from tests.engine.ask import ask


def test_products_in_a_row_are_right_by_every_algorithm(engine: Engine) -> None:
    """On jaxlib 0.10.2 for the CPU, left to itself, two of the algorithms are off by 1.4 times the answer."""
    draw = np.random.default_rng(0)
    up, down, head = (
        draw.standard_normal(shape).astype(np.float32) / np.sqrt(shape[0])
        for shape in ((128, 512), (512, 128), (128, 10))
    )
    scale = 1 + draw.standard_normal(128).astype(np.float32) / 10

    def apply(scale, x):
        centred = x - x.mean(-1, keepdims=True)
        normal = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return ((x + normal * scale @ up @ down).mean(0)) @ head

    function = Function(apply, ArraySpec("float32", (32, 128)), scale, wrt="params", name="products")
    x1, x2 = (draw.standard_normal((2, 32, 128)).astype(np.float32) for _ in range(2))

    def jacobian(x):
        centred = x - x.mean(-1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        chain = up.astype(float) @ down @ head
        return np.einsum("ntc,ck->nkc", normal, chain) / x.shape[1]

    exact = np.einsum("nkc,mlc->nkml", jacobian(x1.astype(float)), jacobian(x2.astype(float)))
    for algorithm in ("contraction", "forward", "vector_products", "structured"):
        found = ask(engine, function, x1, x2, wrt="params", algorithm=algorithm)
        assert np.abs(found - exact).max() < 1e-4 * np.abs(exact).max(), algorithm


def test_a_product_and_a_sum_under_vmap_are_right() -> None:
    """The program of jax-ml/jax issue 39103."""
    rows = np.zeros((32_769, 3), np.float32)
    rows[:, 0] = np.arange(len(rows))
    found = jax.jit(jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2)))(rows)
    np.testing.assert_allclose(found, rows[:, 0] ** 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("jaxlib", "before", "after"),
    [
        ("0.10.1", "", ""),
        ("0.10.2", "", "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"),
        (
            "0.11.2",
            "--a=b",
            "--a=b --xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
        ),
        ("0.11.0", "--xla_cpu_experimental_ynn_fusion_type=", "--xla_cpu_experimental_ynn_fusion_type="),
        ("0.12.0.1", "", ""),
    ],
)
def test_only_versions_that_need_it_are_asked_and_nobody_is_overruled(
    monkeypatch: pytest.MonkeyPatch, jaxlib: str, before: str, after: str
) -> None:
    monkeypatch.setenv("XLA_FLAGS", before)
    keep_right(jaxlib)
    assert os.environ["XLA_FLAGS"] == after


@pytest.mark.parametrize(
    ("platform", "flags", "level"),
    [
        ("cpu", "", 2),
        ("cpu", "--a=b", 2),
        ("cpu", "--xla_backend_optimization_level=0", None),
        ("cuda", "", None),
    ],
)
def test_cpus_are_compiled_for_at_the_level_that_is_soon_there_unless_another_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, platform: str, flags: str, level: int | None
) -> None:
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert (options(platform) or {}).get("xla_backend_optimization_level") == level
