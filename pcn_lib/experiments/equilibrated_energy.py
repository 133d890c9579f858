"""The equilibrated energy of a deep linear network: its closed form against other ways to the equilibrium.

Three measurements: the same equilibrium reached in several ways, the rescaling S over random initialisations
against its expected value, and a tanh network, where the closed form holds to first order only.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, energy, prediction_errors
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.gradients import closed_form_gradient, compare, pc_gradient
from pcn_lib.inference import ActivityDescent, Equilibrium, NewtonCG, equilibrate
from pcn_lib.layers import Dense
from pcn_lib.network import MLP, Activities, Network, feedforward, zero_errors
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import Parameterisation, Scales, mupc, mupc_skips, ntp, sp
from pcn_lib.rescaling import (
    LinearExact,
    equilibrated_energy,
    expected_rescaling,
    gram,
    linear_jacobians,
    sample_rescalings,
)
from pcn_lib.results import Provenance, provenance


@dataclass(frozen=True)
class Row:
    """One row of the table of expected rescalings: a parameterisation, and whether hidden layers have skips."""

    name: str
    parameterisation: Parameterisation
    skips: bool


#: The table's rows, in its order.
ROWS = (
    Row("muPC with skips", mupc_skips(), True),
    Row("muPC", mupc(), False),
    Row("SP", sp(), False),
    Row("SP with skips", sp(), True),
    Row("NTP", ntp(), False),
)
#: Initialisations of each tanh network.
TANH_SEEDS = 3


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw.
        inputs: D.
        samples: B, of Gaussian inputs and targets.
        outputs: K.
        tiny: (N, L) of the network on which every way to the equilibrium is tried; the dense one is cubic in N L.
        width: N at which the depth is varied.
        depths: L at that width.
        depth: L at which the width is varied.
        widths: N at that depth.
        tanh_widths: N of the tanh networks, at that depth and much larger than it.
        seeds: initialisations of each network.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    outputs: int = 3
    tiny: tuple[int, ...] = (32, 4)
    width: int = 128
    depths: tuple[int, ...] = (2, 4, 8, 16, 32)
    depth: int = 8
    widths: tuple[int, ...] = (32, 256)
    tanh_widths: tuple[int, ...] = (64, 256)
    seeds: int = 24

    def __post_init__(self):
        check_sizes(
            self, inputs=1, samples=1, outputs=2, tiny=2, width=1, depths=2, depth=2, widths=1, tanh_widths=1, seeds=2
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Every (N, L) at which the rescaling is measured, once each."""
        by_depth = [(self.width, depth) for depth in self.depths]
        return tuple(dict.fromkeys([*by_depth, *((width, self.depth) for width in self.widths)]))


