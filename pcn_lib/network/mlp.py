"""Multilayer perceptrons."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pcn_lib.layers import Layer, Normalised, RMSNorm, draw_dense, draw_norm
from pcn_lib.network.checks import check_draw, check_sizes, check_whole
from pcn_lib.network.network import Network
from pcn_lib.network.stack import Stack
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: h_1 = a_1 W_1 x, h_l = tau h_{l-1} + a_l W_l phi(h_{l-1}), f = a_L W_L phi(h_{L-1}).

    With biases, b_l is added to every layer; with a norm, hidden layers and readout read norm(h) in place of h in phi.

    Attributes:
        inputs: D.
        width: N.
        depth: L, the number of weight layers (H = L - 1 hidden layers).
        outputs: K.
        activation: phi.
        skips: tau, one-layer skips on the hidden layers.
        bias: whether every layer has a bias b_l, and the norms a shift.
        norm: what norm(h) is, ``LayerNorm`` or ``RMSNorm`` of :mod:`pcn_lib.layers`; None for none.

    Source: arXiv:2602.07697, its setting.
    """

    inputs: int
    width: int
    depth: int
    outputs: int = 1
    activation: Activation = identity
    skips: bool = False
    bias: bool = False
    norm: type[RMSNorm] | None = None

    def __post_init__(self):
        check_sizes(self, "inputs", "width", "outputs")
        check_whole("depth", self.depth)
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
            return draw_dense(key, parameterisation, role, shape, size, bias=self.bias, dtype=dtype, **kind)

        def read(key, role, outputs, skip=False) -> Layer:
            shape, phi = (outputs, self.width), self.activation
            if self.norm is None:
                return dense(key, role, shape, activation=phi, skip=skip)
            norm = draw_norm(self.norm, parameterisation, size, bias=self.bias, dtype=dtype)
            return Normalised(norm, dense(key, role, shape, activation=phi), skip=skip)

        def hidden(key) -> Layer:
            return read(key, Role.HIDDEN, self.width, self.skips)

        blocks = [dense(first, Role.INPUT, (self.width, self.inputs))]
        if self.depth > 2:
            blocks.append(Stack(jax.vmap(hidden)(jax.random.split(middle, self.depth - 2))))
        return Network(tuple(blocks), read(last, Role.OUTPUT, self.outputs), (self.inputs,))
