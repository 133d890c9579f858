"""Layers of one vector: biases, and norms with their scales and shifts; what reads its input through one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pcn_lib.layers.layer import Layer
from pcn_lib.parameterisation import Parameterisation, Role, Scales

#: Added to the variance in a norm, as everywhere.
VARIANCE_FLOOR = 1e-5


class Unchanged(Layer):
    """f(h) = h, where a bias or a norm is left out."""

    def __call__(self, h: Array) -> Array:
        return h

    @property
    def linear(self) -> bool:
        return True


class Bias(Layer):
    """f(h) = h + a b, the same b at every position.

    Attributes:
        shift: b, axes [units].
        scales: a is ``scales.multiplier``; multiplier and rates are those of vectors, not of the weights beside it.
    """

    def __init__(self, shift: Float[Array, " units"], scales: Scales):
        self.shift = nnx.Param(shift)
        self.scales = scales

    def __call__(self, h: Float[Array, "*positions units"]) -> Float[Array, "*positions units"]:
        return h + jnp.broadcast_to(self.scales.multiplier * self.shift[...], h.shape)

    @property
    def linear(self) -> bool:
        return True


class RMSNorm(Layer):
    """f(h) = gain h / sqrt(mean h^2 + 1e-5) [+ bias] over the units of each position.

    Attributes:
        gain: axes [width].
        bias: the shift added last, or nothing.
    """

    def __init__(self, gain: Float[Array, " width"], scales: Scales, bias: Layer | None = None):
        self.gain = nnx.Param(gain)
        self.scales = scales
        self.bias = Unchanged() if bias is None else bias

    def __call__(self, h: Float[Array, "*positions width"]) -> Float[Array, "*positions width"]:
        normal = h * jax.lax.rsqrt(jnp.mean(h**2, axis=-1, keepdims=True) + VARIANCE_FLOOR)
        return self.bias(jnp.broadcast_to(self.gain[...], h.shape) * normal)

    @property
    def linear(self) -> bool:
        return False


class LayerNorm(RMSNorm):
    """f(h) = gain (h - mean h) / sqrt(var h + 1e-5) [+ bias] over the units of each position."""

    def __call__(self, h: Float[Array, "*positions width"]) -> Float[Array, "*positions width"]:
        return super().__call__(h - jnp.mean(h, axis=-1, keepdims=True))


class Normalised(Layer):
    """f(h) = tau h + layer(norm(h)), with tau = 1 where ``skip`` is set: a layer that reads through a norm.

    Attributes:
        norm: such as :class:`LayerNorm`.
        reader: the layer, without a skip of its own.
        skip: whether the input, as it was before the norm, is added to the output.
    """

    def __init__(self, norm: Layer, reader: Layer, *, skip: bool = False):
        self.norm = norm
        self.reader = reader
        self.skip = skip

    def __call__(self, h: Array) -> Array:
        return self.around(h, self.reader(self.norm(h)))

    @property
    def linear(self) -> bool:
        return self.norm.linear and self.reader.linear


def draw_bias(parameterisation: Parameterisation, role: Role, units: int, size: tuple[int, int], dtype) -> Bias:
    """A bias of zeros beside weights of a role, in a network of size (width N, depth L)."""
    return Bias(jnp.zeros(units, dtype), parameterisation.vector_scales(role, *size))


def draw_norm(
    kind: type[RMSNorm],
    parameterisation: Parameterisation,
    size: tuple[int, int],
    *,
    bias: bool = False,
    dtype=jnp.float32,
) -> RMSNorm:
    """A norm of gain 1 over the hidden units of a network of size (width N, depth L).

    Args:
        kind: :class:`LayerNorm` or :class:`RMSNorm`.
        parameterisation: gives the rates: those of a hidden vector.
        size: (width N, depth L), as the parameterisation counts them.
        bias: whether it has a shift, too.
    """
    scales = replace(parameterisation.vector_scales(Role.HIDDEN, *size), multiplier=1.0)
    shift = Bias(jnp.zeros(size[0], dtype), scales) if bias else None
    return kind(jnp.ones(size[0], dtype), scales, shift)
