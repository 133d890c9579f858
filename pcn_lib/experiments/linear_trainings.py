"""Linear networks trained by predictive coding and backpropagation in lockstep, and what is measured on the way.

The chapters on the paper's linear experiments share this: one compilation for each network shape, one case (a batch
and a draw of weights) after another, the exact equilibrium before every update.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import Dataset
from pcn_lib.energy import Problem
from pcn_lib.gradients import Similarity, bp_gradient, compare, pc_gradient
from pcn_lib.inference import Equilibrium
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.parameterisation import Parameterisation
from pcn_lib.rescaling import LinearExact, rescaling
from pcn_lib.training import History, Optimiser, Schedule, train


@dataclass(frozen=True)
class Curves:
    """What was measured before each update; the last axis counts them, the axes before it are the study's.

    Attributes:
        energy: F* on predictive coding's weights.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        rescaling: ||S||_2 - 1 on predictive coding's weights.
        mean_rescaling: tr(S - I) / K there: the same where K = 1.
        one_minus_cosine: 1 - cos of the two gradients, each on its own training's weights.
        same_weights: 1 - cos of both gradients on predictive coding's weights.
        norm_ratio: length of predictive coding's gradient over that of backpropagation's, there.
        pc_output: root mean square of f over batch and outputs, on predictive coding's weights.
        bp_output: the same on backpropagation's weights.
        pc_moved: root mean square of f(t) - f(0), on predictive coding's weights.
        bp_moved: the same on backpropagation's weights.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
    """

    energy: Float[np.ndarray, "*cases steps"]
    pc_loss: Float[np.ndarray, "*cases steps"]
    bp_loss: Float[np.ndarray, "*cases steps"]
    rescaling: Float[np.ndarray, "*cases steps"]
    mean_rescaling: Float[np.ndarray, "*cases steps"]
    one_minus_cosine: Float[np.ndarray, "*cases steps"]
    same_weights: Float[np.ndarray, "*cases steps"]
    norm_ratio: Float[np.ndarray, "*cases steps"]
    pc_output: Float[np.ndarray, "*cases steps"]
    bp_output: Float[np.ndarray, "*cases steps"]
    pc_moved: Float[np.ndarray, "*cases steps"]
    bp_moved: Float[np.ndarray, "*cases steps"]
    residual: Float[np.ndarray, "*cases steps"]

    @property
    def gap(self) -> Float[np.ndarray, "*cases steps"]:
        """1 - F*/Loss on predictive coding's weights."""
        # A training that diverged has no gap: infinity over infinity.
        with np.errstate(invalid="ignore"):
            return 1 - self.energy / self.pc_loss

    def __getitem__(self, place) -> "Curves":
        """The same part of every quantity, as NumPy indexes it."""
        return Curves(*(getattr(self, field.name)[place] for field in fields(Curves)))

    def split(self, *shape: int) -> "Curves":
        """The axis of cases split into several, slowest first."""
        return Curves(*(a.reshape(*shape, a.shape[-1]) for a in (getattr(self, f.name) for f in fields(Curves))))


def stack_curves(parts: list[Curves], axis: int = 0) -> Curves:
    """Trainings of several networks in one record, on a new axis."""
    return Curves(*(np.stack([getattr(part, field.name) for part in parts], axis) for field in fields(Curves)))


@dataclass(frozen=True)
class Plan:
    """How every case is trained.

    Attributes:
        optimiser: takes a base rate eta.
        steps: measurements, one before each update.
    """

    optimiser: type[Optimiser]
    steps: int


class Cases(NamedTuple):
    """Batches, draws of weights and rates, one training for each; axes [cases, ...].

    Attributes:
        x: inputs.
        y: targets.
        networks: initial weights, every parameter with the axis of cases in front.
        rates: eta.
    """

    x: Float[Array, "cases batch inputs"]
    y: Float[Array, "cases batch outputs"]
    networks: Network
    rates: Float[Array, " cases"]


def draw(mlp: MLP, parameterisation: Parameterisation, seeds: Sequence[int]) -> Network:
    """One network from each seed, in the precision of the run; every parameter with an axis of seeds in front."""
    dtype = jnp.zeros(()).dtype
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    return jax.jit(jax.vmap(lambda key: mlp.init(key, parameterisation, dtype)))(keys)


