"""Multilayer perceptrons."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pcn_lib.layers import draw_dense
from pcn_lib.network.checks import check_draw, check_sizes
from pcn_lib.network.network import Network
from pcn_lib.network.stack import Stack
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: h_1 = a_1 W_1 x, h_l = tau h_{l-1} + a_l W_l phi(h_{l-1}), f = a_L W_L phi(h_{L-1}).

    Attributes:
        inputs: D.
        width: N.
        depth: L, the number of weight layers (H = L - 1 hidden layers).
        outputs: K.
        activation: phi.
        skips: tau, one-layer skips on the hidden layers.

    Source: arXiv:2602.07697, its setting.
    """

    inputs: int
    width: int
    depth: int
    outputs: int = 1
    activation: Activation = identity
    skips: bool = False

    def __post_init__(self):
        check_sizes(self, "inputs", "width", "outputs", "depth")
        if not self.depth >= 2:
            raise ValueError(
                f"depth = {self.depth} given; inference needs a hidden layer: choose depth >= 2 weight layers"
            )

    def init(self, key: Array, parameterisation: Parameterisation, dtype=jnp.float32) -> Network:
        """A network with fresh weights.

        Args:
            key: typed random key; the same key gives the same weights in every dtype.
            parameterisation: the table of multipliers, variances and rates.
            dtype: float32 or float64.

        Raises:
            ValueError: as :func:`~pcn_lib.network.checks.check_draw` says.
        """
        dtype = check_draw(key, parameterisation, dtype)
        size = (self.width, self.depth)
        first, middle, last = jax.random.split(key, 3)

        def dense(key, role, shape, **kind):
            return draw_dense(key, parameterisation, role, shape, size, dtype=dtype, **kind)

        def hidden(key):
            square = (self.width, self.width)
            return dense(key, Role.HIDDEN, square, activation=self.activation, skip=self.skips)

        blocks = [dense(first, Role.INPUT, (self.width, self.inputs))]
        if self.depth > 2:
            blocks.append(Stack(jax.vmap(hidden)(jax.random.split(middle, self.depth - 2))))
        readout = dense(last, Role.OUTPUT, (self.outputs, self.width), activation=self.activation)
        return Network(tuple(blocks), readout, (self.inputs,))
