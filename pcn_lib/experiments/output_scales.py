"""One draw of weights trained at several output scales gamma_0, compiled once for each network shape.

gamma_0 divides the output; the same network has the readout weights W_L / gamma_0 and another rate, numbers that
one compiled loop runs over (see :mod:`pcn_lib.equivalence`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from pcn_lib.energy import Problem, loss
from pcn_lib.equivalence import BASE, Equivalent, equivalent
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.rescaling import LinearExact


@dataclass(frozen=True)
class Trainings:
    """Predictive coding and backpropagation from the same weights, measured before each update.

    Attributes:
        energy: F* on predictive coding's weights.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        pc_distance: root mean square over the batch of f - f_infinity, f_infinity the limit's output; NaN without one.
        bp_distance: the same on backpropagation's weights.
        pc_moved: ||h(t) - h(0)|| / ||h(0)|| of the last hidden layer, norms over batch and units.
        bp_moved: the same on backpropagation's weights.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
    """

    energy: Float[np.ndarray, "*cases steps"]
    pc_loss: Float[np.ndarray, "*cases steps"]
    bp_loss: Float[np.ndarray, "*cases steps"]
    pc_distance: Float[np.ndarray, "*cases steps"]
    bp_distance: Float[np.ndarray, "*cases steps"]
    pc_moved: Float[np.ndarray, "*cases steps"]
    bp_moved: Float[np.ndarray, "*cases steps"]
    residual: Float[np.ndarray, "*cases steps"]

    @property
    def gap(self) -> Float[np.ndarray, "*cases steps"]:
        """1 - F*/Loss on predictive coding's weights: 1 - 1/s."""
        return 1 - self.energy / self.pc_loss


def stack_trainings(parts: Sequence[Trainings]) -> Trainings:
    """Trainings of one shape, on a new first axis."""
    return Trainings(*(np.stack([getattr(part, field.name) for part in parts]) for field in fields(Trainings)))


class _Measured(NamedTuple):
    energy: Array
    pc_loss: Array
    bp_loss: Array
    pc_outputs: Array
    bp_outputs: Array
    pc_moved: Array
    bp_moved: Array
    residual: Array


def train_at_scales(
    mlp: MLP,
    data: tuple[Float[Array, "batch inputs"], Float[Array, "batch 1"]],
    gammas: Sequence[float],
    rate: float,
    *,
    seed: int,
    limits: Float[np.ndarray, "gammas steps batch"],
) -> Trainings:
    """Gradient descent at exact equilibria and by backpropagation, under muPC, for each gamma_0.

    Args:
        mlp: a linear network with one output, with or without skips.
        data: x and y.
        gammas: output scales.
        rate: eta; the weights' rate is eta gamma_0^2 N.
        seed: of the one draw of weights.
        limits: outputs at infinite width that distances are measured from; NaN for none.

    Returns:
        Trainings of axes [gammas, steps].
    """
    parameterise = mupc_skips if mlp.skips else mupc
    scales = equivalent([parameterise(gamma) for gamma in gammas], mlp)
    problem = Problem(mlp.init(jax.random.key(seed), BASE, data[0].dtype), *data)
    found = jax.device_get(_train_many(problem, scales, jnp.asarray(rate, data[0].dtype), limits.shape[1]))

    def distance(outputs: np.ndarray) -> np.ndarray:
        return np.sqrt(np.mean((outputs[..., 0] - limits) ** 2, axis=-1))

    return Trainings(
        energy=found.energy,
        pc_loss=found.pc_loss,
        bp_loss=found.bp_loss,
        pc_distance=distance(found.pc_outputs),
        bp_distance=distance(found.bp_outputs),
        pc_moved=found.pc_moved,
        bp_moved=found.bp_moved,
        residual=found.residual,
    )


@partial(jax.jit, static_argnames="steps")
def _train_many(problem: Problem, scales: Equivalent, rate: Array, steps: int) -> _Measured:
    def one(chosen: Equivalent) -> _Measured:
        rates = jax.tree.map(lambda factor: rate * factor, chosen.rate.like(problem.network))
        network = jax.tree.map(jnp.multiply, chosen.start.like(problem.network), problem.network)
        return _train(replace(problem, network=network), rates, steps)

    return jax.lax.map(one, scales)


def _train(problem: Problem, rates: PyTree, steps: int) -> _Measured:
    start = _top(problem.network, problem.x)[0]

    def descend(network: Network, gradient: Network) -> Network:
        return jax.tree.map(lambda w, eta, g: w - eta * g, network, rates, gradient)

    def step(networks, _):
        pc, bp = (replace(problem, network=network) for network in networks)
        equilibrium = LinearExact()(pc)
        (pc_top, pc_outputs), (bp_top, bp_outputs) = (_top(network, problem.x) for network in networks)
        measured = _Measured(
            equilibrium.energy,
            loss(pc),
            loss(bp),
            pc_outputs,
            bp_outputs,
            jnp.linalg.norm(pc_top - start) / jnp.linalg.norm(start),
            jnp.linalg.norm(bp_top - start) / jnp.linalg.norm(start),
            jnp.max(equilibrium.residual),
        )
        return (descend(pc.network, pc_gradient(pc, equilibrium)), descend(bp.network, bp_gradient(bp))), measured

    return jax.lax.scan(step, (problem.network,) * 2, length=steps)[1]


def _top(network: Network, x: Array) -> tuple[Array, Array]:
    """h_{L-1} and the output of the whole batch."""
    activities, output = feedforward(network, x)
    return jax.vmap(network.top)(activities), output
