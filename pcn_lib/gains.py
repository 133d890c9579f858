"""What makes up for the variance that an activation function takes, for any activation function."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from pcn_lib.numerics import Activation, identity

#: The gains that initialisations usually have; tanh's is none of a Gaussian unit (1.593) but the authors'.
GAINS: dict[Activation, float] = {identity: 1.0, jnp.tanh: 5 / 3, jax.nn.relu: math.sqrt(2.0)}


def no_gain(activation: Activation) -> float:
    """1 for every activation function."""
    return 1.0


def usual_gain(activation: Activation) -> float:
    """The entry of :data:`GAINS` for an activation function, and for those not in it :func:`gaussian_gain`."""
    return GAINS.get(activation) or gaussian_gain(activation)


def gaussian_gain(activation: Activation) -> float:
    """E[phi(u)^2]^-1/2, u ~ N(0, 1): times this gain, the activation of a unit Gaussian has mean square 1.

    By Gauss's quadrature on each unit interval of |u| <= 12, to rounding where phi is smooth between whole numbers,
    as ReLU, GELU, SiLU and hard tanh are.

    Source: He et al. 2015 (arXiv:1502.01852), for ReLU.

    Raises:
        ValueError: an activation that is not one number for each number, or zero or not finite on average.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    u = np.add.outer(np.arange(-12, 12) + 0.5, nodes / 2).ravel()
    density = np.tile(weights / 2, 24) * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    # A number, also where weights are drawn inside a compiled function.
    with jax.ensure_compile_time_eval():
        phi = np.asarray(activation(jnp.asarray(u, jnp.result_type(float))), float)
    square = float(density @ phi**2) if phi.shape == u.shape else math.nan
    if not 0 < square < math.inf:
        raise ValueError(
            f"activation {name_of(activation)} given, whose mean square over a Gaussian input is {square}; "
            "a gain needs one that acts on each unit alone and is not zero: choose such a one, or a table without gains"
        )
    return square**-0.5


def name_of(activation: Activation) -> str:
    """What an activation function is called."""
    return getattr(activation, "__name__", str(activation))
