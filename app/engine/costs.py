"""A traced program → what it will cost: flops, bytes moved, seconds, bytes of temporaries. Runs nothing.

Own counts over the jaxpr, since a compiler's own figures do not see into loops. Each equation costs the
larger of its arithmetic and its traffic (a roofline); what a compiler drops, shares or fuses is neither
computed nor written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from jax.extend import core

from app.engine.devices import Rates
from app.engine.footprint import peak_bytes
from app.engine.simplified import (
    DEAR,
    Simplified,
    bodies_of,
    bytes_of,
    carry_of,
    in_one_piece,
    is_view,
    simplified,
    size_of,
)


@dataclass(frozen=True)
class Cost:
    """Predicted cost of one run of a program.

    Args:
        flops: floating-point operations.
        seconds: on the device that the rates are of.
        peak_bytes: temporaries held at once; arguments and results apart.
    """

    flops: float
    seconds: float
    peak_bytes: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.flops + other.flops, self.seconds + other.seconds, max(self.peak_bytes, other.peak_bytes)
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.flops * times, self.seconds * times, self.peak_bytes)


NOTHING = Cost(0.0, 0.0, 0)

# A compiler holds some values twice: a loop's carry and the next one, two branches of a sum that it takes
# in another order. Half of what auto takes over the benchmark's grid holds 0.98 to 1.08 times what is
# counted, one in twenty more than 1.45 times; a budget must not be exceeded.
_MARGIN = 1.6
_REUSED = 1 << 20  # bytes that an allocator hands out again rather than fresh
_ALWAYS = 2048  # bytes that a program holds whatever it computes
_REACHED = 0.8  # of the rates, which are those of programs that do one thing: the median over the same grid

_DEARER = 10  # rough flops of one element of what is dear; of anything else it is one
_MOVING = frozenset({"broadcast_in_dim", "iota", "slice", "transpose", "pad"})  # free where it is fused
_REDUCING = ("reduce_", "argm", "cum", "sort")

_CONVOLVED = 2  # times slower than a large product, flop for flop
_BATCH_GROUPED = 10  # times slower than one of single channels: gradients of their kernels
_SHALLOW = 8  # channels of a group below which it is no better than single ones


def cost(program: Any, rates: Rates) -> Cost:
    """Predict the cost of a closed jaxpr.

    Args:
        program: from ``jax.make_jaxpr``.
        rates: of the device.
    """
    walked = _walk(program.jaxpr, rates, results=False)
    results = sum(bytes_of(var.aval) for var in program.jaxpr.outvars)
    touched = max(0, walked.peak_bytes + results - _REUSED) / rates.fresh_bytes_per_second
    held = int(_MARGIN * walked.peak_bytes) + _ALWAYS + int(rates.workspace_bytes)
    return Cost(walked.flops, (walked.seconds + touched) / _REACHED, held)


def _walk(
    jaxpr: Any, rates: Rates, *, results: bool = True, times: int = 1, constants: Iterable[Any] = ()
) -> Cost:
    """Cost of an open jaxpr that is run some times; what depends on constants alone is computed once."""
    seen = simplified(jaxpr)
    each = [_equation(equation, rates, seen) for equation in seen.equations]
    known = seen.known(constants)
    runs = [1 if known.issuperset(equation.outvars) else times for equation in seen.equations]
    steps = sum(n * seen.writes(equation) for equation, n in zip(seen.equations, runs, strict=True))
    total = sum((cost * n for cost, n in zip(each, runs, strict=True)), NOTHING)
    peak = peak_bytes(seen, [cost.peak_bytes for cost in each], results=results)
    return Cost(total.flops, total.seconds + steps * rates.step_seconds, peak)


def _equation(equation: Any, rates: Rates, seen: Simplified) -> Cost:
    name, params = equation.primitive.name, equation.params
    if bodies := bodies_of(equation):
        return _call(equation, bodies, rates)
    out = sum(size_of(var.aval) for var in equation.outvars)
    written = sum(seen.bytes_of(var) for var in equation.outvars)
    read = sum(bytes_of(var.aval) for var in equation.invars)
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        depth = prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        copied = _transposed_bytes(equation)
        return _roofline(2.0 * out * depth, read + written, rates, rates.flops_per_second, copied)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        features = kernel[params["dimension_numbers"].rhs_spec[0]]
        depth = prod(kernel) / features
        # A convolution goes by way of its patches, though not all at once.
        patches = int(out / features * depth) * equation.outvars[0].aval.dtype.itemsize
        rate = rates.flops_per_second / _CONVOLVED
        if params["batch_group_count"] > 1:
            rate = rates.grouped_flops_per_second / _BATCH_GROUPED
        elif depth < _SHALLOW * prod(kernel[axis] for axis in params["dimension_numbers"].rhs_spec[2:]):
            rate = rates.grouped_flops_per_second if params["feature_group_count"] > 1 else rate
        return _roofline(2.0 * out * depth, read + written + patches, rates, rate, _reordered_bytes(equation))
    if is_view(equation):
        return NOTHING
    if name == "gather":  # of what it looks into it reads what it takes
        return _roofline(float(out), 2 * written, rates, rates.scalar_flops_per_second, 0)
    if name.startswith(_REDUCING) or "scatter" in name:
        worked = max(out, sum(size_of(var.aval) for var in equation.invars))
        return _roofline(float(worked), read + written, rates, rates.scalar_flops_per_second, 0)
    if name in _MOVING and not written:
        return NOTHING
    dear = name in DEAR and not (name == "div" and isinstance(equation.invars[1], core.Literal))
    flops = float(out * (_DEARER if dear else 1))
    return _roofline(flops, written, rates, rates.scalar_flops_per_second, 0)


def _call(equation: Any, bodies: Iterable[Any], rates: Rates) -> Cost:
    name = equation.primitive.name
    if name == "scan":
        (loop,) = bodies
        if in_one_piece(loop):
            rates = replace(rates, step_seconds=rates.light_step_seconds)
        length, (constants, _) = equation.params["length"], carry_of(equation, loop)
        body = _walk(loop, rates, times=length, constants=loop.invars[:constants])
        return replace(body, seconds=body.seconds + length * rates.step_seconds)
    costs = [_walk(body, rates) for body in bodies]
    if name == "cond":
        return max(costs, key=lambda each: each.seconds)
    # A while loop's number of rounds is not known before it runs: one is counted.
    return sum(costs, NOTHING)


def _transposed_bytes(product: Any) -> int:
    """Bytes of the operands of a product that it takes in another order of their axes."""
    contracted, batched = product.params["dimension_numbers"]
    held = 0
    for operand, inner, batch in zip(product.invars, contracted, batched, strict=True):
        axes = range(len(operand.aval.shape))
        free = [axis for axis in axes if axis not in inner and axis not in batch]
        if list(axes) not in ([*batch, *free, *inner], [*batch, *inner, *free]):
            held += bytes_of(operand.aval)
    return held


def _reordered_bytes(convolution: Any) -> int:
    """Bytes of what a convolution takes and gives in other orders than channels last."""
    numbers = convolution.params["dimension_numbers"]
    image, kernel = convolution.invars
    last = len(numbers.lhs_spec) - 1
    channels_last, features_last = (0, last, *range(1, last)), (last, last - 1, *range(last - 1))
    specs = (
        (numbers.lhs_spec, channels_last),
        (numbers.rhs_spec, features_last),
        (numbers.out_spec, channels_last),
    )
    arrays = (image, kernel, convolution.outvars[0])
    return sum(
        bytes_of(each.aval) for each, (spec, own) in zip(arrays, specs, strict=True) if tuple(spec) != own
    )


def _roofline(flops: float, moved: float, rates: Rates, flops_per_second: float, extra_bytes: int) -> Cost:
    return Cost(flops, max(flops / flops_per_second, moved / rates.bytes_per_second), extra_bytes)
