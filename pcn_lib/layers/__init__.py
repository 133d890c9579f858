"""Layers: parameters and one-sample maps z_{l-1} -> f_l(z_{l-1}).

A layer is a Flax NNX module used as a plain pytree.  It knows one sample; batches are
:func:`jax.vmap`'s business, and runs of equal layers are :class:`pcn_lib.network.Stack`'s.
"""

from pcn_lib.layers.dense import Dense, draw_dense
from pcn_lib.layers.layer import Layer

__all__ = ["Dense", "Layer", "draw_dense"]
