"""What may make inference in a transformer hard, measured at every training step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pcn_lib.energy import Problem
from pcn_lib.inference import Equilibrium
from pcn_lib.inference.sample import Sample
from pcn_lib.network import Activities, Network, feedforward, zero_errors
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.spectrum import sweep_contraction


class Probed(NamedTuple):
    """At one training step, on predictive coding's weights.

    Attributes:
        contraction: of a sweep at the equilibrium, the worst sample's (largest in absolute value), with its sign.
        displacement: ||z* - h|| / ||h|| in the uppermost layer, over the batch.
        logits: standard deviation of the outputs of the feedforward pass.
        sharpness: log of the number of positions that may be read, less the entropy of attention; its mean.
    """

    contraction: Float[Array, ""]
    displacement: Float[Array, ""]
    logits: Float[Array, ""]
    sharpness: Float[Array, ""]


def probe(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> Probed:
    """Measure predictive coding's network at its equilibrium."""
    start = feedforward(pc.network, pc.x)
    factors = sweep_contraction(pc, equilibrium.errors)
    worst = factors[jnp.argmax(jnp.abs(factors))]
    moved = displacement(pc.network, equilibrium.activities, start.activities)
    return Probed(worst, moved, jnp.std(start.output), sharpness(pc.network, start.activities))


def displacement(network: Network, activities: Activities, start: Activities) -> Float[Array, ""]:
    """||z - h|| / ||h|| in the layer that the readout reads."""
    top = jax.vmap(network.top)
    return tree_norm(tree_subtract(top(activities), top(start))) / tree_norm(top(start))


@jax.jit
def relative_displacement(problem: Problem) -> Float[Array, ""]:
    """||z* - h|| / ||h|| in the uppermost layer to first order: one sweep from the feedforward pass.

    The errors of one sweep are backpropagation's deltas; added to the forward pass they move the top by
    sum_l J_l delta_l.  No inference is needed.

    Source: derived here, see the chapter "Transformers".
    """
    network = problem.network
    start = feedforward(network, problem.x).activities
    gradient = jax.vmap(lambda x, y, zero: Sample(problem, x, y).at(zero).gradient)(
        problem.x, problem.y, zero_errors(network, problem.x)
    )
    swept = feedforward(network, problem.x, jax.tree.map(jnp.negative, gradient)).activities
    return displacement(network, swept, start)


def sharpness(network: Network, activities: Activities) -> Float[Array, ""]:
    """How far attention is from reading the whole past alike: mean of log t - entropy, in nats; NaN if linear.

    Zero for uniform attention, log t where position t reads a single one.
    """
    embedded, stacked, *_ = activities
    below = jnp.concatenate([embedded[:, None], stacked[:, :-1]], axis=1)
    blocks = network.blocks[1].layers

    def of_block(block, h: Array) -> Array:
        weights, _ = block.attention.weights(block.first_norm(h))
        entropy = -jnp.sum(jax.scipy.special.xlogy(weights, weights), axis=-1)
        positions = jnp.arange(1, h.shape[0] + 1).astype(h.dtype)
        return jnp.mean(jnp.log(positions)[None] - entropy)

    values = jnp.mean(jax.vmap(lambda h: jax.vmap(of_block)(blocks, h))(below))
    return values if blocks.attention.softmax else jnp.full_like(values, jnp.nan)
