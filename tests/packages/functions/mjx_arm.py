"""MuJoCo-MJX: an arm of two links; the parameters are its model, with integers and tables."""

import mujoco
from mujoco import mjx

from app import ArraySpec, function

XML = """
<mujoco>
  <option timestep="0.01" integrator="Euler"><flag contact="disable" constraint="disable"/></option>
  <worldbody>
    <body name="upper">
      <joint name="shoulder" type="hinge" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" fromto="0 0 0 0.5 0 0" size="0.04"/>
      <body name="fore" pos="0.5 0 0">
        <joint name="elbow" type="hinge" axis="0 1 0" damping="0.1"/>
        <joint name="roll" type="hinge" axis="1 0 0" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0.4 0 0" size="0.03"/>
        <site name="hand" pos="0.4 0 0.05"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


def model():
    """The arm on the device."""
    return mjx.put_model(mujoco.MjModel.from_xml_string(XML))


@function(x=ArraySpec("float32", (3,), low=-1, high=1), params=model, wrt="x")
def mjx_hand(params, x):
    """Position of the hand for three joint angles."""
    data = mjx.make_data(params).replace(qpos=x)
    return mjx.kinematics(params, data).site_xpos[0]
