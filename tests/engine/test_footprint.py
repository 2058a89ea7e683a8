"""What a compiler leaves of a program, and the bytes that it holds, against the compiler's own count."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from app.engine.costs import cost
from app.engine.devices import Rates
from app.engine.footprint import peak_bytes
from app.engine.simplified import simplified

SIDE = 256
SQUARE = jax.ShapeDtypeStruct((SIDE, SIDE), jnp.float32)
WHOLE = SIDE * SIDE * 4


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision="highest")


def breadth(a: jax.Array, b: jax.Array) -> jax.Array:
    """Four products, each of which could be let go before the next."""
    return sum((product(product(a, b * i), b[0]) for i in range(2, 6)), b[0])


def slices(a: jax.Array, b: jax.Array) -> jax.Array:
    """Halves of a product meet in another one: beside the product, a copy of each."""
    made = product(a, b)
    numbers = (((1,), (1,)), ((), ()))
    return jax.lax.dot_general(made[: SIDE // 2], made[SIDE // 2 :], numbers, precision="highest")


def called(a: jax.Array, b: jax.Array) -> jax.Array:
    return product(jax.nn.relu(product(a, b)), jnp.where(a > 0, b, 0))


@pytest.mark.parametrize("function", [breadth, slices, called])
def test_the_bytes_that_are_held_are_those_of_the_compiler(function: Callable[..., Any]) -> None:
    program = jax.make_jaxpr(function)(SQUARE, SQUARE)
    seen = simplified(program.jaxpr)
    counted = peak_bytes(seen, [0] * len(seen.equations), results=False)
    analysis: Any = jax.jit(function).lower(SQUARE, SQUARE).compile().memory_analysis()
    held = analysis.temp_size_in_bytes
    assert held >= WHOLE
    assert 0.7 * held <= counted <= 1.5 * held


def test_what_a_comparison_gave_is_written_where_it_is_summed_up() -> None:
    """As a number of each entry, by the compiler of JAX 0.12; that of 0.10 sums it up as it is made."""

    def few(a: jax.Array, b: jax.Array) -> jax.Array:
        return ((a[:, :, None] > b[0, :8]) * a[:, :, None]).sum(2)

    program = jax.make_jaxpr(few)(SQUARE, SQUARE)
    seen = simplified(program.jaxpr)
    analysis: Any = jax.jit(few).lower(SQUARE, SQUARE).compile().memory_analysis()
    counted = peak_bytes(seen, [0] * len(seen.equations), results=False)
    assert max(8 * WHOLE, analysis.temp_size_in_bytes) <= counted <= 9 * WHOLE


def test_numbers_in_their_order_are_summed_up_as_they_are_made() -> None:
    program = jax.make_jaxpr(lambda a: (a.reshape(-1, 8) * jnp.arange(8.0)).sum(1))(SQUARE)
    assert peak_bytes(simplified(program.jaxpr), [0] * len(program.eqns), results=False) < WHOLE


def test_a_call_costs_what_its_body_does() -> None:
    def inner(a: jax.Array) -> jax.Array:
        return jnp.tanh(a @ a) + 1

    calls = [jax.make_jaxpr(each)(SQUARE) for each in (inner, jax.jit(inner), jax.jit(jax.jit(inner)))]
    assert len({cost(each, Rates()) for each in calls}) == 1


def test_calls_of_one_body_are_two() -> None:
    inner = jax.jit(jnp.tanh)
    once = jax.make_jaxpr(lambda a: inner(a @ a) @ a)(SQUARE)
    twice = jax.make_jaxpr(lambda a: inner(inner(a @ a) @ a) @ a)(SQUARE)
    assert cost(twice, Rates()).flops > 1.4 * cost(once, Rates()).flops


def test_steps_of_a_loop_without_products_are_light() -> None:
    def loop(body: Callable[[jax.Array], jax.Array], length: int = 1000) -> Callable[[jax.Array], jax.Array]:
        return lambda a: jax.lax.scan(lambda c, _: (body(c), None), a, length=length)[0]

    def seconds(function: Callable[[jax.Array], jax.Array]) -> float:
        return cost(jax.make_jaxpr(function)(jax.ShapeDtypeStruct((4, 4), jnp.float32)), Rates()).seconds

    def rolled(c: jax.Array) -> jax.Array:
        return c + jnp.roll(c, 1, 0)

    light, around = seconds(loop(rolled)), seconds(loop(loop(rolled, 2)))
    apart, within = seconds(loop(lambda c: rolled(c) @ c)), seconds(loop(loop(lambda c: rolled(c) @ c, 2)))
    assert light < around < 0.2 * apart < apart < within


def test_what_only_moves_values_is_free_where_it_is_fused() -> None:
    def padded(a: jax.Array) -> jax.Array:
        return jnp.pad(a[1:], ((0, 1), (0, 0))) + a

    program, plain = jax.make_jaxpr(padded)(SQUARE), jax.make_jaxpr(lambda a: a + a)(SQUARE)
    assert cost(program, Rates()).flops <= cost(plain, Rates()).flops + 1  # the padding's one value


def test_what_depends_on_no_step_of_a_loop_is_computed_once() -> None:
    def flops(step: Callable[..., jax.Array]) -> float:
        def loop(a: jax.Array) -> jax.Array:
            return jax.lax.scan(lambda c, _: (step(a, c), None), a, length=1000)[0]

        return cost(jax.make_jaxpr(loop)(SQUARE), Rates()).flops

    plain, within = flops(lambda a, c: a + c), flops(lambda a, c: jnp.tanh(a / (a + 1)) + c)
    assert within < 1.1 * plain
    assert flops(lambda a, c: jnp.tanh(a / (c + 1)) + c) > 5 * plain


def test_looking_up_costs_what_is_taken_and_not_the_table() -> None:
    def seconds(rows: int) -> float:
        table = jax.ShapeDtypeStruct((rows, 8), jnp.float32)
        places = jax.ShapeDtypeStruct((4,), jnp.int32)
        return cost(jax.make_jaxpr(lambda t, p: t[p])(table, places), Rates()).seconds

    assert seconds(100_000) == seconds(100)


def test_dividing_by_a_number_costs_what_multiplying_does() -> None:
    divided, multiplied = (jax.make_jaxpr(each)(SQUARE) for each in (lambda a: a / 3, lambda a: a * 3))
    assert cost(divided, Rates()).flops == cost(multiplied, Rates()).flops
    assert cost(jax.make_jaxpr(lambda a: a / (a + 1))(SQUARE), Rates()).flops > cost(divided, Rates()).flops
