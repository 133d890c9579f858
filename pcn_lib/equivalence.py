"""One draw of weights trained under many parameterisations at once, compiled once for each size.

A layer with multiplier a, weights W of variance sigma^2 and rate rho computes and learns the same as one with
multiplier a', weights (a/a') W and rate (a/a')^2 rho (see the chapter "Width: stable parameterisations").  So every
parameterisation is NTP with other initial scales and rates: numbers that one compiled loop runs over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.network import MLP, Activities, Network, feedforward
from pcn_lib.parameterisation import Parameterisation, Role, ntp
from pcn_lib.rescaling import LinearExact

#: The parameterisation whose multipliers the compiled network has.
BASE = ntp()


class PerRole(NamedTuple):
    """One number for each role of a weight, of every parameterisation; axes [parameterisations]."""

    input: Float[Array, "*parameterisations"]
    hidden: Float[Array, "*parameterisations"]
    output: Float[Array, "*parameterisations"]

    def like(self, network: Network) -> PyTree:
        """The numbers in the network's structure, one at each weight."""
        spread = network.rates(lambda _: 1.0)
        first, *rest = network.blocks
        hidden = (block.rates(lambda _: self.hidden) for block in rest)
        spread.blocks = nnx.data((first.rates(lambda _: self.input), *hidden))
        spread.readout = network.readout.rates(lambda _: self.output)
        return spread


class Equivalent(NamedTuple):
    """Parameterisations as NTP: W starts at ``start`` times a unit draw and learns at eta times ``rate``."""

    start: PerRole
    rate: PerRole


