"""Many steps of predictive coding and backpropagation side by side, in one compiled loop."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import GradientComparison, compare, loss_and_bp_gradient, pc_gradient
from pcn_lib.inference import Equilibrium, Solver, check_solver
from pcn_lib.network import Network, check_input, feedforward
from pcn_lib.numerics import check_key
from pcn_lib.optimisers import Adam as Adam
from pcn_lib.optimisers import GradientDescent as GradientDescent
from pcn_lib.optimisers import Optimiser as Optimiser
from pcn_lib.optimisers import Scaled as Scaled
from pcn_lib.optimisers import Transformation
from pcn_lib.optimisers import scale_by_layer as scale_by_layer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class History:
    """What was measured before each update, every entry with a leading [steps] axis.

    Attributes:
        energy: F*, predictive coding's objective on its own weights.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        comparison: predictive coding's gradient against backpropagation's, each on its own weights.
        residual: largest relative norm of dF/dz over the batch.
        converged: whether every sample's certificate held.
        inference_steps: most iterations over the batch.
        probe: whatever else was asked for.
    """

    energy: Float[Array, "*steps"]
    pc_loss: Float[Array, "*steps"]
    bp_loss: Float[Array, "*steps"]
    comparison: GradientComparison
    residual: Float[Array, "*steps"]
    converged: Bool[Array, "*steps"]
    inference_steps: Int[Array, "*steps"]
    probe: PyTree = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Training:
    """Where two trainings from one initialisation ended, and what was measured on the way.

    Attributes:
        pc: the network trained by predictive coding.
        bp: the one trained by backpropagation.
        history: of these steps.
        memory: what the optimiser remembers of each, moments and the count of a schedule, with which training goes on.
    """

    pc: Network
    bp: Network
    history: History
    memory: tuple[PyTree, PyTree]


#: Extra measurements: (problem at PC's weights, its equilibrium, problem at BP's weights) -> pytree.
Probe = Callable[[Problem, Equilibrium, Problem], PyTree]


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how inference is done.

    Attributes:
        steps: weight updates.
        solver: reaches the equilibrium before each of them.
        probe: extra measurements at each step; None for none.

    Raises:
        ValueError: no steps, or no solver.
    """

    steps: int
    solver: Solver
    probe: Probe | None = field(default=None)

    def __post_init__(self):
        if not self.steps >= 1:
            raise ValueError(f"steps = {self.steps} given; training needs at least 1: choose steps >= 1")
        check_solver(self.solver)


def train(
    problem: Problem,
    optimiser: Optimiser | Transformation,
    schedule: Schedule,
    after: Training | None = None,
) -> Training:
    """Train two copies of the network on one batch, one by predictive coding and one by backpropagation.

    Both start from ``problem.network`` and see the same batch; at each step PC descends dF/dtheta at the
    equilibrium of its own weights, BP descends grad Loss of its own.  One scan: compile time does not grow
    with the number of steps or with depth, and nothing is kept but the :class:`History`.

    Args:
        problem: the network and the batch.
        optimiser: applied to both: :class:`~pcn_lib.optimisers.GradientDescent`, :class:`~pcn_lib.optimisers.Adam`, or
            any transformation of Optax's, as ``optax.adamw(learning_rates, weight_decay=0.1)``, at the layers' rates as
            :class:`~pcn_lib.optimisers.Scaled` says.
        schedule: steps and inference.
        after: an earlier training with this optimiser, which goes on where it ended; None to start.

    Raises:
        ValueError: x of another network, an earlier training of another, or an optimiser that cannot be used.
    """
    check_input(problem.network, problem.x)
    return _train(*_begun(problem, optimiser, after), schedule, None)


def train_batches(
    problem: Problem,
    batches: Int[Array, "steps batch"],
    optimiser: Optimiser | Transformation,
    schedule: Schedule,
    after: Training | None = None,
) -> Training:
    """:func:`train` with another batch at each step; predictive coding and backpropagation see the same ones.

    Args:
        problem: the network and *all* the samples, which stay in memory once.
        batches: which samples make the batch of each step, as :func:`shuffled_batches` gives them.
        optimiser: as in :func:`train`.
        schedule: its ``steps`` are the rows of ``batches``.
        after: an earlier training, the last epoch's say, which goes on where it ended; None to start.

    Raises:
        ValueError: as :func:`train`, or another number of steps, or a sample that does not exist.
    """
    check_input(problem.network, problem.x)
    if len(batches) != schedule.steps:
        raise ValueError(
            f"{len(batches)} batches and {schedule.steps} steps given; each step takes one batch: "
            "choose Schedule(len(batches), ...)"
        )
    # JAX reads the last sample where an index lies beyond it, and would train on that one in silence.
    if not isinstance(batches, jax.core.Tracer) and not 0 <= batches.min() <= batches.max() < len(problem.x):
        raise ValueError(
            f"batches of samples {batches.min()} to {batches.max()} given; there are {len(problem.x)}, counted from 0: "
            "draw them with shuffled_batches(key, len(x), ...)"
        )
    return _train(*_begun(problem, optimiser, after), schedule, batches)


