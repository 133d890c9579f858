"""Small problems in which inputs, width, outputs, batch and depth all differ, so that no two axes can be confused."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from pcn_lib.energy import Problem, cross_entropy, squared_error
from pcn_lib.layers import (
    AveragePool,
    BlockShape,
    FlatDense,
    Layer,
    draw_block,
    draw_convolution,
    draw_dense,
)
from pcn_lib.network import MLP, Network, Stack
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Parameterisation, Role, mupc_skips


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


class Positions(Layer):
    """The pixels of an image as positions of a sequence: a layer that the library does not have."""

    def __call__(self, h):
        return h.reshape(-1, h.shape[-1])

    @property
    def linear(self) -> bool:
        return True

    by_loops = __call__


@dataclass(frozen=True)
class MixedCase(Case):
    """A network of every kind of layer: convolution, stacked residual ones, pooling, attention, dense, readout."""

    image: tuple[int, int, int] = (4, 5, 2)
    width: int = 3
    depth: int = 8

    def __str__(self) -> str:
        return f"mixed, {super().__str__()}"

    def problem(self) -> Problem:
        return _mixed_problem(self)

    def network(self) -> Network:
        N, size = self.width, (self.width, self.depth)
        kind = dict(dtype=self.dtype)
        active = dict(activation=self.activation, dtype=self.dtype)
        first, second, third, fourth, fifth = jax.random.split(jax.random.key(self.seed), 5)

        def residual(key):
            return draw_convolution(key, self.parameterisation, Role.HIDDEN, (3, N, N), size, skip=True, **active)

        pixels = (self.image[0] // 2) * (self.image[1] // 2)
        block = BlockShape(N, heads=N, blocks=1, activation=self.activation)
        dense = draw_dense(fourth, self.parameterisation, Role.HIDDEN, (4, pixels * N), size, **active)
        layers = (
            draw_convolution(first, self.parameterisation, Role.INPUT, (3, self.image[2], N), size, **kind),
            Stack(jax.vmap(residual)(jax.random.split(second, 2))),
            AveragePool(),
            Positions(),
            draw_block(third, self.parameterisation, block, self.dtype),
            FlatDense(dense.weight[...], dense.scales, activation=self.activation),
        )
        readout = draw_dense(fifth, self.parameterisation, Role.OUTPUT, (self.outputs, 4), size, **active)
        return Network(layers, readout, self.image)


@cache
def _mixed_problem(case: MixedCase) -> Problem:
    rng = np.random.default_rng(case.seed)
    x = rng.normal(size=(case.batch, *case.image))
    y = np.eye(case.outputs)[rng.integers(case.outputs, size=case.batch)]
    x, y = jnp.asarray(x, case.dtype), jnp.asarray(y, case.dtype)
    return Problem(case.network(), x, y, case.loss, case.output_precision)
