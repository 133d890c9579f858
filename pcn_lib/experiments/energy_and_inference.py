"""Inference on networks small enough to look at: activities relaxing, and what the gradient at their equilibrium is.

One network of one unit, solved by hand; one tanh network, relaxed by gradient descent and compared with its certified
equilibrium.
"""

import time
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, energy, loss, one_unit_problem
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.gradients import pc_gradient
from pcn_lib.inference import ActivityDescent, Equilibrium, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP, Activities, Network, feedforward, predictions
from pcn_lib.numerics import tolerance, tree_axpy, tree_dot, tree_norm, tree_subtract
from pcn_lib.parameterisation import sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import Provenance, provenance

#: Steps of central differences: three to see the error fall as h^2, and one to compare values at.
STEPS_OF_DIFFERENCES = (0.1, 0.05, 0.025, 1e-4)
#: Places z* + t (h - z*) between the equilibrium (t = 0) and the feedforward pass (t = 1).
PLACES = (1.0, 1 / 8, 1 / 32, 1 / 128, 1 / 512)
#: Step sizes of descent for the network solved by hand: its energy has curvature 5, so descent needs less than 2/5.
SMALL_STEP, LARGE_STEP = 0.1, 0.5


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of data, weights and directions.
        inputs: D.
        samples: B.
        width: N.
        depth: L.
        step_size: of gradient descent on the activities.
        steps: numbers of inference steps at which the activities are looked at; ascending.
        directions: in weight space, along which F* is differenced.
        units: of each hidden layer, shown for the first sample.
    """

    seed: int = 0
    inputs: int = 10
    samples: int = 8
    width: int = 16
    depth: int = 5
    step_size: float = 0.1
    steps: tuple[int, ...] = (0, 1, 4, 16, 64, 256, 1024)
    directions: int = 4
    units: int = 6

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, width=1, depth=2, steps=0, directions=1, units=1)
        if not self.step_size > 0:
            raise SettingsError(f"step_size = {self.step_size} given; descent needs a positive one: try 0.1")
        object.__setattr__(self, "steps", tuple(sorted({0, *self.steps})))


PRESETS = {
    "smoke": Settings(steps=(1, 16, 256), directions=2),
    "quick": Settings(),
    "full": Settings(steps=tuple(2**k for k in range(13)), directions=16),
    "paper": Settings(steps=tuple(2**k for k in range(15)), directions=64),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class ByHand:
    """The network w = (1, 2), x = 1, y = 3, as the library solves it.

    Attributes:
        descent: z after two steps of descent at SMALL_STEP.
        activity: z*.
        energy: F*.
        gradient: dF*/dw_1 and dF*/dw_2.
        runaway: |z - z*| after two steps at LARGE_STEP, over its first value.
    """

    descent: float
    activity: float
    energy: float
    gradient: Float[np.ndarray, "2"]
    runaway: float


@dataclass(frozen=True)
class Relaxation:
    """Gradient descent on the activities, looked at after each number of steps.

    Attributes:
        activities: z_l - h_l of some units, first sample; axes [steps, L - 1, units].
        outputs: f_L(z_{L-1}) of the first sample; axes [steps].
        energies: of each layer, 1/2 ||e_l||^2 and last the loss, mean over the batch; axes [steps, L].
        residual: ||dF/dz|| relative to the feedforward pass, the largest of the batch; axes [steps].
        gradient_error: ||dF/dtheta at z - dF*/dtheta|| / ||dF*/dtheta||; axes [steps].
    """

    activities: Float[np.ndarray, "steps hidden units"]
    outputs: Float[np.ndarray, " steps"]
    energies: Float[np.ndarray, "steps layers"]
    residual: Float[np.ndarray, " steps"]
    gradient_error: Float[np.ndarray, " steps"]


@dataclass(frozen=True)
class Neighbourhood:
    """Between equilibrium and feedforward pass, at PLACES.

    Attributes:
        energy_gap: F(z) / F* - 1.
        gradient_error: as in :class:`Relaxation`.
    """

    energy_gap: Float[np.ndarray, " places"]
    gradient_error: Float[np.ndarray, " places"]


@dataclass(frozen=True)
class Differences:
    """Slopes of F* along random unit directions of weight space.

    Attributes:
        central: (F*(theta + h v) - F*(theta - h v)) / 2h; axes [directions, STEPS_OF_DIFFERENCES].
        predicted: v . dF/dtheta at the equilibrium; axes [directions].
        size: ||dF*/dtheta||.
    """

    central: Float[np.ndarray, "directions differences"]
    predicted: Float[np.ndarray, " directions"]
    size: float


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        by_hand: the network of one unit.
        loss: Loss of the tanh network.
        feedforward_energy: F at its feedforward pass.
        relaxation: descent on its activities.
        equilibrium: the same at the certified equilibrium, in place of steps; axes [1, ...].
        neighbourhood: how fast energy and gradient approach their values there.
        differences: whether the gradient there is that of F*.
    """

    settings: Settings
    provenance: Provenance
    by_hand: ByHand
    loss: float
    feedforward_energy: float
    relaxation: Relaxation
    equilibrium: Relaxation
    neighbourhood: Neighbourhood
    differences: Differences


