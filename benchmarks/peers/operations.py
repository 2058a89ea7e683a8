"""Sizes of a network's layers → the fewest floating-point operations that any known order needs for K.

Counted are products of matrices, two operations for each multiplication with its addition; additions of
biases, activations and norms are left out. Nor is any use made of what is special to one network, such as
cotangents below a mean that are the same at each position.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A dense layer, or a convolution as a dense layer on its patches.

    Args:
        inputs: channels that come in, C.
        outputs: features that go out, F.
        positions: tokens or pixels that share the weight, S.
        window: pixels of the kernel; a patch has window · C numbers.
        below: whether another parameter lies below, so that cotangents have to pass.
        head: whether the cotangents that reach it are unit vectors: then G is an identity, and what it
            passes down are rows of its weight.
    """

    inputs: int
    outputs: int
    positions: int = 1
    window: int = 1
    below: bool = True
    head: bool = False


@dataclass(frozen=True)
class Work:
    """What a network does for one example.

    Args:
        layers: all that hold weights.
        products: operations of its products without weights, such as those of attention.
        elementwise: scales and shifts, each counted as one number of p.
    """

    layers: tuple[Layer, ...]
    products: int = 0
    elementwise: int = 0


def fewest_operations(work: Work, n1: int, n2: int, k: int) -> float:
    r"""Operations of the forward, of k cotangents backward, and of the products of factors.

    $K_{iajb} = \sum_{layers} \sum_{s,t,c,f} A1_{isc} G1_{iasf} A2_{jtc} G2_{jbtf}$

    Args:
        work: the layers.
        n1: examples of x1.
        n2: examples of x2, all other than those of x1.
        k: outputs.

    Returns:
        Floating-point operations: each example goes forward once, and each (example, output) backward
        once; then each layer takes the cheapest order of its product.
    """
    n = n1 + n2
    forward = sum(map(_pass, work.layers)) + work.products
    backward = sum(_pass(layer) for layer in work.layers if layer.below and not layer.head)
    backward += 2 * work.products
    factors = sum(_factors(layer, n1, n2, k) for layer in work.layers)
    return n * forward + n * k * backward + factors + 2.0 * n1 * n2 * k * k * work.elementwise


def _pass(layer: Layer) -> float:
    return 2.0 * layer.positions * layer.window * layer.inputs * layer.outputs


def _factors(layer: Layer, n1: int, n2: int, k: int) -> float:
    """The cheapest of the known orders, with the bias by summed cotangents where S > 1."""
    c, f, s = layer.window * layer.inputs, layer.outputs, layer.positions
    pairs, entries = n1 * n2, n1 * k * n2 * k
    similar = _similarities(layer, n1, n2)
    if layer.head:  # K = A1 A2ᵀ on the diagonal of the outputs
        return similar
    gradients = 2.0 * (n1 + n2) * k * s * c * f + 2.0 * entries * c * f
    inside_out = similar + 2.0 * pairs * k * s * s * f + 2.0 * entries * s * f
    outside_in = similar + 2.0 * entries * s * s * f + 2.0 * entries * s * s
    bias = 2.0 * entries * f if s > 1 else 0.0
    return min(gradients, inside_out, outside_in) + bias


def _similarities(layer: Layer, n1: int, n2: int) -> float:
    """A1 A2ᵀ: of patches by one product of pixels, and windows summed, if that is fewer."""
    pairs, s = n1 * n2, layer.positions
    patches = 2.0 * pairs * s * s * layer.window * layer.inputs
    pixels = 2.0 * pairs * s * s * layer.inputs + pairs * s * s * layer.window
    return min(patches, pixels)
