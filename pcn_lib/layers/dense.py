"""Dense layers, h -> [h +] a W phi(h) [+ a_b b]."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pcn_lib.layers.layer import Layer
from pcn_lib.layers.vectors import Unchanged, draw_bias
from pcn_lib.numerics import Activation, check_activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales


class Dense(Layer):
    """f_l(h) = tau h + a W phi(h) [+ a_b b], with tau = 1 where ``skip`` is set; at every position alike if h has some.

    Attributes:
        weight: W, axes [outputs, inputs].
        scales: a is ``scales.multiplier``.
        activation: phi, applied to the layer's *input*.
        skip: whether the input is added to the output (equal sizes only).
        bias: a :class:`pcn_lib.layers.Bias`, with scales of its own, or nothing.
    """

    def __init__(
        self,
        weight: Float[Array, "outputs inputs"],
        scales: Scales,
        *,
        activation: Activation = identity,
        skip: bool = False,
        bias: Layer | None = None,
    ):
        check_activation(activation)
        self.weight = nnx.Param(weight)
        self.scales = scales
        self.activation = activation
        self.skip = skip
        self.bias = Unchanged() if bias is None else bias

    def __call__(self, h: Float[Array, "*positions inputs"]) -> Float[Array, "*positions outputs"]:
        # a W phi(h), written with the sample on the left so that a batch is one row-major product.
        return self.around(h, self.bias(self.scales.multiplier * (self.activation(h) @ self.weight[...].T)))

    @property
    def linear(self) -> bool:
        return self.activation is identity


def draw_dense(
    key: Array,
    parameterisation: Parameterisation,
    role: Role,
    shape: tuple[int, int],
    size: tuple[int, int],
    *,
    activation: Activation = identity,
    skip: bool = False,
    bias: bool = False,
    dtype=jnp.float32,
) -> Dense:
    """A dense layer with fresh weights.

    Args:
        key: typed random key.
        parameterisation: gives multiplier, variance and rates.
        role: input, hidden or output weight.
        shape: (outputs, inputs).
        size: (width N, depth L) of the network that the layer belongs to.
        bias: whether it has one, which starts at zero.
    """
    width, depth = size
    scales = parameterisation.scales(role, fan_in=shape[1], width=width, depth=depth, activation=activation)
    weight = parameterisation.draw(key, shape, scales, dtype)
    shift = draw_bias(parameterisation, role, shape[0], size, dtype) if bias else None
    return Dense(weight, scales, activation=activation, skip=skip, bias=shift)