PRESETS = {
    "smoke": Settings(width=32, depths=(2, 8), widths=(32,), tanh_widths=(64, 128), seeds=20),
    "quick": Settings(),
    "full": Settings(
        width=256, depths=(2, 4, 8, 16, 32, 64), widths=(32, 64, 128, 512), tanh_widths=(64, 128, 256, 512), seeds=100
    ),
    "paper": Settings(
        width=512, depths=(2, 4, 8, 16, 32, 64), widths=(32, 128, 2048), tanh_widths=(64, 256, 1024), seeds=100
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Routes:
    """One equilibrium reached in several ways, every entry relative to the closed form; axes [routes].

    Attributes:
        names: of the ways.
        energy_error: |F(z) - F*| / F*.
        activity_error: ||z - z*|| / ||z*||, z* from the closed form.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        gradient_error: ||dF/dtheta - dF*/dtheta|| / ||dF*/dtheta||, the latter by differentiating F* itself.
    """

    names: tuple[str, ...]
    energy_error: Float[np.ndarray, " routes"]
    activity_error: Float[np.ndarray, " routes"]
    residual: Float[np.ndarray, " routes"]
    gradient_error: Float[np.ndarray, " routes"]

    def __str__(self) -> str:
        columns = (self.energy_error, self.activity_error, self.residual, self.gradient_error)
        lines = [f"{'':<28}{'energy':>10}{'activities':>12}{'dF/dz':>10}{'gradient':>10}"]
        for name, *errors in zip(self.names, *columns, strict=True):
            lines.append(f"{name:<28}" + "".join(f"{e:>{w}.1e}" for e, w in zip(errors, (10, 12, 10, 10), strict=True)))
        return "\n".join(lines)


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        by_hand: F* of the one-unit network with weights 1, 2, 1 at x = 1, y = 8.
        routes: ways to one equilibrium.
        rescalings: S - I of every initialisation; axes [rows, sizes, seeds, K, K], sizes as in ``settings.sizes``.
        predicted: the number m with E[S] - I = m I; axes [rows, sizes].
        tanh_error: |F*_closed - F*| / F* of tanh networks of each width at ``settings.depth``; axes [widths, seeds].
    """

    settings: Settings
    provenance: Provenance
    by_hand: float
    routes: Routes
    rescalings: Float[np.ndarray, "rows sizes seeds outputs outputs"]
    predicted: Float[np.ndarray, "rows sizes"]
    tanh_error: Float[np.ndarray, "widths few_seeds"]

    def mean_rescaling(self, row: str, width: int, depth: int) -> Float[np.ndarray, "outputs outputs"]:
        """The mean over seeds of S - I for one row of the table at one size."""
        names = [known.name for known in ROWS]
        return self.rescalings[names.index(row), self.settings.sizes.index((width, depth))].mean(axis=0)


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    by_hand = float(equilibrate(one_unit_problem(weights=(1, 2, 1), x=1, y=8), LinearExact()).energy)
    routes = measure_routes(settings)
    rescalings, predicted = measure_rescalings(settings)
    tanh_error = measure_tanh(settings)
    data = f"{settings.samples} Gaussian inputs and targets (drawn with seed {settings.seed})"
    # Every draw comes from the one seed, so it is all that a repetition needs.
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data, seeds=(settings.seed,))
    return Record(settings, made, by_hand, routes, rescalings, predicted, tanh_error)


def one_unit_problem(*, weights: Sequence[int | float], x: int | float, y: int | float) -> Problem:
    """One sample of a network of one unit in each layer, z_l = w_l z_{l-1}: small enough to solve by hand."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    column = partial(jnp.full, (1, 1))
    *hidden, readout = (Dense(column(float(weight)), plain) for weight in weights)
    return Problem(Network(tuple(hidden), readout, (1,)), x=column(float(x)), y=column(float(y)))


def gaussian_problem(settings: Settings, mlp: MLP, parameterisation: Parameterisation, seed: int = 0) -> Problem:
    """A network with Gaussian inputs and targets; the data are the same for every network."""
    dtype = jnp.zeros(()).dtype
    x_key, y_key, key = jax.random.split(jax.random.key(settings.seed), 3)
    x = jax.random.normal(x_key, (settings.samples, settings.inputs), dtype)
    y = jax.random.normal(y_key, (settings.samples, settings.outputs), dtype)
    network = mlp.init(jax.random.fold_in(key, seed), parameterisation, dtype)
    return Problem(network, x, y)


def dense_activities(problem: Problem) -> Activities:
    """z* the slow way that nobody doubts: the Hessian of F in all (L - 1) N activities, by autodiff, and a solve.

    For a linear network with squared error F is quadratic in z, so one system solved at z = 0 is exact.
    """
    origin, unravel = ravel_pytree(zero_errors(problem.network, problem.x[:1]))

    def solve(x: Array, y: Array) -> Activities:
        def objective(flat):
            return energy(replace(problem, x=x[None], y=y[None]), unravel(flat))

        z = -jnp.linalg.solve(jax.hessian(objective)(origin), jax.grad(objective)(origin))
        return jax.tree.map(lambda leaf: leaf[0], unravel(z))

    return jax.vmap(solve)(problem.x, problem.y)


def measure_routes(settings: Settings) -> Routes:
    """Reach one equilibrium in four ways, and stop a fifth too early."""
    width, depth = settings.tiny
    mlp = MLP(settings.inputs, width, depth, settings.outputs, skips=True)
    problem = gaussian_problem(settings, mlp, mupc_skips())
    exact = equilibrate(problem, LinearExact())
    iterated = equilibrate(problem, NewtonCG(tolerance=1e-13))
    stopped = equilibrate(problem, ActivityDescent(optax.sgd(0.1), steps=20))
    ways = {
        "row products (LinearExact)": exact.activities,
        "dense Hessian": jax.jit(dense_activities)(problem),
        "Newton's method": iterated.activities,
        "20 gradient-descent steps": stopped.activities,
    }
    errors = [_against_closed_form(problem, exact, activities) for activities in ways.values()]
    return Routes(tuple(ways), *np.array(errors).T)


@jax.jit
def _against_closed_form(problem: Problem, exact: Equilibrium, activities: Activities) -> Float[Array, "4"]:
    """The four errors of :class:`Routes`, each computed from the activities alone."""
    value = equilibrated_energy(problem)
    slope = jax.grad(lambda z: energy(problem, z))
    reached = replace(exact, activities=activities, errors=prediction_errors(problem, activities))
    gradient = compare(pc_gradient(problem, reached), closed_form_gradient(problem))
    distance = tree_norm(tree_subtract(activities, exact.activities)) / tree_norm(exact.activities)
    start = feedforward(problem.network, problem.x).activities
    residual = tree_norm(slope(activities)) / tree_norm(slope(start))
    return jnp.stack(
        [jnp.abs(energy(problem, activities) / value - 1), distance, residual, gradient.total.relative_error]
    )


def measure_rescalings(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """S - I = M over initialisations, and its expected multiple of I; axes as in :class:`Record`."""
    shape = (len(ROWS), len(settings.sizes), settings.seeds, settings.outputs, settings.outputs)
    measured, predicted = np.zeros(shape), np.zeros(shape[:2])
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    for j, (width, depth) in enumerate(settings.sizes):
        for i, row in enumerate(ROWS):
            mlp = MLP(settings.inputs, width, depth, settings.outputs, skips=row.skips)
            predicted[i, j] = expected_rescaling(mlp, row.parameterisation)
            for k, key in enumerate(keys):
                measured[i, j, k] = _rescaling_minus_identity(mlp.init(key, row.parameterisation, jnp.zeros(()).dtype))
    return measured, predicted


@jax.jit
def _rescaling_minus_identity(network: Network) -> Float[Array, "outputs outputs"]:
    return gram(linear_jacobians(network))


def measure_tanh(settings: Settings) -> np.ndarray:
    """|F*_closed / F* - 1| where the theorem does not hold: tanh networks, P_l on the feedforward pass."""
    solver = NewtonCG(tolerance=1e-10)
    errors = np.zeros((len(settings.tanh_widths), TANH_SEEDS))
    for i, width in enumerate(settings.tanh_widths):
        mlp = MLP(settings.inputs, width, settings.depth, settings.outputs, activation=jnp.tanh, skips=True)
        for k in range(TANH_SEEDS):
            problem = gaussian_problem(settings, mlp, mupc_skips(), k)
            reached = equilibrate(problem, solver).require().energy
            errors[i, k] = abs(_linearised_energy(problem) / reached - 1)
    return errors


@jax.jit
def _linearised_energy(problem: Problem) -> Float[Array, ""]:
    """(1/2B) sum_i r_i^T S_i^{-1} r_i, S_i from Jacobians on the feedforward pass."""
    r = problem.y - feedforward(problem.network, problem.x).output
    S = sample_rescalings(problem)
    return jnp.mean(jnp.sum(r * jnp.linalg.solve(S, r[..., None])[..., 0], axis=-1)) / 2
