"""Layers: parameters and one-sample maps z_{l-1} -> f_l(z_{l-1}).

A layer is a Flax NNX module used as a plain pytree.  It knows one sample; batches are
:func:`jax.vmap`'s business, and runs of equal layers are :class:`pcn_lib.network.Stack`'s.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales


class Layer(nnx.Module):
    """One layer of a predictive coding network: a map with one prediction error at its output.

    Subclasses define ``__call__`` (one sample) and ``linear``; those made of other layers
    override :meth:`rates`.

    Attributes:
        scales: the numbers the parameterisation gave this layer.
    """

    scales: Scales

    def __call__(self, h: Array) -> Array:
        raise NotImplementedError

    @property
    def linear(self) -> bool:
        """Whether the map is linear in its input."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """How many weight layers l this block stands for."""
        return 1

    def rates(self, rule: Callable[[Scales], float | Array]) -> PyTree[float | Array]:
        """The learning-rate factor of every parameter, in the layer's own structure."""
        return jax.tree.map(lambda _: rule(self.scales), self)

    def forward(self, z: Array, error: Array | None) -> tuple[Array, Array]:
        """z_l = f_l(z_{l-1}) + e_l: the activity handed on, and the activities to keep (here the same)."""
        z = self(z) if error is None else self(z) + error
        return z, z

    def predict(self, below: Array, activity: Array) -> tuple[Array, Array]:
        """The activity handed on (as given, not predicted), and the prediction f_l(z_{l-1})."""
        return self.top(activity), self(below)

    def backward(self, below: Array, kept: Array, delta: Array) -> tuple[Array, Array]:
        """J_l^T delta_l: the sensitivity handed down, and the sensitivities to keep (here delta_l as given).

        Linearised at the activities ``below``, so that nothing of the forward pass need be stored.
        """
        _, pull_back = jax.vjp(self, below)
        return pull_back(delta)[0], delta

    def top(self, kept: Array) -> Array:
        """The activity handed on, out of those that :meth:`forward` keeps."""
        return kept


class Dense(Layer):
    """f_l(h) = tau h + a W phi(h), with tau = 1 where ``skip`` is set.

    Attributes:
        weight: W, axes [outputs, inputs].
        scales: a is ``scales.multiplier``.
        activation: phi, applied to the layer's *input*.
        skip: whether the input is added to the output (equal sizes only).
    """

    def __init__(
        self,
        weight: Float[Array, "outputs inputs"],
        scales: Scales,
        *,
        activation: Activation = identity,
        skip: bool = False,
    ):
        self.weight = nnx.Param(weight)
        self.scales = scales
        self.activation = activation
        self.skip = skip

    def __call__(self, h: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        # a W phi(h), written with the sample on the left so that a batch is one row-major product.
        branch = self.scales.multiplier * (self.activation(h) @ self.weight[...].T)
        return h + branch if self.skip else branch

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
    dtype=jnp.float32,
) -> Dense:
    """A dense layer with fresh weights.

    Args:
        key: typed random key.
        parameterisation: gives multiplier, variance and rates.
        role: input, hidden or output weight.
        shape: (outputs, inputs).
        size: (width N, depth L) of the network that the layer belongs to.
    """
    width, depth = size
    scales = parameterisation.scales(role, fan_in=shape[1], width=width, depth=depth)
    weight = parameterisation.draw(key, shape, scales, dtype)
    return Dense(weight, scales, activation=activation, skip=skip)
