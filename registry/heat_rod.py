"""Heat in a rod with sensors: what a few thermometers say about the rod, and about how it was heated."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

CELLS = 40
LENGTH_METRES = 0.1
HEAT_CAPACITY = 3.7e6  # J/(m³ K), density times specific heat of carbon steel
STEP_SECONDS = 0.1
STEPS_PER_READING = 100
READINGS = 8
SENSORS = np.array([4, 14, 25, 35], np.int32)  # cells that hold a thermometer

CENTRES_METRES = (np.arange(CELLS) + 0.5) * LENGTH_METRES / CELLS

Params = dict[str, jax.Array]


def steel_with_a_weld() -> dict[str, np.ndarray]:
    """Conductivity of each cell in W/(m K): carbon steel, and a poorer weld at 60 mm."""
    weld = np.exp(-(((CENTRES_METRES - 0.06) / 0.006) ** 2))
    return {"conductivity": (50.0 - 20.0 * weld).astype(np.float32)}


def example() -> tuple[np.ndarray, np.ndarray]:
    """Two ways to heat the rod: its left end, and its middle; 60 K above the room."""
    left = 60.0 * np.exp(-((CENTRES_METRES / 0.02) ** 2))
    middle = 60.0 * np.exp(-(((CENTRES_METRES - 0.05) / 0.01) ** 2))
    return left.astype(np.float32), middle.astype(np.float32)


def step(conductivity: jax.Array, temperature: jax.Array) -> jax.Array:
    """One explicit step of ρc ∂T/∂t = ∂/∂x (κ ∂T/∂x) in finite volumes; both ends are insulated.

    The conductivity of a face is the harmonic mean of its two cells, as for resistors in series.
    What leaves a cell enters its neighbour, so the heat in the rod is conserved.
    """
    spacing = LENGTH_METRES / CELLS
    left, right = conductivity[:-1], conductivity[1:]
    flux = -2.0 * left * right / (left + right) * jnp.diff(temperature) / spacing
    return temperature - STEP_SECONDS / (HEAT_CAPACITY * spacing) * jnp.diff(jnp.pad(flux, 1))


@function(
    x=ArraySpec("float32", (CELLS,), low=0, high=60),
    params=steel_with_a_weld,
    wrt="params.conductivity",
    example=example,
    tags=("physics", "inverse problem"),
)
def heat_rod(params: Params, x: jax.Array) -> jax.Array:
    """Readings of four thermometers on a rod that was heated and left alone for 80 seconds.

    Args:
        params: ``conductivity`` ``[40]``, W/(m K), positive; below 115 the steps stay stable.
        x: temperature of each cell at the start, ``[40]``, K above the room.

    Returns:
        ``[8, 4]``: one row of readings every 10 seconds, K above the room.
    """

    def advance(temperature: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        temperature = step(params["conductivity"], temperature)
        return temperature, temperature[SENSORS]

    _, seen = jax.lax.scan(advance, x, length=READINGS * STEPS_PER_READING)
    return seen[STEPS_PER_READING - 1 :: STEPS_PER_READING]
