"""Layers: parameters and one-sample maps z_{l-1} -> f_l(z_{l-1}).

A layer is a Flax NNX module used as a plain pytree.  It knows one sample; batches are
:func:`jax.vmap`'s business, and runs of equal layers are :class:`pcn_lib.network.Stack`'s.
"""

from pcn_lib.layers.attention import (
    Attention,
    BlockShape,
    TransformerBlock,
    draw_block,
)
from pcn_lib.layers.convolution import (
    AveragePool,
    Convolution,
    FlatDense,
    convolve_by_library,
    convolve_by_rows,
    draw_convolution,
)
from pcn_lib.layers.dense import Dense, draw_dense
from pcn_lib.layers.embedding import Embedding, draw_embedding
from pcn_lib.layers.layer import Layer
from pcn_lib.layers.vectors import Bias, LayerNorm, Normalised, RMSNorm, Unchanged, draw_bias, draw_norm
from pcn_lib.layers.wrapped import Applied, Wrapped, draw_wrapped

__all__ = [
    "Applied",
    "Attention",
    "AveragePool",
    "Bias",
    "BlockShape",
    "Convolution",
    "Dense",
    "Embedding",
    "FlatDense",
    "Layer",
    "LayerNorm",
    "Normalised",
    "RMSNorm",
    "TransformerBlock",
    "Unchanged",
    "Wrapped",
    "convolve_by_library",
    "convolve_by_rows",
    "draw_bias",
    "draw_block",
    "draw_convolution",
    "draw_dense",
    "draw_embedding",
    "draw_norm",
    "draw_wrapped",
]