def run(settings: Settings) -> Record:
    """Relax, certify, and difference; the chapter's claims assume float64."""
    start = time.perf_counter()
    problem, note = tanh_problem(settings)
    at = equilibrate(problem, certifying(problem)).require()
    gradient = jax.jit(pc_gradient)(problem, at)
    descents = [ActivityDescent(optax.sgd(settings.step_size), steps) for steps in settings.steps]
    seen = [_measured(problem, equilibrate(problem, descent), gradient) for descent in descents]
    return Record(
        settings,
        provenance(settings, seconds=time.perf_counter() - start, data_set=note),
        solve_by_hand(),
        float(loss(problem)),
        float(energy(problem, feedforward(problem.network, problem.x).activities)),
        _relaxation(settings, seen),
        _relaxation(settings, [_measured(problem, at, gradient)]),
        _neighbourhood(problem, at.activities, gradient),
        measure_differences(settings, problem, gradient),
    )


def tanh_problem(settings: Settings) -> tuple[Problem, str]:
    """The toy task on a tanh network in the standard parameterisation, and a note of the data."""
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    dtype = jnp.zeros(()).dtype
    mlp = MLP(settings.inputs, settings.width, settings.depth, activation=jnp.tanh)
    network = mlp.init(jax.random.key(settings.seed), sp(), dtype)
    return Problem(network, jnp.asarray(task.x, dtype), jnp.asarray(task.y, dtype)), task.note


def certifying(problem: Problem) -> SweepsThenNewton:
    """The default solver, asked for what this precision can reach."""
    return SweepsThenNewton(tolerance=tolerance(problem.x.dtype).solve)


def solve_by_hand() -> ByHand:
    """The one-unit network of the chapter, by the same verbs as every other."""
    problem = one_unit_problem(weights=(1, 2), x=1, y=3)

    def descend(step_size: float) -> float:
        return equilibrate(problem, ActivityDescent(optax.sgd(step_size), 2)).activities[0].item()

    at = equilibrate(problem, LinearExact()).require()
    activity = at.activities[0].item()
    gradient = np.array([leaf.item() for leaf in jax.tree.leaves(pc_gradient(problem, at))])
    start = feedforward(problem.network, problem.x).activities[0].item()
    runaway = (descend(LARGE_STEP) - activity) / (start - activity)
    return ByHand(descend(SMALL_STEP), activity, float(at.energy), gradient, abs(runaway))


@jax.jit
def _measured(problem: Problem, at: Equilibrium, gradient: Network) -> tuple[Array, ...]:
    """One row of a :class:`Relaxation`, with all units."""
    moved = _layers(tree_subtract(at.activities, feedforward(problem.network, problem.x).activities))
    hidden = jnp.mean(jnp.sum(_layers(at.errors) ** 2, axis=2), axis=0) / 2
    layers = jnp.append(hidden, at.energy - jnp.sum(hidden))
    outputs = predictions(problem.network, problem.x, at.activities).output
    return moved[0], outputs[0, 0], layers, jnp.max(at.residual), _relative(pc_gradient(problem, at), gradient)


def _layers(activities: Activities) -> Float[Array, "batch hidden width"]:
    first, *stack = activities
    return jnp.concatenate([first[:, None], *stack], axis=1)


def _relative(a: Network, reference: Network) -> Float[Array, ""]:
    return tree_norm(tree_subtract(a, reference)) / tree_norm(reference)


def _relaxation(settings: Settings, rows: list[tuple[Array, ...]]) -> Relaxation:
    activities, *rest = (np.stack(column) for column in zip(*rows, strict=True))
    return Relaxation(activities[..., : settings.units], *rest)


@jax.jit
def _between(problem: Problem, at: Activities, gradient: Network) -> tuple[Array, Array]:
    start = feedforward(problem.network, problem.x).activities

    def look(place: Array) -> tuple[Array, Array]:
        z = tree_axpy(place, tree_subtract(start, at), at)
        value, slope = jax.value_and_grad(lambda network: energy(replace(problem, network=network), z))(problem.network)
        return value / energy(problem, at) - 1, _relative(slope, gradient)

    return jax.vmap(look)(jnp.array(PLACES, problem.x.dtype))


def _neighbourhood(problem: Problem, at: Activities, gradient: Network) -> Neighbourhood:
    return Neighbourhood(*map(np.asarray, _between(problem, at, gradient)))


def measure_differences(settings: Settings, problem: Problem, gradient: Network) -> Differences:
    """F* differenced along random directions: every value a certified minimum, no gradient of F anywhere."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), 1), settings.directions)
    leaves, structure = jax.tree.flatten(problem.network)
    solver = certifying(problem)

    def minimum(h: float, v: Network) -> float:
        moved = replace(problem, network=tree_axpy(h, v, problem.network))
        return float(equilibrate(moved, solver).require().energy)

    central, predicted = [], []
    for key in keys:
        split = jax.random.split(key, len(leaves))
        drawn = [jax.random.normal(k, w.shape, w.dtype) for k, w in zip(split, leaves, strict=True)]
        v = jax.tree.unflatten(structure, [w / tree_norm(drawn) for w in drawn])
        central.append([(minimum(h, v) - minimum(-h, v)) / (2 * h) for h in STEPS_OF_DIFFERENCES])
        predicted.append(float(tree_dot(v, gradient)))
    return Differences(np.array(central), np.array(predicted), float(tree_norm(gradient)))
