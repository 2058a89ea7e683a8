r"""A₁ A₂ᵀ of patches, where windows lie side by side: a product of pixels, and its windows summed.

$M_{st} = \sum_\delta P_{s+\delta,\,t+\delta}$ with $P_{uv} = \sum_c x_{1uc}\, x_{2vc}$

A window is a box, so that the sum is taken along one dimension after the other. Knows neither cotangents
nor which order is cheap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import jax.numpy as jnp
from jax import Array, lax


@dataclass(frozen=True)
class Windows:
    """How patches lie in an image, for each of its dimensions; strides and dilations are 1.

    Args:
        size: pixels of a window.
        out: windows.
        inside: first padded pixel that is the image's and is seen, and the first behind that is not.
    """

    size: tuple[int, ...]
    out: tuple[int, ...]
    inside: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, image: Sequence[int], size: Sequence[int], padding: Sequence[tuple[int, int]]) -> "Windows":
        """The windows of an image of these sizes.

        Args:
            image: pixels.
            size: pixels of a window.
            padding: pixels before and behind; below nothing they cut off.
        """
        padded = [pixels + sum(sides) for pixels, sides in zip(image, padding, strict=True)]
        inside = tuple(
            (max(0, before), min(before + pixels, whole))
            for (before, _), pixels, whole in zip(padding, image, padded, strict=True)
        )
        out = tuple(whole - window + 1 for whole, window in zip(padded, size, strict=True))
        return cls(tuple(size), out, inside)

    @property
    def positions(self) -> int:
        """Windows of one image."""
        return prod(self.out)

    @property
    def space(self) -> tuple[int, ...]:
        """Pixels that are seen and are no padding."""
        return tuple(stop - start for start, stop in self.inside)

    def pixels(self, patches: Array) -> Array:
        """The images that patches were taken from, as far as they are seen.

        Args:
            patches: ``[*, images windows, window C]``.

        Returns:
            ``[*, images, *space, C]``.
        """
        *rows, _, depth = patches.shape
        d, last = len(self.size), len(rows) + 1
        array = patches.reshape(*rows, -1, *self.out, *self.size, depth // prod(self.size))
        for at, (start, stop) in enumerate(self.inside):
            # Each window's first pixel, and what the last window sees behind its own.
            along, across = last + at, last + d
            count = array.shape[along]
            first = lax.index_in_dim(array, 0, across, keepdims=False)
            behind = lax.index_in_dim(array, count - 1, along, keepdims=False)
            behind = lax.slice_in_dim(behind, 1, None, axis=across - 1)
            behind = jnp.moveaxis(behind, across - 1, along)
            array = lax.slice_in_dim(jnp.concatenate([first, behind], along), start, stop, axis=along)
        return array

    def summed(self, product: Array) -> Array:
        """A product of pixels, the windows summed.

        Args:
            product: ``[m, *space, n, *space]`` of ``m`` and ``n`` images.

        Returns:
            ``[m windows, n windows]``.
        """
        d = len(self.size)
        for at, (size, out, (start, stop)) in enumerate(zip(self.size, self.out, self.inside, strict=True)):
            axes = (1 + at, 2 + d + at)
            sides = (start, out + size - 1 - stop)
            product = jnp.pad(product, [sides if axis in axes else (0, 0) for axis in range(product.ndim)])
            product = jnp.asarray(sum(_shifted(product, axes, step, out) for step in range(size)))
        m, n = product.shape[0], product.shape[1 + d]
        return product.reshape(m * self.positions, n * self.positions)

    def entries(self) -> list[int]:
        """Entries of the product of two images' pixels, and of what it is after each dimension's sum."""
        return [prod(self.out[:at] + self.space[at:]) ** 2 for at in range(len(self.size) + 1)]


def _shifted(array: Array, axes: Sequence[int], start: int, count: int) -> Array:
    for axis in axes:
        array = lax.slice_in_dim(array, start, start + count, axis=axis)
    return array
