"""Diffrax: a neural differential equation, by the solver's reverse rule and by its forward one."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from app import ArraySpec, function


def field(t, y, net):
    """A network as the right-hand side."""
    return net(y)


def solve(net, y0, adjoint, **controls):
    """The state after one second."""
    return diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Heun(), 0.0, 1.0, 0.1, y0, net, adjoint=adjoint, **controls
    ).ys[0]


def net():
    """A network of two layers."""
    return eqx.nn.MLP(3, 3, 5, 1, activation=jnp.tanh, key=jax.random.key(0))


def adaptive():
    """Steps as long as the error allows."""
    return diffrax.PIDController(rtol=1e-3, atol=1e-5)


X = ArraySpec("float32", (3,))


@function(x=X, params=net, wrt="params")
def neural_ode(params, x):
    """By checkpoints, the default, which has reverse mode alone."""
    return solve(params, x, diffrax.RecursiveCheckpointAdjoint(), stepsize_controller=adaptive())


@function(x=X, params=net, wrt="params")
def neural_ode_forward(params, x):
    """By a while loop, which has forward mode alone."""
    return solve(params, x, diffrax.ForwardMode(), stepsize_controller=adaptive())


@function(x=X, params=net, wrt="params")
def neural_ode_direct(params, x):
    """By bounded loops, which have both."""
    return solve(params, x, diffrax.DirectAdjoint(), max_steps=16)


@function(x=X, params=net, wrt="params")
def neural_ode_backsolve(params, x):
    """By a second equation that is solved backwards: an approximation of reverse mode."""
    return solve(params, x, diffrax.BacksolveAdjoint(), max_steps=16)
