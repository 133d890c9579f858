"""The one interface of every layer: a one-sample map with a prediction error at its output."""

from collections.abc import Callable

import jax
from flax import nnx
from jaxtyping import Array, PyTree

from pcn_lib.parameterisation import Scales


class Layer(nnx.Module):
    """One layer of a predictive coding network: a map with one prediction error at its output.

    Subclasses define ``__call__`` (one sample) and ``linear``.  Their attributes may be layers again, each with
    scales of its own.

    Attributes:
        scales: the numbers the parameterisation gave this layer's own parameters.
        skip: whether the input is added to the output.
    """

    scales: Scales
    skip: bool = False

    def __call__(self, h: Array) -> Array:
        raise NotImplementedError

    @property
    def linear(self) -> bool:
        """Whether the map is linear in its input, up to a constant such as a bias."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """How many weight layers l this block stands for."""
        return 1

    def around(self, h: Array, branch: Array) -> Array:
        """h + branch where ``skip`` is set, the branch where it is not.

        Raises:
            ValueError: shapes that differ, and would broadcast.
        """
        if not self.skip:
            return branch
        if h.shape != branch.shape:
            raise ValueError(
                f"a skip from an input of shape {h.shape} to an output of shape {branch.shape} given; a sum needs one "
                "shape: choose as many outputs as inputs, or skip=False"
            )
        return h + branch

    def rates(self, rule: Callable[[Scales], float | Array]) -> PyTree[float | Array]:
        """The learning-rate factor of every parameter, in the layer's own structure."""
        return jax.tree.map(
            lambda part: part.rates(rule) if isinstance(part, Layer) else rule(self.scales),
            self,
            is_leaf=lambda part: isinstance(part, Layer) and part is not self,
        )

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
