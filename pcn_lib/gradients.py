"""Backpropagation's gradient, predictive coding's, and their comparison in direction and in scale.

Gradients have the structure of the network they belong to: a gradient is a :class:`Network` whose
parameters are derivatives.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from pcn_lib.energy import Problem, loss
from pcn_lib.inference import Equilibrium
from pcn_lib.network import Network, Stack, predictions
from pcn_lib.numerics import tree_dot, tree_norm, tree_subtract
from pcn_lib.rescaling import equilibrated_energy


def loss_and_bp_gradient(problem: Problem) -> tuple[Float[Array, ""], Network]:
    """Loss(theta) and grad Loss, by backpropagation."""
    return jax.value_and_grad(lambda network: loss(replace(problem, network=network)))(problem.network)


def bp_gradient(problem: Problem) -> Network:
    """grad Loss(theta), by backpropagation; normalised by the batch, as the loss."""
    return loss_and_bp_gradient(problem)[1]


def pc_gradient(problem: Problem, equilibrium: Equilibrium) -> Network:
    """dF/dtheta at fixed activities: predictive coding's weight gradient, local in each layer.

    Only the activities on both sides of a layer enter, dF/dW_l = -a_l e_l phi(z_{l-1})^T, so all layers
    are differentiated in parallel.  At an equilibrium it is the total derivative dF*/dtheta (envelope theorem).

    Args:
        problem: network, batch and objective.
        equilibrium: where inference stopped, converged or not; ``.require()`` it where the claim needs it.

    Returns:
        A network of derivatives, normalised by the batch.

    Raises:
        ValueError: the equilibrium belongs to another network or batch.
    """

    def local_energy(network: Network) -> Array:
        predicted, outputs = predictions(network, problem.x, equilibrium.activities)
        # d 1/2||z - f||^2 = -e . df: with e given, nothing is lost in subtracting f from z again.
        work = tree_dot(equilibrium.errors, predicted) / problem.x.shape[0]
        return problem.output_precision * jnp.mean(jax.vmap(problem.sample_loss)(outputs, problem.y)) - work

    return jax.grad(local_energy)(problem.network)


def closed_form_gradient(problem: Problem) -> Network:
    """dF*/dtheta of a deep linear network, by differentiating F* = (1/2B) sum r^T S^{-1} r itself.

    Independent of inference, and slower than :func:`pc_gradient` at the exact equilibrium: its oracle.

    Raises:
        NotLinear: the network is not linear or the loss is not the squared error.
    """
    return jax.grad(lambda network: equilibrated_energy(replace(problem, network=network)))(problem.network)


class Similarity(NamedTuple):
    """How gradient a relates to reference b; NaN where a norm is zero.

    Attributes:
        cosine: a.b / (|a| |b|).
        one_minus_cosine: 1/2 |a/|a| - b/|b||^2, accurate where the cosine rounds to 1.
        relative_error: |a - b| / |b|.
        norm_ratio: |a| / |b|.
    """

    cosine: Float[Array, "*layers"]
    one_minus_cosine: Float[Array, "*layers"]
    relative_error: Float[Array, "*layers"]
    norm_ratio: Float[Array, "*layers"]


class GradientComparison(NamedTuple):
    """Direction and scale, for all weights together and layer by layer.

    Attributes:
        total: over all parameters.
        layers: per layer with weights, from input to output, axes [L].
    """

    total: Similarity
    layers: Similarity


def similarity(a: PyTree, b: PyTree) -> Similarity:
    """Compare two pytrees of one structure as vectors; b is the reference."""
    norm_a, norm_b = tree_norm(a), tree_norm(b)
    difference = jax.tree.map(lambda u, v: u / norm_a - v / norm_b, a, b)
    one_minus_cosine = tree_dot(difference, difference) / 2
    return Similarity(1 - one_minus_cosine, one_minus_cosine, tree_norm(tree_subtract(a, b)) / norm_b, norm_a / norm_b)


def compare(a: Network, b: Network) -> GradientComparison:
    """Compare gradient a (predictive coding's, say) with reference b (backpropagation's), both of one :class:`Network`.

    Raises:
        ValueError: no gradients of networks, or of networks of different structure or sizes, or without parameters.
    """
    if not (isinstance(a, Network) and isinstance(b, Network)):
        raise ValueError(
            f"{type(a).__name__} and {type(b).__name__} given; layers are compared one by one, and so a Network's "
            "gradients are needed: compare other pytrees as a whole, with similarity(a, b)"
        )
    given, needed = jax.tree.structure(a), jax.tree.structure(b)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(tree)] for tree in (a, b)]
    if given != needed or shapes[0] != shapes[1]:  # type: ignore[operator]
        raise ValueError(
            f"gradients of different networks given (parameter shapes {shapes[0]} and {shapes[1]}); "
            "a comparison needs one structure: take both from the same network"
        )
    parts = []
    for block_a, block_b in zip((*a.blocks, a.readout), (*b.blocks, b.readout), strict=True):
        if not jax.tree.leaves(block_a):
            continue
        if isinstance(block_a, Stack) and isinstance(block_b, Stack):
            parts.append(jax.vmap(similarity)(block_a.layers, block_b.layers))
        else:
            parts.append(jax.tree.map(lambda s: s[None], similarity(block_a, block_b)))
    if not parts:
        raise ValueError(
            "gradients of a network without parameters given; there is nothing to compare: weights that a function "
            "holds are constants to it, make them parameters with Wrapped(Applied(function, weights), scales)"
        )
    layers = jax.tree.map(lambda *values: jnp.concatenate(values), *parts)
    return GradientComparison(similarity(a, b), layers)
