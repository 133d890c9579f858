"""Causal attention, and the transformer block: one layer, with one prediction error at its output."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pcn_lib.layers.dense import Dense
from pcn_lib.layers.layer import Layer
from pcn_lib.numerics import Activation
from pcn_lib.parameterisation import Parameterisation, Role, Scales

#: Added to the variance in a layer norm, as everywhere.
VARIANCE_FLOOR = 1e-5
#: Width of the hidden layer of a block's MLP, in widths of the block.
EXPANSION = 4


class Unchanged(Layer):
    """f(h) = h, where a layer norm is left out."""

    def __call__(self, h: Array) -> Array:
        return h

    @property
    def linear(self) -> bool:
        return True


class LayerNorm(Layer):
    """f(h) = gain (h - mean h) / sqrt(var h + 1e-5) over the units of each position; no bias.

    Attributes:
        gain: axes [width].
    """

    def __init__(self, gain: Float[Array, " width"], scales: Scales):
        self.gain = nnx.Param(gain)
        self.scales = scales

    def __call__(self, h: Float[Array, "*positions width"]) -> Float[Array, "*positions width"]:
        centred = h - jnp.mean(h, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        normal = centred * jax.lax.rsqrt(variance + VARIANCE_FLOOR)
        return jnp.broadcast_to(self.gain[...], h.shape) * normal

    @property
    def linear(self) -> bool:
        return False


class Attention(Layer):
    """Causal attention with several heads: each position reads those up to itself.

        q, k, v = a_in W_in h,    A = softmax(s q k^T) over the past,    f(h) = a_out W_out (A v)

    Without the softmax (linear attention) A = s q k^T where the past is, and 0 elsewhere.

    Attributes:
        reading: W_in, axes [3 width, width].
        writing: W_out, axes [width, width].
        heads: how many; each reads width / heads units.
        scale: s, of the products of queries and keys.
        softmax: whether the weights A are normalised.
    """

    def __init__(self, reading: Dense, writing: Dense, *, heads: int, scale: float, softmax: bool = True):
        self.reading = reading
        self.writing = writing
        self.heads = heads
        self.scale = scale
        self.softmax = softmax

    def __call__(self, h: Float[Array, "length width"]) -> Float[Array, "length width"]:
        weights, v = self.weights(h)
        return self.writing(jnp.einsum("hts,shd->thd", weights, v).reshape(h.shape))

    def weights(
        self, h: Float[Array, "length width"]
    ) -> tuple[Float[Array, "heads length length"], Float[Array, "length heads units"]]:
        """A, how much position t reads of position s <= t, with axes [heads, t, s]; and the values v it reads."""
        length, width = h.shape
        q, k, v = jnp.moveaxis(self.reading(h).reshape(length, 3, self.heads, width // self.heads), 1, 0)
        products = self.scale * jnp.einsum("thd,shd->hts", q, k)
        past = jnp.broadcast_to(jnp.tril(jnp.ones(products.shape[1:], bool)), products.shape)
        if self.softmax:
            return jax.nn.softmax(jnp.where(past, products, -jnp.inf), axis=-1), v
        return jnp.where(past, products, 0), v

    def sharpness(self, h: Float[Array, "length width"]) -> Float[Array, ""]:
        """How far it is from reading the whole past alike: mean over heads and positions t = 1..T of

            log t + sum_s A_ts log A_ts,

        in nats; 0 for uniform attention, log t where position t reads a single one, NaN without the softmax.
        """
        weights, _ = self.weights(h)
        entropy = -jnp.sum(jax.scipy.special.xlogy(weights, weights), axis=-1)
        positions = jnp.arange(1, h.shape[0] + 1).astype(h.dtype)
        mean = jnp.mean(jnp.log(positions)[None] - entropy)
        return mean if self.softmax else jnp.full_like(mean, jnp.nan)

    @property
    def linear(self) -> bool:
        return False


class TransformerBlock(Layer):
    """h <- h + attention(h), then h <- h + a_down W_down phi(a_up W_up h): one layer, one prediction error.

    Each branch reads its input through a layer norm or as it is.

    Attributes:
        norms: what the two branches read through.
        attention, up, down: as above; the branch multiplier is that of ``attention.writing`` and of ``down``.
    """

    def __init__(self, attention: Attention, up: Dense, down: Dense, norms: tuple[Layer, Layer]):
        self.attention = attention
        self.up = up
        self.down = down
        self.first_norm, self.second_norm = norms

    def __call__(self, h: Float[Array, "length width"]) -> Float[Array, "length width"]:
        h = h + self.attention(self.first_norm(h))
        return h + self.down(self.up(self.second_norm(h)))

    @property
    def linear(self) -> bool:
        return False


class NormalisedReadout(Layer):
    """f_L(h) = a_L W_L norm(h): a readout that reads through a layer norm."""

    def __init__(self, norm: LayerNorm, readout: Dense):
        self.norm = norm
        self.readout = readout

    def __call__(self, h: Array) -> Array:
        return self.readout(self.norm(h))

    @property
    def linear(self) -> bool:
        return False


@dataclass(frozen=True)
class BlockShape:
    """What a transformer block is made of.

    Attributes:
        width: N.
        heads: of attention.
        blocks: L as the parameterisation counts it.
        activation: phi of the MLP.
        layer_norm: whether both branches read through one.
        softmax: whether attention is normalised.
    """

    width: int
    heads: int
    blocks: int
    activation: Activation = jax.nn.gelu
    layer_norm: bool = False
    softmax: bool = True


def draw_block(
    key: Array, parameterisation: Parameterisation, shape: BlockShape, dtype=jnp.float32
) -> TransformerBlock:
    """A transformer block with fresh weights.

    Every matrix has the numbers of the hidden row; its depth factor stands once in a branch, at the end.

    Args:
        key: typed random key.
        parameterisation: gives multipliers, variances, rates and the scale of attention.
        shape: sizes and options.
    """
    N = shape.width

    def dense(key, outputs: int, inputs: int, *, last: bool, **kind) -> Dense:
        scales = hidden_scales(parameterisation, inputs, N, shape.blocks)
        if not last:
            shallow = parameterisation.scales(Role.HIDDEN, fan_in=inputs, width=N, depth=1)
            scales = replace(scales, multiplier=shallow.multiplier)
        return Dense(parameterisation.draw(key, (outputs, inputs), scales, dtype), scales, **kind)

    read, write, up, down = jax.random.split(key, 4)
    attention = Attention(
        dense(read, 3 * N, N, last=False),
        dense(write, N, N, last=True),
        heads=shape.heads,
        scale=parameterisation.attention(N // shape.heads, N, shape.blocks),
        softmax=shape.softmax,
    )

    def norm() -> Layer:
        return draw_layer_norm(parameterisation, N, shape.blocks, dtype) if shape.layer_norm else Unchanged()

    return TransformerBlock(
        attention,
        dense(up, EXPANSION * N, N, last=False),
        dense(down, N, EXPANSION * N, last=True, activation=shape.activation),
        (norm(), norm()),
    )


def hidden_scales(parameterisation: Parameterisation, fan_in: int, width: int, blocks: int) -> Scales:
    """The numbers of one hidden matrix."""
    return parameterisation.scales(Role.HIDDEN, fan_in=fan_in, width=width, depth=blocks)


def draw_layer_norm(parameterisation: Parameterisation, width: int, blocks: int, dtype=jnp.float32) -> LayerNorm:
    """A layer norm of gain 1: trained as fast as an input weight, with the epsilon of a hidden one."""
    hidden = hidden_scales(parameterisation, width, width, blocks)
    first = parameterisation.scales(Role.INPUT, fan_in=1, width=width, depth=blocks)
    scales = replace(hidden, multiplier=1.0, gd_rate=first.gd_rate, adam_rate=first.adam_rate)
    return LayerNorm(jnp.ones(width, dtype), scales)
