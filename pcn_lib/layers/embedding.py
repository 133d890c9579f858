"""Embeddings of tokens and of their positions."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from pcn_lib.layers.layer import Layer
from pcn_lib.parameterisation import Parameterisation, Role, Scales


class Embedding(Layer):
    """f_1(x)_t = a (E[x_t] + p_t): what the token is, and where it stands.

    One layer, with one prediction error.  Its input is whole numbers, so nothing is propagated below it; a
    number that is no token gives NaN, which nobody overlooks.

    Attributes:
        tokens: E, axes [vocabulary, width].
        positions: p, axes [length, width].
        scales: a is ``scales.multiplier``.
    """

    def __init__(
        self, tokens: Float[Array, "vocabulary width"], positions: Float[Array, "length width"], scales: Scales
    ):
        self.tokens = nnx.Param(tokens)
        self.positions = nnx.Param(positions)
        self.scales = scales

    def __call__(self, x: Int[Array, " length"]) -> Float[Array, "length width"]:
        embedded = self.tokens[...].at[x].get(mode="fill", fill_value=jnp.nan)
        return self.scales.multiplier * (embedded + self.positions[...])

    @property
    def linear(self) -> bool:
        # In its tokens; affine in the activities, of which it reads none.
        return False


def draw_embedding(
    key: Array, parameterisation: Parameterisation, shape: tuple[int, int, int], depth: int, dtype=jnp.float32
) -> Embedding:
    """An embedding with fresh weights; each token has one weight to a unit, so its fan-in is 1.

    Args:
        key: typed random key.
        parameterisation: its input row gives multiplier, variance and rates.
        shape: (vocabulary, length, width).
        depth: L of the network, as its parameterisation counts it.
    """
    vocabulary, length, width = shape
    scales = parameterisation.scales(Role.INPUT, fan_in=1, width=width, depth=depth)
    what, where = jax.random.split(key)
    tokens = parameterisation.draw(what, (vocabulary, width), scales, dtype)
    return Embedding(tokens, parameterisation.draw(where, (length, width), scales, dtype), scales)
