"""Two classes: loss, Moreau envelope and proximal points where they can be drawn."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.inference import NewtonCG
from pcn_lib.moreau import proximal_point, proximal_points
from pcn_lib.network import feedforward
from pcn_lib.rescaling import gram, linear_jacobians

#: M of the network solved by hand, one unit per layer and weights 1, 2, 1.
HAND_METRIC = 5.0


def logistic(u: Float[Array, "*outputs"], y: Float[Array, "*outputs"]) -> Float[Array, ""]:
    """ell = log(1 + exp(-y u)), the loss of two classes y = -1, 1 with one output."""
    return jnp.sum(jax.nn.softplus(-y * u))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TwoClasses:
    """What the picture shows.

    Attributes:
        f: outputs of a network with one output, a grid; axes [grid].
        losses, envelopes, proximal: logistic loss of y = 1 at f, its envelope, and the proximal point, M = 5.
        plane: outputs f of a two-class network; axes [batch, 2].
        moved: their proximal points by the theorem.
        reached: their outputs after iterative inference.
        stepped: f - M grad ell(f), BP's explicit step in the same metric.
        labels: the class of each sample; axes [batch].
    """

    f: Float[np.ndarray | Array, " grid"]
    losses: Float[np.ndarray | Array, " grid"]
    envelopes: Float[np.ndarray | Array, " grid"]
    proximal: Float[np.ndarray | Array, " grid"]
    plane: Float[np.ndarray | Array, "batch 2"]
    moved: Float[np.ndarray | Array, "batch 2"]
    reached: Float[np.ndarray | Array, "batch 2"]
    stepped: Float[np.ndarray | Array, "batch 2"]
    labels: Int[np.ndarray | Array, " batch"]


@jax.jit
def picture_two_classes(problem: Problem) -> TwoClasses:
    """Loss, envelope and proximal point with one output, and outputs before and after inference with two."""
    f = jnp.linspace(-8, 8, 161)
    y, M = jnp.ones(1), jnp.full((1, 1), HAND_METRIC)
    points = jax.vmap(lambda f: proximal_point(logistic, f[None], y, M))(f)
    outputs = feedforward(problem.network, problem.x).output
    slopes = jax.vmap(jax.grad(problem.loss))(outputs, problem.y)
    errors = NewtonCG(tolerance=1e-12)(problem).errors
    return TwoClasses(
        *(f, jax.nn.softplus(-f), points.energy, points.output[:, 0], outputs),
        moved=proximal_points(problem).output,
        reached=feedforward(problem.network, problem.x, errors).output,
        stepped=outputs - slopes @ gram(linear_jacobians(problem.network)),
        labels=jnp.argmax(problem.y, axis=-1),
    )
