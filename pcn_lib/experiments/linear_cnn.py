"""The closed form of linear convolutional networks: its rescaling over width, and its equilibrium against inference."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset
from pcn_lib.energy import Problem, squared_error
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.network import CNN
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_convolutional
from pcn_lib.rescaling import LinearExact, expected_cnn_rescaling, rescaling

#: Relative norm of dF/dz to which the iterative equilibrium is taken, in float64.
TOLERANCE = 1e-11


@dataclass(frozen=True)
class ClosedForm:
    """What the closed form says.

    Attributes:
        rescaling: trace(S) / K - 1 of each initialisation.
        expected: its expected value.
        difference: of the activities, exact against iterative, relative, in the narrowest network.
        residual: ||dF/dz|| of the exact equilibrium, relative to its value on the feedforward pass.
    """

    rescaling: Float[np.ndarray, "draws widths"]
    expected: Float[np.ndarray, " widths"]
    difference: float
    residual: float


def closed_form(data: Dataset, widths: tuple[int, ...], blocks: int, *, draws: int, seed: int) -> ClosedForm:
    """Measure in float64, with the squared error.

    Args:
        data: images, not flattened.
        widths: N.
        blocks: residual blocks.
        draws: initialisations for each width.
        seed: of the first one.

    Raises:
        ValueError: float64 is switched off.
    """
    networks = [CNN(data.x.shape[1:], width, data.y.shape[1], blocks) for width in widths]
    keys = jax.random.split(jax.random.key(seed), draws)
    measured = [_mean_rescaling(cnn, keys) for cnn in networks]
    expected = [expected_cnn_rescaling(cnn, mupc_convolutional()) for cnn in networks]
    network = networks[0].init(keys[0], mupc_convolutional(), "float64")
    problem = Problem(network, jnp.asarray(data.x), jnp.asarray(data.y), squared_error)
    exact = equilibrate(problem, LinearExact())
    iterative = equilibrate(problem, Sweeps(TOLERANCE, accelerate=True)).require()
    apart = tree_norm(tree_subtract(exact.activities, iterative.activities)) / tree_norm(exact.activities)
    return ClosedForm(np.stack(measured, axis=1), np.array(expected), float(apart), float(exact.residual.max()))


def _mean_rescaling(cnn: CNN, keys: jax.Array) -> Float[np.ndarray, " draws"]:
    def one(key: jax.Array) -> jax.Array:
        S = rescaling(cnn.init(key, mupc_convolutional(), "float64"))
        return jnp.trace(S) / cnn.outputs - 1

    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))
