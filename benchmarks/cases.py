"""The networks and data that are measured: random ones of a given size."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from pcn_lib.energy import Loss, Problem, squared_error
from pcn_lib.network import MLP
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import mupc_skips

#: What the data are, for the record.
DATA = "random: standard normal inputs, one-hot targets (one output: -1 or 1)"


@dataclass(frozen=True)
class Size:
    """One residual MLP under muPC and its batch.

    Attributes:
        width: N.
        depth: L.
        outputs: K.
        inputs: D.
        batch: B.
    """

    width: int
    depth: int
    outputs: int = 10
    inputs: int = 64
    batch: int = 64

    @property
    def short(self) -> str:
        """Width and depth."""
        return f"N = {self.width}, L = {self.depth}"

    def __str__(self) -> str:
        return f"L = {self.depth}, N = {self.width}, K = {self.outputs}, D = {self.inputs}, B = {self.batch}"


def problem(
    size: Size, activation: Activation = identity, loss: Loss = squared_error, *, dtype: str = "float64"
) -> Problem:
    """A network at initialisation with a random batch."""
    mlp = MLP(size.inputs, size.width, size.depth, size.outputs, activation, skips=True)
    network = mlp.init(jax.random.key(0), mupc_skips(), dtype)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((size.batch, size.inputs))
    if size.outputs == 1:
        y = rng.choice([-1.0, 1.0], (size.batch, 1))
    else:
        y = np.eye(size.outputs)[rng.integers(size.outputs, size=size.batch)]
    return Problem(network, jnp.asarray(x, dtype), jnp.asarray(y, dtype), loss)
