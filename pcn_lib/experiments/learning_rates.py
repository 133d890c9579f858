"""One size of network trained at many base rates and under several parameterisations, compiled once.

Source: arXiv:2602.07697 for the parameterisations; the tangent kernel's prediction is derived here, see
the chapter "Learning and transfer".
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.equivalence import BASE, PerRole, equivalent
from pcn_lib.inference import Criterion, Equilibrium, Solver
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.parameterisation import Parameterisation
from pcn_lib.training import Schedule, scale_by_layer, train_batches


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RoleRates:
    """Gradient descent with one rate for each role of a weight, of whatever parameterisation.

    Attributes:
        rates: eta times the role's factor; no axes.
    """

    rates: PerRole

    def transformation(self, network: Network) -> optax.GradientTransformation:
        """The Optax transformation for this network."""
        return optax.chain(optax.sgd(1.0), scale_by_layer(self.rates.like(network)))


@dataclass(frozen=True)
class Task:
    """Images to learn from and images to be tested on, in the number type of the run.

    Attributes:
        x, y: training images and one-hot labels.
        batches: which of them make the batch of each step.
        test_x, test_y: images that training never sees.
    """

    x: Float[Array, "samples inputs"]
    y: Float[Array, "samples outputs"]
    batches: Int[Array, "steps batch"]
    test_x: Float[Array, "tested inputs"]
    test_y: Float[Array, "tested outputs"]


@dataclass(frozen=True)
class Learned:
    """One training by predictive coding and one by backpropagation, from the same weights on the same batches.

    Attributes:
        pc_loss, bp_loss: of each step's batch, before the update; axes [steps].
        certified: share of samples whose equilibrium is certified, all steps together.
        inference_steps: sweeps of the slowest sample, mean over the steps.
        pc_accuracy, bp_accuracy: share of test images whose largest output is the label's, after the last step.
    """

    pc_loss: Float[np.ndarray, " steps"]
    bp_loss: Float[np.ndarray, " steps"]
    certified: float
    inference_steps: float
    pc_accuracy: float
    bp_accuracy: float


@dataclass(frozen=True)
class Sweep:
    """Base rates tried under one parameterisation, over widths or over depths.

    Attributes:
        exponents: the base rates, eta = 2^exponent.
        pc_loss, bp_loss: mean over the last quarter of the steps; infinite where training diverged.
        kernel: tangent kernel before training.
        certified: share of predictive coding's samples whose equilibrium is certified.
    """

    exponents: Float[np.ndarray, " rates"]
    pc_loss: Float[np.ndarray, "sizes rates seeds"]
    bp_loss: Float[np.ndarray, "sizes rates seeds"]
    kernel: Float[np.ndarray, "sizes seeds"]
    certified: Float[np.ndarray, "sizes rates seeds"]

    def best(self, losses: Float[np.ndarray, "sizes rates seeds"]) -> Float[np.ndarray, " sizes"]:
        """The best base rate eta of each size: the lowest mean loss over seeds, refined by a parabola in log2 eta."""
        return np.array([2.0 ** _lowest(self.exponents, row) for row in losses.mean(axis=-1)])

    def inside(self, losses: Float[np.ndarray, "sizes rates seeds"]) -> bool:
        """Whether the lowest loss of every size lies inside the range tried, not at its end."""
        places = losses.mean(axis=-1).argmin(axis=1)
        return bool(np.all((places > 0) & (places < len(self.exponents) - 1)))


def _lowest(exponents: np.ndarray, losses: np.ndarray) -> float:
    """Where the parabola through the lowest value and its neighbours has its minimum; the value itself at an end."""
    i = int(np.argmin(losses))
    if not (0 < i < len(losses) - 1 and np.all(np.isfinite(losses[i - 1 : i + 2]))):
        return float(exponents[i])
    a, b, _ = np.polyfit(exponents[i - 1 : i + 2] - exponents[i], np.log(losses[i - 1 : i + 2]), 2)
    return float(exponents[i] - b / (2 * a)) if a > 0 else float(exponents[i])


@dataclass(frozen=True)
class Start:
    """One draw of weights under one parameterisation, written in the parameterisation ``BASE``.

    Attributes:
        problem: the network with all the training images.
        factors: each role's learning-rate factor.
    """

    problem: Problem
    factors: PerRole


def start(mlp: MLP, parameterisation: Parameterisation, key: Array, task: Task) -> Start:
    """The weights of the parameterisation's own ``init`` from this key, at the multipliers of ``BASE``.

    A layer with multiplier a and weights W computes and learns the same as one with multiplier a', weights (a/a') W
    and the rate times (a/a')^2: what compiles for one parameterisation serves all.

    Args:
        mlp: sizes and activation.
        parameterisation: multipliers, variances and gradient-descent rates.
        key: of the weights.
        task: gives the training images, and the number type; the loss is the cross-entropy.
    """
    dtype = task.x.dtype
    table = jax.tree.map(lambda values: values[0].astype(dtype), equivalent([parameterisation], mlp))
    # BASE draws every weight with variance 1.
    unit = mlp.init(key, BASE, dtype)
    network = jax.tree.map(jnp.multiply, table.start.like(unit), unit)
    return Start(Problem(network, task.x, task.y, cross_entropy), table.rate)


def learn(begin: Start, rate: float, task: Task, solver: Solver) -> Learned:
    """Train at base rate eta; compiled once for each size, whatever the parameterisation and the rate."""
    factors = jax.tree.map(lambda factor: jnp.asarray(rate, factor.dtype) * factor, begin.factors)
    schedule = Schedule(len(task.batches), solver, _share_certified)
    trained = train_batches(begin.problem, task.batches, RoleRates(factors), schedule)
    history = trained.history
    accuracies = [float(accuracy(network, task.test_x, task.test_y)) for network in (trained.pc, trained.bp)]
    return Learned(
        np.asarray(history.pc_loss),
        np.asarray(history.bp_loss),
        float(jnp.mean(history.probe)),
        float(np.mean(np.asarray(history.inference_steps))),
        *accuracies,
    )


def _share_certified(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> Float[Array, ""]:
    return jnp.mean((equilibrium.criterion != Criterion.NONE).astype(pc.x.dtype))


@jax.jit
def accuracy(network: Network, x: Float[Array, "batch inputs"], y: Float[Array, "batch outputs"]) -> Float[Array, ""]:
    """Share of inputs whose largest output is the label's; a network that is NaN has none."""
    outputs = feedforward(network, x).output
    right = jnp.argmax(outputs, axis=-1) == jnp.argmax(y, axis=-1)
    return jnp.mean((right & jnp.all(jnp.isfinite(outputs), axis=-1)).astype(x.dtype))


def tangent_kernel(begin: Start, samples: int) -> float:
    """kappa = (1/B) sum_i sum_p rho_p ||df(x_i)/dtheta_p||^2: how far the outputs move per unit of the base rate.

    A step at base rate eta moves f by about eta kappa, so the largest useful eta is proportional to 1 / kappa: flat
    where the kernel is Theta(1) in the size, falling where it grows.

    Args:
        begin: weights and learning-rate factors before training.
        samples: B, of the training images.
    """
    return float(_tangent_kernel(begin.problem.network, begin.problem.x[:samples], begin.factors))


@jax.jit
def _tangent_kernel(network: Network, x: Array, factors: PerRole) -> Array:
    def of_sample(x):
        jacobian = jax.jacrev(lambda network: network.sample_forward(x).output)(network)
        squares = jax.tree.map(lambda rate, J: rate * jnp.sum(J**2), factors.like(network), jacobian)
        return jax.tree.reduce(jnp.add, squares)

    return jnp.mean(jax.lax.map(of_sample, x))
