"""Small problems in which inputs, width, outputs, batch and depth all differ, so that no two axes can be confused."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

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

    def __str__(self) -> str:
        activation = getattr(self.activation, "__name__", "activation")
        sizes = f"D{self.inputs} N{self.width} K{self.outputs} B{self.batch} L{self.depth}"
        kind = f"{self.parameterisation.name}{' skips' if self.skips else ''} {activation} {self.loss.__name__}"
        return f"{kind} {self.dtype} {sizes}"

    def mlp(self) -> MLP:
        return MLP(self.inputs, self.width, self.depth, self.outputs, self.activation, self.skips)

    def problem(self) -> Problem:
        return _problem(self)


@cache
def _problem(case: Case) -> Problem:
    # Not jitted: XLA takes seconds to compile random draws fused into one program.
    network = case.mlp().init(jax.random.key(case.seed), case.parameterisation, case.dtype)
    rng = np.random.default_rng(case.seed)
    x = rng.normal(size=(case.batch, case.inputs))
    y = rng.normal(size=(case.batch, case.outputs))
    if case.loss is cross_entropy:
        y = np.eye(case.outputs)[np.argmax(y, axis=-1)]
    return Problem(network, jnp.asarray(x, case.dtype), jnp.asarray(y, case.dtype), case.loss, case.output_precision)
