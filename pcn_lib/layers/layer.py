"""The one interface of every layer: a one-sample map with a prediction error at its output."""

from collections.abc import Callable

import jax
from flax import nnx
from jaxtyping import Array, PyTree

from pcn_lib.parameterisation import Scales


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