def every_rate(data: Dataset, networks: Network, rates: Sequence[float]) -> Cases:
    """One batch and several networks, trained at each rate; cases with the rates outermost."""
    seeds = len(jax.tree.leaves(networks)[0])
    dtype, count = jnp.zeros(()).dtype, seeds * len(rates)
    x, y = (jnp.asarray(np.broadcast_to(a, (count, *a.shape)), dtype) for a in (data.x, data.y))
    repeated = jax.tree.map(lambda w: jnp.concatenate([w] * len(rates)), networks)
    return Cases(x, y, repeated, jnp.asarray(np.repeat(np.array(rates), seeds), dtype))


def together(parts: Sequence[Cases]) -> Cases:
    """Several sets of cases in one, for one compilation; networks of one shape and one set of multipliers.

    Raises:
        ValueError: networks whose multipliers or rate factors differ, which is compiled into the training.
    """
    first = parts[0].networks
    for part in parts[1:]:
        if _compiled_in(part.networks) != _compiled_in(first):
            raise ValueError(
                f"networks with {_compiled_in(part.networks)} beside networks with {_compiled_in(first)} given; one "
                "compilation needs equal multipliers and rate factors: train them apart"
            )
    networks = [jax.tree.unflatten(jax.tree.structure(first), jax.tree.leaves(part.networks)) for part in parts]
    joined = jax.tree.map(lambda *weights: jnp.concatenate(weights), *networks)
    x, y, rates = (jnp.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "rates"))
    return Cases(x, y, joined, rates)


def _compiled_in(network: Network) -> list[tuple[float, ...]]:
    """The multipliers and rate factors of every weight; the variance of its draw has done its work."""
    rules = (attrgetter("multiplier"), attrgetter("gd_rate"), attrgetter("adam_rate"))
    return [tuple(values) for values in zip(*(jax.tree.leaves(network.rates(rule)) for rule in rules), strict=True)]


def train_cases(plan: Plan, cases: Cases) -> Curves:
    """Every case trained by predictive coding at exact equilibria, and by backpropagation from the same weights.

    Returns:
        Curves of axes [cases, steps].

    Raises:
        NotLinear: a network that is not linear.
    """
    history, probe = _train(plan, cases)
    eigenvalues = np.asarray(probe.eigenvalues)
    pc_output, pc_moved = _output_curves(np.asarray(probe.pc_outputs))
    bp_output, bp_moved = _output_curves(np.asarray(probe.bp_outputs))
    return Curves(
        energy=np.asarray(history.energy),
        pc_loss=np.asarray(history.pc_loss),
        bp_loss=np.asarray(history.bp_loss),
        rescaling=eigenvalues[..., -1] - 1,
        mean_rescaling=eigenvalues.mean(axis=-1) - 1,
        one_minus_cosine=np.asarray(history.comparison.total.one_minus_cosine),
        same_weights=np.asarray(probe.same_weights.one_minus_cosine),
        norm_ratio=np.asarray(probe.same_weights.norm_ratio),
        pc_output=pc_output,
        bp_output=bp_output,
        pc_moved=pc_moved,
        bp_moved=bp_moved,
        residual=np.asarray(history.residual),
    )


def _output_curves(outputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Root mean squares of f(t) and of f(t) - f(0); outputs has the axes [cases, steps, batch, K]."""
    with np.errstate(over="ignore", invalid="ignore"):
        both = (outputs, outputs - outputs[:, :1])
        return tuple(np.sqrt(np.mean(values**2, axis=(-2, -1))) for values in both)


class Probed(NamedTuple):
    """Measured beside the history of :func:`pcn_lib.training.train`."""

    eigenvalues: Float[Array, "*steps outputs"]
    same_weights: Similarity
    pc_outputs: Float[Array, "*steps batch outputs"]
    bp_outputs: Float[Array, "*steps batch outputs"]


def _probe(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> Probed:
    return Probed(
        jnp.linalg.eigvalsh(rescaling(pc.network)),
        compare(pc_gradient(pc, equilibrium), bp_gradient(pc)).total,
        feedforward(pc.network, pc.x).output,
        feedforward(bp.network, bp.x).output,
    )


@partial(jax.jit, static_argnames="plan")
def _train(plan: Plan, cases: Cases) -> tuple[History, Probed]:
    schedule = Schedule(plan.steps, LinearExact(), _probe)

    def one(case: Cases) -> tuple[History, Probed]:
        history = train(Problem(case.networks, case.x, case.y), plan.optimiser(case.rates), schedule).history
        return history, history.probe

    # One case after another: compiles faster than a vmap, and runs as fast, since each is a chain of matrix products.
    return jax.lax.map(one, cases)
