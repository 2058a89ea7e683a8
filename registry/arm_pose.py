"""Pose of a seven-joint robot arm: joint angles in, position and orientation of the flange out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

# Denavit-Hartenberg parameters in Craig's convention of the Franka Emika Panda, as its maker publishes them
# in the Franka Control Interface documentation, "Denavit-Hartenberg parameters": a and d in metres, alpha
# in quarter turns. The last row is the flange, which does not turn.
TABLE = np.array(
    [
        # a, d, alpha
        [0.0, 0.333, 0],
        [0.0, 0.0, -1],
        [0.0, 0.316, 1],
        [0.0825, 0.0, 1],
        [-0.0825, 0.384, -1],
        [0.0, 0.0, 1],
        [0.088, 0.0, 1],
        [0.0, 0.107, 0],
    ]
)
READY = np.array([0, -0.25, 0, -0.75, 0, 0.5, 0.25]) * np.pi  # the maker's ready pose, rad


def frames() -> dict[str, np.ndarray]:
    """Fixed part of each joint's frame, and the orientation that rotations are counted from.

    Returns:
        ``rotation`` ``[8, 3, 3]`` and ``offset`` ``[8, 3]`` (metres), link to link at zero angles;
        ``reference`` ``[3, 3]``: the flange's orientation in the ready pose, straight down.
    """
    a, d, quarters = TABLE.T
    angle = quarters * np.pi / 2
    cos, sin, zero, one = np.cos(angle).round(), np.sin(angle).round(), np.zeros(8), np.ones(8)
    tilt = np.array([[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]).transpose(2, 0, 1)
    h = np.sqrt(0.5)
    arrays = {
        "rotation": tilt,
        "offset": np.stack([a, -sin * d, cos * d], axis=1),
        "reference": np.array([[h, -h, 0.0], [-h, -h, 0.0], [0.0, 0.0, -1.0]]),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def example() -> tuple[np.ndarray, np.ndarray]:
    """The ready pose on both sides: K is the manipulability matrix there."""
    return READY.astype(np.float32), READY.astype(np.float32)


def rotation_vector(rotation: jax.Array) -> jax.Array:
    """Axis times angle of a rotation matrix, ``[3, 3]`` -> ``[3]``; smooth but at half a turn.

    The antisymmetric part holds axis · sin(angle). Near the identity the factor angle / sin(angle) is
    a series: its quotient, and the derivative of the norm, would be 0 / 0.
    """
    twist = 0.5 * (rotation - rotation.T)
    axis = jnp.stack([twist[2, 1], twist[0, 2], twist[1, 0]])
    cosine = 0.5 * (jnp.trace(rotation) - 1.0)
    square = axis @ axis
    small = (square < 1e-3) & (cosine > 0)
    sine = jnp.sqrt(jnp.where(small, 1.0, square))
    series = 1.0 + square / 6 + 3 * square**2 / 40 + 5 * square**3 / 112
    return axis * jnp.where(small, series, jnp.arctan2(sine, cosine) / sine)


@function(
    x=ArraySpec("float32", (7,), low=-1.5, high=1.5),
    params=frames,
    wrt="x",
    example=example,
    tags=("robotics",),
)
def arm_pose(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Position and orientation of a Franka Emika Panda's flange for seven joint angles.

    Args:
        params: the arm's geometry, see ``frames``.
        x: joint angles, ``[7]``, rad.

    Returns:
        ``[6]``: position in the base's frame, metres; then the rotation vector from ``reference`` to
        the flange's orientation, in the base's frame, rad. At ``reference`` its derivative is
        the angular velocity, and J the geometric Jacobian.
    """

    def link(frame: tuple[jax.Array, jax.Array], joint: tuple[jax.Array, ...]) -> tuple[Any, None]:
        rotation, position = frame
        tilt, offset, angle = joint
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        turn = jnp.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return (rotation @ tilt @ turn, position + rotation @ offset), None

    angles = jnp.append(x, 0.0)  # the flange does not turn
    base = jnp.eye(3, dtype=x.dtype), jnp.zeros(3, x.dtype)
    (rotation, position), _ = jax.lax.scan(link, base, (params["rotation"], params["offset"], angles))
    return jnp.concatenate([position, rotation_vector(rotation @ params["reference"].T)])