def equivalent(parameterisations: Sequence[Parameterisation], mlp: MLP) -> Equivalent:
    """The initial scales (a/a') sigma and rates (a/a')^2 rho at which NTP, of multiplier a', does the same.

    Source: derived here, see the chapter "Width: stable parameterisations".

    Raises:
        ValueError: an MLP with biases or norms, which have numbers of their own.
    """
    if mlp.bias or mlp.norm:
        raise ValueError("an MLP with biases or norms given; these numbers are those of matrices: leave them out")
    start, rate = [], []
    for role in Role:
        size = dict(fan_in=mlp.inputs if role is Role.INPUT else mlp.width, width=mlp.width, depth=mlp.depth)
        base = BASE.scales(role, **size).multiplier
        rows = [p.scales(role, **size) for p in parameterisations]
        start.append(jnp.array([row.multiplier / base * row.variance**0.5 for row in rows]))
        rate.append(jnp.array([(row.multiplier / base) ** 2 * row.gd_rate for row in rows]))
    return Equivalent(PerRole(*start), PerRole(*rate))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Movement:
    """How far training has moved a network from where it started, after each step.

    Attributes:
        hidden: ||h_l(t) - h_l(0)|| / ||h_l(0)||, norms over batch and units; axes [..., steps, L - 1].
        output: root mean square over the batch of f(t) - f(0); axes [..., steps].
    """

    hidden: Float[Array, "*steps hidden"]
    output: Float[Array, "*steps"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Movements:
    """The same for predictive coding and for backpropagation, and what they started from.

    Attributes:
        pc: under predictive coding, at exact equilibria.
        bp: under backpropagation.
        scale: ||h_l(0)||^2 / (B N); axes [..., L - 1].
        energy_ratio: F*/Loss of predictive coding's network before each step; axes [..., steps].
        shift: root mean square over batch and units of z*_{L-1} - h_{L-1}, likewise; axes [..., steps].
        residual: ||dF/dz|| of its equilibria over the batch, relative to the feedforward pass; axes [..., steps].
    """

    pc: Movement
    bp: Movement
    scale: Float[Array, "*more hidden"]
    energy_ratio: Float[Array, "*more steps"]
    shift: Float[Array, "*more steps"]
    residual: Float[Array, "*more steps"]


def train_many(problem: Problem, parameterisations: Equivalent, rate: float | Array, *, steps: int) -> Movements:
    """Gradient descent by PC and by BP from one draw of weights, under each parameterisation.

    Args:
        problem: a linear network drawn in :data:`BASE`, with squared error.
        parameterisations: from :func:`equivalent`.
        rate: eta.
        steps: weight updates.

    Returns:
        Movements with a leading [parameterisations] axis.
    """
    return _train_many(problem, parameterisations, jnp.asarray(rate, problem.x.dtype), steps)


@partial(jax.jit, static_argnames="steps")
def _train_many(problem: Problem, parameterisations: Equivalent, rate: Array, steps: int) -> Movements:
    def one(chosen: Equivalent) -> Movements:
        rates = jax.tree.map(lambda factor: rate * factor, chosen.rate.like(problem.network))
        network = jax.tree.map(jnp.multiply, chosen.start.like(problem.network), problem.network)
        return _train(replace(problem, network=network), rates, steps)

    return jax.lax.map(one, parameterisations)


def _train(problem: Problem, rates: PyTree, steps: int) -> Movements:
    start, output = _layers(problem.network, problem.x)
    squared = jnp.sum(start**2, axis=(0, 2))

    def moved(network: Network) -> Movement:
        hidden, now = _layers(network, problem.x)
        change = jnp.sum((hidden - start) ** 2, axis=(0, 2))
        return Movement(jnp.sqrt(change / squared), jnp.sqrt(jnp.mean((now - output) ** 2)))

    def descend(network: Network, gradient: Network) -> Network:
        return jax.tree.map(lambda w, rate, g: w - rate * g, network, rates, gradient)

    def step(state, _):
        pc, bp = (replace(problem, network=network) for network in state)
        equilibrium = LinearExact()(pc)
        hidden, now = _layers(pc.network, pc.x)
        top = _stacked(equilibrium.activities)[:, -1] - hidden[:, -1]
        shift = jnp.sqrt(jnp.mean(top**2))
        measured = equilibrium.energy / loss(pc), shift, residual_over_batch(equilibrium.residual, pc.y - now)
        pc_next = descend(pc.network, pc_gradient(pc, equilibrium))
        bp_next = descend(bp.network, bp_gradient(bp))
        return (pc_next, bp_next), (moved(pc_next), moved(bp_next), *measured)

    _, (pc, bp, *measured) = jax.lax.scan(step, (problem.network,) * 2, length=steps)
    return Movements(pc, bp, squared / start[:, 0].size, *measured)


def residual_over_batch(residual: Float[Array, " batch"], error: Float[Array, "batch outputs"]) -> Float[Array, ""]:
    """The batch's relative ||dF/dz|| from its samples': each begins in proportion to its output error where K = 1.

    The largest would be rounding error over the smallest output error, which among thousands of samples is nothing.
    """
    start = jnp.linalg.norm(error, axis=-1)
    return jnp.linalg.norm(residual * start) / jnp.linalg.norm(start)


@jax.jit
def corrections(problem: Problem, parameterisations: Equivalent) -> Float[Array, " parameterisations"]:
    """||s Delta f_PC - Delta f_BP|| / ||Delta f_BP|| over the batch, of a linear network with one output.

    Delta f = -(df/dtheta) rho G for each gradient G, with the rates rho of the layers: the derivative of the updated
    prediction in the base rate, so that no size of a step enters.  s = Loss/F*, exact for one output.

    Source: derived here, see the chapter "Depth".

    Args:
        problem: a network drawn in :data:`BASE`.
        parameterisations: from :func:`equivalent`.
    """

    def one(chosen: Equivalent) -> Array:
        network = jax.tree.map(jnp.multiply, chosen.start.like(problem.network), problem.network)
        own = replace(problem, network=network)
        equilibrium = LinearExact()(own)

        def moved(gradient: Network) -> Array:
            step = jax.tree.map(lambda rate, g: -rate * g, chosen.rate.like(network), gradient)
            return jax.jvp(lambda network: feedforward(network, own.x).output, (network,), (step,))[1]

        pc, bp = moved(pc_gradient(own, equilibrium)), moved(bp_gradient(own))
        return jnp.linalg.norm(loss(own) / equilibrium.energy * pc - bp) / jnp.linalg.norm(bp)

    return jax.lax.map(one, parameterisations)


def _stacked(activities: Activities) -> Float[Array, "batch hidden width"]:
    first, *stack = activities
    return jnp.concatenate([first[:, None], *stack], axis=1)


def _layers(network: Network, x: Array) -> tuple[Array, Array]:
    """h_1..h_{L-1}, and the output."""
    activities, output = feedforward(network, x)
    return _stacked(activities), output
