"""Small problems in which inputs, width, outputs, batch and depth all differ, so that no two axes can be confused."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pcn_lib.energy import Problem, cross_entropy, squared_error
from pcn_lib.network import MLP
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Parameterisation, mupc_skips


@dataclass(frozen=True)
class Case:
    """One network and the random batch it is given."""

    parameterisation: Parameterisation = mupc_skips()
    activation: object = identity
    loss: object = squared_error
    dtype: str = "float64"
    skips: bool = True
    inputs: int = 7
    width: int = 5
    outputs: int = 3
    batch: int = 4
    depth: int = 6
    output_precision: float = 1.0
    seed: int = 0

    def mlp(self) -> MLP:
        return MLP(self.inputs, self.width, self.depth, self.outputs, self.activation, self.skips)

    def problem(self) -> Problem:
        weights, inputs, targets = jax.random.split(jax.random.key(self.seed), 3)
        network = self.mlp().init(weights, self.parameterisation, self.dtype)
        x = jax.random.normal(inputs, (self.batch, self.inputs), "float32").astype(self.dtype)
        y = jax.random.normal(targets, (self.batch, self.outputs), "float32").astype(self.dtype)
        if self.loss is cross_entropy:
            y = jax.nn.one_hot(jnp.argmax(y, axis=-1), self.outputs, dtype=self.dtype)
        return Problem(network, x, y, self.loss, self.output_precision)
