"""A traced program → what it will cost: flops, bytes moved, seconds, bytes of temporaries. Runs nothing.

Own counts over the jaxpr, since a compiler's own figures do not see into loops. Each equation costs the
larger of its arithmetic and its traffic (a roofline); what a compiler drops, shares or fuses is neither
computed nor written. The peak is that of a walk that frees each value after its last use.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from jax.extend import core

from app.engine.devices import Rates
from app.engine.simplified import VIEWS, Simplified, bytes_of, simplified


@dataclass(frozen=True)
class Cost:
    """Predicted cost of one run of a program.

    Args:
        flops: floating-point operations.
        seconds: on the device that the rates are of.
        peak_bytes: temporaries and results held at once, arguments apart.
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

# A compiler holds some values twice: a loop's carry and the next one, an operand in another layout. Over
# the tests' functions that came to 1.9 times what the walk counts; a budget must not be exceeded.
_HELD_TWICE = 2
_REUSED = 1 << 20  # bytes that an allocator hands out again rather than fresh
_ALWAYS = 4096  # bytes that a program holds whatever it computes

# Rough flops of one element; what is not named costs one.
_DEAR = dict.fromkeys(("exp", "log", "tanh", "sin", "cos", "logistic", "erf", "pow", "rsqrt", "sqrt"), 10)
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
    walked = _walk(program.jaxpr, rates)
    touched = max(0, walked.peak_bytes - _REUSED) / rates.fresh_bytes_per_second
    return Cost(walked.flops, walked.seconds + touched, _HELD_TWICE * walked.peak_bytes + _ALWAYS)


def _walk(jaxpr: Any, rates: Rates) -> Cost:
    seen = simplified(jaxpr)
    flops = seconds = 0.0
    held = peak = 0
    for index, equation in enumerate(seen.equations):
        inner = _equation(equation, rates, seen)
        held += sum(seen.bytes_of(var) for var in equation.outvars)
        # What could be fused may be written after all, one value at a time.
        fused = sum(bytes_of(var.aval) for var in equation.outvars if var in seen.unwritten)
        peak = max(peak, held + fused + inner.peak_bytes)
        held -= sum(seen.bytes_of(var) for var in seen.ending.get(index, ()))
        fixed = 0.0 if all(var in seen.unwritten for var in equation.outvars) else rates.step_seconds
        flops, seconds = flops + inner.flops, seconds + inner.seconds + fixed
    return Cost(flops, seconds, peak)


def _equation(equation: Any, rates: Rates, seen: Simplified) -> Cost:
    name, params = equation.primitive.name, equation.params
    bodies = [_jaxpr(body) for body in core.jaxprs_in_params(params)]
    if bodies:
        return _call(name, params, bodies, rates)
    out = sum(_size(var.aval) for var in equation.outvars)
    written = sum(seen.bytes_of(var) for var in equation.outvars)
    read = sum(bytes_of(var.aval) for var in equation.invars)
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        depth = prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        return _roofline(2.0 * out * depth, read + written, rates, rates.flops_per_second, 0)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        features = kernel[params["dimension_numbers"].rhs_spec[0]]
        depth = prod(kernel) / features
        # A convolution by way of its patches holds them, and their gradient reads them again.
        patches = int(out / features * depth) * equation.outvars[0].aval.dtype.itemsize
        rate = rates.flops_per_second / _CONVOLVED
        if params["batch_group_count"] > 1:
            rate = rates.grouped_flops_per_second / _BATCH_GROUPED
        elif depth < _SHALLOW * prod(kernel[axis] for axis in params["dimension_numbers"].rhs_spec[2:]):
            rate = rates.grouped_flops_per_second if params["feature_group_count"] > 1 else rate
        return _roofline(2.0 * out * depth, read + written + patches, rates, rate, patches)
    if name in VIEWS:
        return NOTHING
    if name.startswith(_REDUCING) or "gather" in name or "scatter" in name:
        worked = max(out, sum(_size(var.aval) for var in equation.invars))
        return _roofline(float(worked), read + written, rates, rates.scalar_flops_per_second, 0)
    return _roofline(float(out * _DEAR.get(name, 1)), written, rates, rates.scalar_flops_per_second, 0)


def _call(name: str, params: Any, bodies: Iterable[Any], rates: Rates) -> Cost:
    costs = [_walk(body, rates) for body in bodies]
    if name == "scan":
        overhead = rates.step_seconds
        body = costs[0]
        return Cost(body.flops, body.seconds + overhead, body.peak_bytes) * params["length"]
    if name == "cond":
        return max(costs, key=lambda each: each.seconds)
    # A while loop's number of rounds is not known before it runs: one is counted.
    return sum(costs, NOTHING)


def _roofline(flops: float, moved: float, rates: Rates, flops_per_second: float, extra_bytes: int) -> Cost:
    return Cost(flops, max(flops / flops_per_second, moved / rates.bytes_per_second), extra_bytes)


def _jaxpr(body: Any) -> Any:
    return getattr(body, "jaxpr", body)


def _size(aval: Any) -> int:
    return prod(getattr(aval, "shape", ()))
