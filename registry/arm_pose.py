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


def geometry() -> dict[str, np.ndarray]:
    """What lies between the joints, and the orientation that rotations are counted from.

    Returns:
        ``tilt`` ``[8, 4]`` quaternions and ``offset`` ``[8, 3]`` metres, from each link to the next at zero
        angle; ``reference`` ``[4]``, the flange's orientation in the ready pose, straight down.
        Quaternions are real part first.
    """
    a, d, quarters = TABLE.T
    angle, zero = quarters * np.pi / 2, np.zeros(8)
    arrays = {
        "tilt": np.stack([np.cos(angle / 2), np.sin(angle / 2), zero, zero], axis=1),
        "offset": np.stack([a, -np.sin(angle) * d, np.cos(angle).round() * d], axis=1),
        "reference": np.array([0.0, np.cos(np.pi / 8), -np.sin(np.pi / 8), 0.0]),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def example() -> tuple[np.ndarray, np.ndarray]:
    """The ready pose on both sides: K is the manipulability matrix there."""
    return READY.astype(np.float32), READY.astype(np.float32)


def multiply(p: jax.Array, q: jax.Array) -> jax.Array:
    """Hamilton's product, ``[4], [4] -> [4]``: first the rotation q, then p."""
    real = p[0] * q[0] - p[1:] @ q[1:]
    return jnp.append(real, p[0] * q[1:] + q[0] * p[1:] + jnp.cross(p[1:], q[1:]))


def rotate(q: jax.Array, vector: jax.Array) -> jax.Array:
    """A vector, rotated by a unit quaternion, ``[4], [3] -> [3]``."""
    return vector + 2 * jnp.cross(q[1:], jnp.cross(q[1:], vector) + q[0] * vector)


def rotation_vector(q: jax.Array) -> jax.Array:
    """Axis times angle of a unit quaternion, ``[4] -> [3]``, at most half a turn; smooth below that.

    Near the identity the factor angle / sine is a series: its quotient, and the derivative of the norm,
    would be 0 / 0.
    """
    q = jnp.where(q[0] < 0, -q, q)
    square = q[1:] @ q[1:]
    small = square < 1e-3
    sine = jnp.sqrt(jnp.where(small, 1.0, square))
    series = 1.0 + square / 6 + 3 * square**2 / 40 + 5 * square**3 / 112
    return 2 * q[1:] * jnp.where(small, series, jnp.arctan2(sine, q[0]) / sine)


@function(
    x=ArraySpec("float32", (7,), low=-1.5, high=1.5),
    params=geometry,
    wrt="x",
    example=example,
    tags=("robotics",),
)
def arm_pose(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Position and orientation of a Franka Emika Panda's flange for seven joint angles.

    Args:
        params: the arm's geometry, see ``geometry``.
        x: joint angles, ``[7]``, rad.

    Returns:
        ``[6]``: position in the base's frame, metres; then the rotation vector from ``reference`` to
        the flange's orientation, in the base's frame, rad. At ``reference`` its derivative is
        the angular velocity, and J the geometric Jacobian.
    """

    def link(frame: tuple[jax.Array, jax.Array], joint: tuple[jax.Array, ...]) -> tuple[Any, None]:
        orientation, position = frame
        tilt, offset, angle = joint
        turn = jnp.array([jnp.cos(angle / 2), 0.0, 0.0, jnp.sin(angle / 2)])
        position = position + rotate(orientation, offset)
        return (multiply(multiply(orientation, tilt), turn), position), None

    base = jnp.array([1.0, 0.0, 0.0, 0.0], x.dtype), jnp.zeros(3, x.dtype)
    angles = jnp.append(x, 0.0)  # the flange does not turn
    (orientation, position), _ = jax.lax.scan(link, base, (params["tilt"], params["offset"], angles))
    conjugate = params["reference"] * jnp.array([1.0, -1.0, -1.0, -1.0])
    return jnp.concatenate([position, rotation_vector(multiply(orientation, conjugate))])
