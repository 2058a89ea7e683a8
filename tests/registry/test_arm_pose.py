"""The arm stands where its maker says, and J is the geometric Jacobian of the textbooks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from registry.arm_pose import READY, TABLE, arm_pose, geometry, rotation_vector
from tests.registry.dense import jacobian


def chain(q: np.ndarray) -> list[np.ndarray]:
    """Frames of the joints and the flange, ``[4, 4]`` each: Craig's matrix of the table, by plain NumPy."""
    frame, found = np.eye(4), []
    for (a, d, quarters), theta in zip(TABLE, [*q, 0.0], strict=True):
        ct, st, ca, sa = (
            np.cos(theta),
            np.sin(theta),
            np.cos(quarters * np.pi / 2),
            np.sin(quarters * np.pi / 2),
        )
        link = [
            [ct, -st, 0, a],
            [st * ca, ct * ca, -sa, -sa * d],
            [st * sa, ct * sa, ca, ca * d],
            [0, 0, 0, 1],
        ]
        frame = frame @ np.array(link)
        found.append(frame)
    return found


def geometric(q: np.ndarray) -> np.ndarray:
    """The geometric Jacobian, ``[6, 7]``: each joint's axis × lever arm, and its axis."""
    *joints, flange = chain(q)
    levers = [np.cross(joint[:3, 2], flange[:3, 3] - joint[:3, 3]) for joint in joints]
    return np.concatenate([np.array(levers).T, np.array([joint[:3, 2] for joint in joints]).T])


def manipulability(J: np.ndarray) -> float:
    """Yoshikawa's measure: the volume of the ellipsoid of velocities."""
    return float(np.sqrt(np.linalg.det(J @ J.T)))


def test_at_zero_angles_the_flange_is_where_the_table_adds_up_to():
    pose = np.asarray(arm_pose.apply(geometry(), np.zeros(7, np.float32)))
    np.testing.assert_allclose(pose[:3], [0.088, 0, 0.333 + 0.316 + 0.384 - 0.107], atol=1e-6)


def test_the_ready_pose_is_the_reference_of_the_orientation():
    pose = np.asarray(arm_pose.apply(geometry(), READY.astype(np.float32)))
    np.testing.assert_allclose(pose, [0.30689, 0, 0.59028, 0, 0, 0], atol=1e-5)


def test_in_the_ready_pose_the_matrix_is_the_manipulability_matrix():
    J = jacobian(arm_pose, READY)
    np.testing.assert_allclose(J, geometric(READY), atol=1e-6)
    np.testing.assert_allclose(manipulability(J), manipulability(geometric(READY)), rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_elsewhere_the_angle_of_the_rotation_gives_the_known_factor(seed):
    """√det K is larger than Yoshikawa's measure by the determinant of the rotation vector's derivative."""
    q = np.random.RandomState(seed).uniform(-1.5, 1.5, 7)
    angle = np.linalg.norm(np.asarray(arm_pose.apply(geometry(), q.astype(np.float32)))[3:])
    factor = angle**2 / (2 - 2 * np.cos(angle))
    assert manipulability(jacobian(arm_pose, q)) == pytest.approx(
        factor * manipulability(geometric(q)), rel=1e-4
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.063, 0.064, 1.0, 3.1])
def test_the_rotation_vector_is_axis_times_angle_whatever_the_sign_of_the_quaternion(angle, sign):
    axis = np.array([2, -1, 2]) / 3
    with jax.enable_x64(True):
        quaternion = sign * jnp.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)])
        np.testing.assert_allclose(rotation_vector(quaternion), angle * axis, rtol=1e-8, atol=1e-15)


def test_a_full_turn_of_one_joint_leads_back_to_the_same_pose():
    poses = [
        arm_pose.apply(geometry(), READY.astype(np.float32) + turn)
        for turn in np.float32(2 * np.pi) * np.eye(7, dtype=np.float32)
    ]
    start = arm_pose.apply(geometry(), READY.astype(np.float32))
    np.testing.assert_allclose(poses, np.tile(start, (7, 1)), atol=1e-5)
