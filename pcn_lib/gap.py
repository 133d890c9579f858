"""How far predictive coding's gradient is from backpropagation's before training, from theory alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, loss
from pcn_lib.network import feedforward
from pcn_lib.rescaling import sample_grams


@dataclass(frozen=True)
class Gap:
    """How far PC is from BP; axes [..., seeds] where measured, [...] where predicted.

    F* and its gradient are per output precision lambda.

    Attributes:
        rescaling: s - 1 = lambda sum_l ||P_l||^2.
        energy: 1 - F*/Loss.
        gradient: ||grad F* - grad Loss|| / ||grad Loss||.
        direction: 1 - cos(grad F*, grad Loss).
    """

    rescaling: Float[np.ndarray, "..."]
    energy: Float[np.ndarray, "..."]
    gradient: Float[np.ndarray, "..."]
    direction: Float[np.ndarray, "..."]

    @property
    def tan(self) -> Float[np.ndarray, "..."]:
        """The tangent of the angle between the two gradients."""
        return np.sqrt(self.direction * (2 - self.direction)) / (1 - self.direction)


@dataclass(frozen=True)
class Prediction:
    """Theory for one network at initialisation.

    Attributes:
        gap: as measured.
        layers: 1 - cos of each layer's gradient; axes [L].
    """

    gap: Gap
    layers: Float[np.ndarray, " layers"]


def predict(
    width: int, depth: int, *, alignment: float, gamma_0: float = 1.0, output_precision: float = 1.0
) -> Prediction:
    """The gap of muPC with skips, to leading order in 1/N at fixed depth; K = 1 and targets +-1.

        F* = lambda Loss / s,    grad F* = (lambda / s) (grad Loss - (Loss / s) grad s),    s = 1 + lambda sum ||P_l||^2

    The two gradients on the right become orthogonal; with tan = (Loss / s) ||grad s|| / ||grad Loss||,

        1 - F*/(lambda Loss) = 1 - 1/s,   cos = (1 + tan^2)^-1/2,   relative error = ((1 - 1/s)^2 + (tan / s)^2)^1/2.

    Source: derived here, see the chapter "Predictive coding computes backpropagation's gradients".

    Args:
        width: N.
        depth: L.
        alignment: q = ||(1/B) sum_i y_i x_i||^2 / D.
        gamma_0: output scale.
        output_precision: lambda.

    Raises:
        ValueError: a network without a hidden layer, or a size, alignment, scale or precision that is not positive.

    Assumes: Loss = 1/2, its value for targets +-1 when the output is small, gamma_0^2 N >> 1.
    """
    for name, least, given in (("width", 1, width), ("depth", 2, depth)):
        if not given >= least:
            raise ValueError(f"{name} = {given} given; a prediction needs a hidden layer: choose {name} >= {least}")
    for name, given in (("alignment", alignment), ("gamma_0", gamma_0), ("output_precision", output_precision)):
        if not given > 0:
            raise ValueError(f"{name} = {given} given; the prediction divides by it: choose {name} > 0")
    growth = 1 + 1 / depth
    sums = list(_squared_sums(depth))
    per_layer = 1 / (gamma_0**2 * width)
    hidden = [growth ** (2 * (depth - layer) - 1) * sums[layer - 2] / depth for layer in range(2, depth)]
    ds = 4 / (gamma_0**4 * width**3) * np.array([0.0, *hidden, sums[-1]])
    ends = growth ** (depth - 2)
    dloss = alignment * per_layer * np.array([ends] + [growth ** (depth - 3) / depth] * (depth - 2) + [ends])
    s = 1 + output_precision * depth * per_layer * (growth ** (depth - 1) - 1)
    scale = output_precision / (2 * s)
    return Prediction(
        _gap_of(s, scale * np.sqrt(ds.sum() / dloss.sum())), _one_minus_cosine(scale * np.sqrt(ds / dloss))
    )


def sweeps_to(gap: Gap, accuracy: float = 1e-6) -> float:
    """Sweeps until ||e_k - e*|| / ||e*|| = (s - 1)^k is within an accuracy; infinite where sweeps diverge.  K = 1.

    Source: derived here, see the chapter "One sweep is backpropagation".
    """
    factor = float(gap.rescaling)
    return max(1, math.ceil(math.log(accuracy) / math.log(factor))) if factor < 1 else math.inf


def rounds_to(gap: Gap, cosine: float = 0.99) -> int:
    """Rounds of multipliers with penalty 1 until the weight gradient's cosine with BP's is reached.  K = 1.

    Round k has the multipliers (1 - t^k) d and the errors t^(k-1) e*, t = 1 - 1/s, and so the weight gradient

        (1 - t^k) lambda (grad Loss - t^(k-1) (Loss / s) grad s):

    exact for a linear network; with grad s orthogonal to grad Loss, the tangent is t^(k-1) times that of PC.

    Source: derived here; the factor of the multipliers, in the chapter "Multipliers".
    """
    allowed, factor = math.sqrt(cosine**-2 - 1), float(gap.energy)
    return 1 + max(0, math.ceil(math.log(allowed / float(gap.tan)) / math.log(factor)))


def _squared_sums(depth: int) -> Iterable[float]:
    """g_n = || sum_{k<n} H_k u ||^2 / ||u||^2 for n = 1..L-1, H_k a product of k random layers and its transpose."""
    growth = 1 + 1 / depth
    squares = [growth ** (2 * k) * (1 + k * (1 - growth**-2)) for k in range(depth - 1)]
    total, cross = 0.0, 0.0
    for square in squares:
        # g_{n+1} = g_n + <H_n u, H_n u> + 2 sum_{k<n} <H_k u, H_n u>, the latter being G^{n-k} <H_k u, H_k u>.
        total += square + 2 * cross
        cross = growth * (cross + square)
        yield total


def _gap_of(s, tan) -> Gap:
    """The gap from the rescaling and the tangent of the angle between the gradients."""
    gradient = np.sqrt((1 - 1 / s) ** 2 + (tan / s) ** 2)
    return Gap(*map(np.asarray, (s - 1, 1 - 1 / s, gradient, _one_minus_cosine(tan))))


def _one_minus_cosine(tan):
    """1 - (1 + tan^2)^-1/2, without cancellation."""
    secant = np.sqrt(1 + tan**2)
    return tan**2 / (secant * (1 + secant))


@jax.jit
def first_order_gap(problem: Problem) -> Float[Array, ""]:
    """1 - F* / (lambda Loss) to first order in L / N:  lambda (1/2B) sum_i g_i^T M_i g_i / Loss,  g = grad_u ell(f, y).

    M is evaluated on the feedforward pass.  For deep linear networks it bounds the gap from above.

    Source: derived here, see the chapter "Nonlinear networks".
    """
    outputs = feedforward(problem.network, problem.x).output
    g = jax.vmap(jax.grad(problem.sample_loss))(outputs, problem.y)
    gMg = jnp.einsum("bi,bij,bj->b", g, sample_grams(problem), g)
    return problem.output_precision * jnp.mean(gMg) / 2 / loss(problem)
