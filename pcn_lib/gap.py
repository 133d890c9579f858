"""How far predictive coding's gradient is from backpropagation's before training, from theory alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from pcn_lib.energy import Problem, loss
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import sample_grams
from pcn_lib.wishart import effective_width


@dataclass(frozen=True)
class Gap:
    """How far PC is from BP; axes [..., seeds] where measured, those of the sizes where predicted.

    F* and its gradient are per output precision lambda.

    Attributes:
        rescaling: s - 1 = lambda sum_l ||P_l||^2, with K outputs their mean.
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
    """Theory for networks at initialisation.

    Attributes:
        gap: as measured.
        layers: 1 - cos of each layer's gradient; axes [..., L], NaN beyond the depth of a shallower network.
    """

    gap: Gap
    layers: Float[np.ndarray, "... layers"]


def alignment(x: ArrayLike, y: ArrayLike) -> float:
    """q = ||(1/B) sum_i y_i x_i^T||^2 / (D tr C^2), C = (1/B) sum_i y_i y_i^T: what :func:`predict` knows of the data.

    For one output and targets +-1, C = 1.

    Args:
        x: inputs, axes [batch, ...].
        y: targets, axes [batch, outputs].

    Raises:
        ValueError: targets without an axis of outputs, that are all zero, or of another batch than the inputs.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if y.ndim != 2 or len(x) != len(y) or not y.any():
        raise ValueError(
            f"inputs of shape {x.shape} and targets of shape {y.shape}, the largest {np.max(np.abs(y), initial=0):g}, "
            "given; targets [batch, outputs] that are not all zero are needed: pass y[:, None], or labels one-hot"
        )
    x = x.reshape(len(x), -1)
    cross, C = y.T @ x / len(x), y.T @ y / len(x)
    return float(np.sum(cross**2) / x.shape[1] / np.sum(C**2))


def predict(
    width: ArrayLike,
    depth: ArrayLike,
    *,
    alignment: ArrayLike,
    gamma_0: ArrayLike = 1.0,
    output_precision: ArrayLike = 1.0,
    outputs: ArrayLike = 1,
) -> Prediction:
    """The gap of linear networks under muPC with skips, to leading order in 1/N at fixed depth, before training.

        F* = lambda Loss / s,    grad F* = (lambda / s) (grad Loss - (Loss / s) grad s),    s = 1 + lambda sum ||P_l||^2

    The two gradients on the right become orthogonal; with tan = (Loss / s) ||grad s|| / ||grad Loss||,

        1 - F*/(lambda Loss) = 1 - 1/s,   cos = (1 + tan^2)^-1/2,   relative error = ((1 - 1/s)^2 + (tan / s)^2)^1/2.

    With K outputs S is a matrix, s = tr S / K, and what S departs from s I by turns the residual: to tan^2 it adds
    (K - 1)(K + 2) / (K nu) (1 - 1/s)^2, nu the effective width (:func:`pcn_lib.wishart.effective_width`).

    Source: derived here, see the chapters "Predictive coding computes backpropagation's gradients" and, for K outputs
    and nu, "Width and depth".

    Args:
        width: N. All arguments are numbers or arrays, which are broadcast.
        depth: L.
        alignment: q, of the data, from :func:`alignment`.
        gamma_0: output scale.
        output_precision: lambda.
        outputs: K.

    >>> predict([64, 256], [[2], [8]], alignment=0.1).gap.direction.shape
    (2, 2)

    Raises:
        ValueError: a size that is no whole number, no hidden layer, or an alignment, output scale or output precision
            that is not positive.

    Assumes: the squared error; targets of about 1 (+-1, or one-hot with classes alike), beside which the output is
        small, gamma_0^2 N >> K.
    """
    sizes = dict(width=width, depth=depth, outputs=outputs)
    numbers = dict(alignment=alignment, gamma_0=gamma_0, output_precision=output_precision)
    arrays = np.broadcast_arrays(*map(np.asarray, (sizes | numbers).values()))
    for (name, least), values in zip(dict(width=1, depth=2, outputs=1).items(), arrays[:3], strict=True):
        for wrong in values[~(values >= least) | (values % 1 != 0)].tolist():
            raise ValueError(f"{name} = {wrong} given; a network needs a whole number: choose {name} >= {least}")
    for name, values in zip(numbers, arrays[3:], strict=True):
        for wrong in values[~((values > 0) & np.isfinite(values))].tolist():
            raise ValueError(f"{name} = {wrong} given; the prediction needs a positive number: choose {name} > 0")
    networks = zip(*(values.ravel().tolist() for values in arrays), strict=True)
    excess, tangents = zip(*(_predict(*network) for network in networks), strict=True)
    longest, shape = max(map(len, tangents)), arrays[0].shape
    tan = np.array([np.pad(one, (0, longest - len(one)), constant_values=np.nan) for one in tangents])
    total, layers = tan[:, 0].reshape(shape), tan[:, 1:].reshape(*shape, -1)
    return Prediction(_gap_of(np.reshape(excess, shape), total), _one_minus_cosine(layers))


def _predict(
    width: float, depth: float, outputs: float, alignment: float, gamma_0: float, output_precision: float
) -> tuple[float, Float[np.ndarray, " 1+layers"]]:
    """s - 1, and tan of the angles between the two gradients of all weights and of each layer's."""
    depth, growth = int(depth), 1 + 1 / depth
    sums = list(_squared_sums(depth))
    per_layer = 1 / (gamma_0**2 * width)
    hidden = [growth ** (2 * (depth - layer) - 1) * sums[layer - 2] / depth for layer in range(2, depth)]
    ds = 4 * output_precision**2 / (gamma_0**4 * width**3) * np.array([0.0, *hidden, sums[-1]])
    ends = growth ** (depth - 2)
    dloss = alignment * per_layer * np.array([ends] + [growth ** (depth - 3) / depth] * (depth - 2) + [ends])
    excess = output_precision * depth * per_layer * (growth ** (depth - 1) - 1)
    s = 1 + excess
    nu = effective_width(MLP(1, int(width), depth, skips=True), mupc_skips())
    turned = (outputs - 1) * (outputs + 2) / (outputs * nu) * (excess / s) ** 2
    return excess, np.sqrt(np.array([ds.sum() / dloss.sum(), *(ds / dloss)]) / (2 * s) ** 2 + turned)


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

    Source: derived here, see the chapters "One number decides" and, for the factor, "Multipliers".
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


def _gap_of(excess, tan) -> Gap:
    """The gap from s - 1 and the tangent of the angle between the gradients."""
    s = 1 + excess
    gradient = np.hypot(excess / s, tan / s)
    return Gap(*map(np.asarray, (excess, excess / s, gradient, _one_minus_cosine(tan))))


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