def _begun(problem: Problem, given: Optimiser | Transformation, after: Training | None) -> tuple:
    """The problem, the optimiser at its rates, and (network, memory) of predictive coding and of backpropagation."""
    optimiser = given if isinstance(given, Optimiser) else Scaled(given)
    if after is not None:
        networks = (problem.network.with_parameters(network) for network in (after.pc, after.bp))
        return problem, optimiser, tuple(zip(networks, after.memory, strict=True))
    start = problem.network, optimiser.transformation(problem.network).init(problem.network)
    return problem, optimiser, (start, start)


def shuffled_batches(key: Array, samples: int, batch: int, steps: int) -> Int[Array, "steps batch"]:
    """Batches without replacement, epoch after epoch, each in a fresh order; an incomplete last batch is left out.

    Args:
        key: typed random key.
        samples: how many there are to draw from.
        batch: samples in a batch.
        steps: batches wanted; ``samples // batch`` of them are one epoch.

    Raises:
        ValueError: a seed in place of a key, or a batch that is empty or larger than all the samples.
    """
    check_key(key)
    if not 1 <= batch <= samples:
        raise ValueError(f"batch = {batch} of {samples} samples given; choose 1 <= batch <= {samples}")
    per_epoch = samples // batch
    epochs = -(-steps // per_epoch)
    orders = jax.vmap(lambda key: jax.random.permutation(key, samples))(jax.random.split(key, epochs))
    return orders[:, : per_epoch * batch].reshape(-1, batch)[:steps]


@jax.jit
def accuracy(network: Network, x: Float[Array, "samples *inputs"], y: Float[Array, "samples K"]) -> Float[Array, ""]:
    """The share of samples whose largest output is the target's; outputs that are not numbers are none of them."""
    outputs = feedforward(network, x).output
    return jnp.mean((outputs.argmax(-1) == y.argmax(-1)) & jnp.isfinite(outputs).all(-1))


@partial(jax.jit, static_argnames="solver")
def at_start(problem: Problem, solver: Solver) -> History:
    """What :func:`train` measures before its first update, at the cost of one equilibrium; no [steps] axis."""
    return measured(problem, problem, solver)[0]


def measured(pc: Problem, bp: Problem, solver: Solver, probe: Probe | None = None) -> tuple[History, Network, Network]:
    """Both networks before an update, with no [steps] axis, and the gradient of each; for use inside ``jit``."""
    equilibrium = solver(pc)
    pc_grad = pc_gradient(pc, equilibrium)
    bp_loss, bp_grad = loss_and_bp_gradient(bp)
    history = History(
        energy=equilibrium.energy,
        pc_loss=loss(pc),
        bp_loss=bp_loss,
        comparison=compare(pc_grad, bp_grad),
        residual=jnp.max(equilibrium.residual),
        converged=equilibrium.converged,
        inference_steps=jnp.max(equilibrium.steps),
        probe=probe and probe(pc, equilibrium, bp),
    )
    return history, pc_grad, bp_grad


@partial(jax.jit, static_argnames="schedule")
def _train(problem: Problem, optimiser: Optimiser, start: tuple, schedule: Schedule, batches: Array | None) -> Training:
    transformation = optimiser.transformation(problem.network)

    def update(network, gradient, memory):
        updates, memory = transformation.update(gradient, memory, network)
        return optax.apply_updates(network, updates), memory

    def step(state, chosen):
        (pc, pc_memory), (bp, bp_memory) = state
        batch = problem if chosen is None else replace(problem, x=problem.x[chosen], y=problem.y[chosen])
        problems = replace(batch, network=pc), replace(batch, network=bp)
        history, pc_grad, bp_grad = measured(*problems, schedule.solver, schedule.probe)
        return (update(pc, pc_grad, pc_memory), update(bp, bp_grad, bp_memory)), history

    ((pc, pc_memory), (bp, bp_memory)), history = jax.lax.scan(step, start, batches, length=schedule.steps)
    return Training(pc, bp, history, (pc_memory, bp_memory))
