"""Causal attention, and the transformer block: one layer, with one prediction error at its output."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pcn_lib.layers.dense import Dense
from pcn_lib.layers.layer import Layer
from pcn_lib.layers.vectors import Bias, LayerNorm, Unchanged, draw_norm
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales

#: Width of the hidden layer of a block's MLP, in widths of the block.
EXPANSION = 4


class Attention(Layer):
    """Causal attention with several heads: each position reads those up to itself.

        q, k, v = a_in W_in h,    A = softmax(s q k^T) over the past,    f(h) = a_out W_out (A v)

    Without the softmax (linear attention) A = s q k^T where the past is, and 0 elsewhere.

    Attributes:
        reading: W_in, axes [3 width, width]; with a bias where it has one.
        writing: W_out, axes [width, width]; likewise.
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
        bias: whether matrices and layer norms have one.
    """

    width: int
    heads: int
    blocks: int
    activation: Activation = jax.nn.gelu
    layer_norm: bool = False
    softmax: bool = True
    bias: bool = False


def draw_block(
    key: Array, parameterisation: Parameterisation, shape: BlockShape, dtype=jnp.float32
) -> TransformerBlock:
    """A transformer block with fresh weights.

    Every matrix has the numbers of the hidden row, every vector those of the hidden vectors' row; their depth factor
    stands once in a branch, at the end.

    Args:
        key: typed random key.
        parameterisation: gives multipliers, variances, rates and the scale of attention.
        shape: sizes and options.
    """
    N = shape.width

    def dense(key, outputs: int, inputs: int, *, last: bool, activation: Activation = identity) -> Dense:
        def numbers(depth: int) -> tuple[Scales, Scales]:
            size = dict(width=N, depth=depth)
            matrix = parameterisation.scales(Role.HIDDEN, fan_in=inputs, activation=activation, **size)
            return matrix, parameterisation.vector_scales(Role.HIDDEN, **size)

        end = numbers(shape.blocks if last else 1)
        scales, vector = (replace(s, multiplier=e.multiplier) for s, e in zip(numbers(shape.blocks), end, strict=True))
        bias = Bias(jnp.zeros(outputs, dtype), vector) if shape.bias else None
        return Dense(
            parameterisation.draw(key, (outputs, inputs), scales, dtype), scales, activation=activation, bias=bias
        )

    read, write, up, down = jax.random.split(key, 4)
    attention = Attention(
        dense(read, 3 * N, N, last=False),
        dense(write, N, N, last=True),
        heads=shape.heads,
        scale=parameterisation.attention(N // shape.heads, N, shape.blocks),
        softmax=shape.softmax,
    )

    def norm() -> Layer:
        kind = dict(bias=shape.bias, dtype=dtype)
        return draw_norm(LayerNorm, parameterisation, (N, shape.blocks), **kind) if shape.layer_norm else Unchanged()

    return TransformerBlock(
        attention,
        dense(up, EXPANSION * N, N, last=False),
        dense(down, N, EXPANSION * N, last=True, activation=shape.activation),
        (norm(), norm()),
    )
