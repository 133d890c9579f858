"""Transformers that predict each next token."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.layers import (
    BlockShape,
    LayerNorm,
    Normalised,
    Unchanged,
    draw_block,
    draw_dense,
    draw_embedding,
    draw_norm,
)
from pcn_lib.network.checks import check_draw, check_sizes
from pcn_lib.network.network import Network, feedforward
from pcn_lib.network.stack import Stack
from pcn_lib.numerics import Activation
from pcn_lib.parameterisation import Parameterisation, Role


@dataclass(frozen=True)
class Transformer:
    """A GPT-style transformer: embedding, blocks, readout, each one layer of predictive coding.

    A sample is int32 [length], and its output [length, vocabulary].  With ``parameterisation``
    counting blocks as its depth, :func:`pcn_lib.parameterisation.complete_p` gives the authors' network.

    Attributes:
        vocabulary: tokens there are.
        length: T, tokens in a sample.
        width: N.
        heads: of attention; N is a multiple of it.
        blocks: how many; the network's depth L is two more, or three with the
            identity layer.
        activation: phi of the blocks' MLPs.
        layer_norm: whether both branches of a block, and the readout, read through a layer norm.
        softmax: whether attention is normalised; without it is linear attention.
        identity_layer: whether an identity stands between the blocks and the readout, where a last layer norm would
            be, as a layer of predictive coding: without weights, but with a prediction error of its own.  It leaves
            the function as it is, and adds one to the layers over which inference spreads an error.
        bias: whether every matrix but the embedding, and every layer norm, has one.

    Raises:
        ValueError: a size below 1, a width that the heads do not divide, or an identity beside a layer norm.

    Source: arXiv:2602.07697, Figure 4c, and the authors' code.
    """

    vocabulary: int
    length: int
    width: int
    heads: int = 8
    blocks: int = 12
    activation: Activation = jax.nn.gelu
    layer_norm: bool = False
    softmax: bool = True
    identity_layer: bool = False
    bias: bool = False

    def __post_init__(self):
        check_sizes(self, "vocabulary", "length", "width", "heads", "blocks")
        if self.width % self.heads:
            raise ValueError(
                f"width = {self.width} and heads = {self.heads} given; every head reads the same number of units: "
                "choose a width that is a multiple of the heads"
            )
        if self.identity_layer and self.layer_norm:
            raise ValueError(
                "layer_norm and identity_layer given; the identity stands where the last layer norm would be: "
                "choose one of them"
            )

    @property
    def hidden(self) -> int:
        """H, the layers with a prediction error: the embedding, the blocks and, where it is one, the identity."""
        return self.blocks + 1 + self.identity_layer

    def init(self, key: Array, parameterisation: Parameterisation, dtype=jnp.float32) -> Network:
        """A network with fresh weights.

        Args:
            key: typed random key; the same key gives the same weights in every dtype.
            parameterisation: the table of multipliers, variances and rates; its depth is the number of blocks.
            dtype: float32 or float64.

        Raises:
            ValueError: as :func:`~pcn_lib.network.checks.check_draw` says.
        """
        dtype = check_draw(key, parameterisation, dtype)
        first, middle, last = jax.random.split(key, 3)
        options = dict(softmax=self.softmax, bias=self.bias)
        shape = BlockShape(self.width, self.heads, self.blocks, self.activation, self.layer_norm, **options)
        sizes = (self.vocabulary, self.length, self.width)
        embedding = draw_embedding(first, parameterisation, sizes, self.blocks, dtype)
        keys = jax.random.split(middle, self.blocks)
        stack = Stack(jax.vmap(lambda key: draw_block(key, parameterisation, shape, dtype))(keys))
        shape_out, size = (self.vocabulary, self.width), (self.width, self.blocks)
        kind = dict(bias=self.bias, dtype=dtype)
        dense = draw_dense(last, parameterisation, Role.OUTPUT, shape_out, size, **kind)
        if not self.layer_norm:
            last_layer = (Unchanged(),) if self.identity_layer else ()
            return Network((embedding, stack, *last_layer), dense, (self.length,))
        norm = draw_norm(LayerNorm, parameterisation, size, **kind)
        return Network((embedding, stack), Normalised(norm, dense), (self.length,))


def sharpness(network: Network, x: Int[Array, "batch length"]) -> Float[Array, ""]:
    """How far a transformer's attention is from reading the whole past alike: the mean over samples, blocks and heads.

    See :meth:`pcn_lib.layers.Attention.sharpness`; taken on the feedforward pass.

    Args:
        network: of :meth:`Transformer.init`.
        x: tokens.
    """
    embedded, stacked, *_ = feedforward(network, x).activities
    below = jnp.concatenate([embedded[:, None], stacked[:, :-1]], axis=1)
    stack = network.blocks[1]
    if not isinstance(stack, Stack):
        raise ValueError("a network without a stack of blocks given; sharpness needs one made by Transformer(...).init")

    def of_sample(h: Array) -> Array:
        return jax.vmap(lambda block, h: block.attention.sharpness(block.first_norm(h)))(stack.layers, h)

    return jnp.mean(jax.vmap(of_sample)(below))
