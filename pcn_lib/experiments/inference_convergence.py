"""Gradient descent on the activities against the exact equilibrium: how fast, and what decides it (E6).

Deep linear networks with skips under SP and muPC; the condition number of the activity Hessian is computed beside
every run.

Source: arXiv:2602.07697, appendix (inference convergence); rates and bounds derived here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pcn_lib.data import Dataset, toy_task
from pcn_lib.energy import Problem, energy, loss, prediction_errors
from pcn_lib.experiments.activity_curvature import Extremes, curvature
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Equilibrium
from pcn_lib.network import MLP, Activities, feedforward
from pcn_lib.numerics import tree_axpy, tree_norm, tree_subtract
from pcn_lib.parameterisation import Parameterisation, mupc, mupc_skips, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import Provenance, provenance

#: The rate on the activities is this share of 1 / mu_max: three quarters of the largest that is stable.
RATE_SHARE = 1.5


@dataclass(frozen=True)
class Family:
    """A parameterisation, and whether the hidden layers have skips."""

    name: str
    parameterisation: Callable[[], Parameterisation]
    skips: bool


#: The first two are trained on; all four have their curvature measured.
FAMILIES = (
    Family("SP", sp, True),
    Family("muPC", mupc_skips, True),
    Family("SP, no skips", sp, False),
    Family("muPC, no skips", mupc, False),
)
WITH_SKIPS = FAMILIES[:2]


@dataclass(frozen=True)
class Settings:
    """Sizes of the networks, and how long inference runs.

    Attributes:
        width: N of the networks whose inference is followed.
        widths: N at which the curvature is measured.
        hidden: H, hidden layers.
        steps: T, gradient-descent steps on the activities.
        points: numbers of steps, spread logarithmically up to T, at which inference is measured.
        inputs, samples: D and B of the toy task.
        seed: of data and initialisation.

    Raises:
        SettingsError: a size too small.
    """

    width: int = 128
    widths: tuple[int, ...] = (32, 128, 512)
    hidden: tuple[int, ...] = (1, 3, 7)
    steps: int = 4000
    points: int = 60
    inputs: int = 40
    samples: int = 20
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, width=2, widths=2, hidden=1, steps=100, points=10, inputs=1, samples=2)
        if len(self.widths) < 2:
            raise SettingsError(f"widths = {self.widths} given; at least two are needed to compare: add one")


PRESETS = {
    "smoke": Settings(width=32, widths=(32, 64), steps=3000, points=40),
    "quick": Settings(),
    "full": Settings(width=2048, widths=(32, 128, 512, 2048), steps=1000),
    "paper": Settings(width=2048, widths=(32, 128, 512, 2048), steps=20_000),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Descent:
    """Inference by gradient descent on the activities, after ``counts`` steps; axes [families, hidden, counts].

    Attributes:
        gap: (F - F*) / (Loss - F*): 1 on the feedforward pass, 0 at the equilibrium.
        residual: largest ||dF/dz|| of the batch, relative to its value on the feedforward pass.
        from_bp: 1 - cos of predictive coding's gradient and backpropagation's.
        from_exact: 1 - cos of predictive coding's gradient and that of the exact equilibrium.
        norm_ratio: length of predictive coding's gradient over that of the exact equilibrium.
    """

    gap: Float[np.ndarray, "families hidden counts"]
    residual: Float[np.ndarray, "families hidden counts"]
    from_bp: Float[np.ndarray, "families hidden counts"]
    from_exact: Float[np.ndarray, "families hidden counts"]
    norm_ratio: Float[np.ndarray, "families hidden counts"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        counts: numbers of steps at which inference is measured.
        descent: with skips, under SP and muPC, at each network's own rate, :data:`RATE_SHARE` / mu_max.
        published: residual after 1, 2, 3, ... steps at the script's rate, axes [families, hidden, steps].
        exact_from_bp: 1 - cos of both gradients at the exact equilibrium, axes [families, hidden].
        smallest, largest: mu_min and mu_max, axes [all families, widths, hidden].
        followed_smallest, followed_largest: of the networks whose inference is followed, axes [families, hidden].
    """

    settings: Settings
    provenance: Provenance
    counts: Int[np.ndarray, " counts"]
    descent: Descent
    published: Float[np.ndarray, "families hidden steps"]
    exact_from_bp: Float[np.ndarray, "families hidden"]
    smallest: Float[np.ndarray, "all_families widths hidden"]
    largest: Float[np.ndarray, "all_families widths hidden"]
    followed_smallest: Float[np.ndarray, "families hidden"]
    followed_largest: Float[np.ndarray, "families hidden"]

    @property
    def condition(self) -> Float[np.ndarray, "all_families widths hidden"]:
        """kappa = mu_max / mu_min."""
        return self.largest / self.smallest

    @property
    def rate(self) -> Float[np.ndarray, "families hidden"]:
        """beta of each network whose inference is followed."""
        return RATE_SHARE / self.followed_largest


def run(settings: Settings) -> Record:
    """Follow inference at one width and measure the curvature at all; the claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    counts = np.unique(np.geomspace(1, settings.steps, settings.points).round().astype(int))
    rows, published, exact, followed = [], [], [], []

    @cache
    def extremes(family: Family, size: tuple[int, int]) -> Extremes:
        return curvature(problem_of(settings, task, family, size).network).extremes()

    for family in WITH_SKIPS:
        for hidden in settings.hidden:
            problem = problem_of(settings, task, family, (settings.width, hidden))
            ends = extremes(family, (settings.width, hidden))
            measured, apart = jax.device_get(follow(problem, RATE_SHARE / ends.largest, jnp.asarray(counts)))
            rows.append(measured)
            exact.append(apart)
            every = jnp.arange(1, len(counts) + 1)
            published.append(jax.device_get(follow(problem, ACTIVITY_RATE, every)[0][:, 1]))
            followed.append((ends.smallest, ends.largest))
    shape = (len(WITH_SKIPS), len(settings.hidden))
    smallest, largest = _curvatures(settings, extremes)
    followed_smallest, followed_largest = np.array(followed).T.reshape(2, *shape)
    return Record(
        settings,
        provenance(settings, seconds=time.perf_counter() - start, data_set=task.note),
        counts,
        Descent(*(np.array(rows).reshape(*shape, len(counts), -1)[..., i] for i in range(len(fields(Descent))))),
        np.array(published).reshape(*shape, -1),
        np.array(exact).reshape(shape),
        smallest,
        largest,
        followed_smallest,
        followed_largest,
    )


def problem_of(settings: Settings, task: Dataset, family: Family, size: tuple[int, int]) -> Problem:
    """The toy task for one network of size (N, H), in the number type of the run."""
    width, hidden = size
    dtype = jnp.zeros(()).dtype
    mlp = MLP(settings.inputs, width, hidden + 1, skips=family.skips)
    network = mlp.init(jax.random.key(settings.seed), family.parameterisation(), dtype)
    return Problem(network, jnp.asarray(task.x, dtype), jnp.asarray(task.y, dtype))


def _curvatures(
    settings: Settings, extremes: Callable[[Family, tuple[int, int]], Extremes]
) -> Float[np.ndarray, "2 families widths hidden"]:
    """mu_min and mu_max of every family, width and depth."""
    found = [[[extremes(family, (N, H)) for H in settings.hidden] for N in settings.widths] for family in FAMILIES]
    return np.moveaxis(np.array([[[(e.smallest, e.largest) for e in row] for row in grid] for grid in found]), -1, 0)


def _gradient(problem: Problem, z: Activities) -> Activities:
    """dF/dz of every sample's own energy."""
    return jax.tree.map(lambda g: problem.x.shape[0] * g, jax.grad(energy, argnums=1)(problem, z))


def _descend(problem: Problem, rate: Array, counts: Array, measure: Callable[[Activities], Array]) -> Array:
    """z <- z - beta dF/dz from the feedforward pass, measured after each of the counts, which rise."""

    def on(z: Activities, steps: Array) -> tuple[Activities, Array]:
        z = jax.lax.fori_loop(0, steps, lambda _, z: tree_axpy(-rate, _gradient(problem, z), z), z)
        return z, measure(z)

    start = feedforward(problem.network, problem.x).activities
    return jax.lax.scan(on, start, jnp.diff(counts, prepend=jnp.zeros((1,), counts.dtype)))[1]


@jax.jit
def follow(
    problem: Problem, rate: float | Array, counts: Int[Array, " counts"]
) -> tuple[Float[Array, "counts quantities"], Float[Array, ""]]:
    """The quantities of :class:`Descent` after each number of steps, and 1 - cos of PC and BP at the equilibrium.

    Args:
        problem: a linear network with squared error.
        rate: beta.
        counts: rising numbers of steps.
    """
    exact = LinearExact()(problem)
    reference, target = bp_gradient(problem), pc_gradient(problem, exact)
    reach = loss(problem) - exact.energy
    scale = tree_norm(_gradient(problem, feedforward(problem.network, problem.x).activities))
    # F - F* is the energy of z - z* without data: nothing is lost in subtracting two almost equal energies.
    homogeneous = replace(problem, x=jnp.zeros_like(problem.x), y=jnp.zeros_like(problem.y))

    def measure(z: Activities) -> Array:
        here = Equilibrium(
            z, prediction_errors(problem, z), exact.energies, exact.residual, exact.steps, exact.criterion
        )
        gradient = pc_gradient(problem, here)
        to_bp, to_exact = compare(gradient, reference).total, compare(gradient, target).total
        gap = energy(homogeneous, tree_subtract(z, exact.activities)) / reach
        residual = tree_norm(_gradient(problem, z)) / scale
        return jnp.stack([gap, residual, to_bp.one_minus_cosine, to_exact.one_minus_cosine, to_exact.norm_ratio])

    return _descend(problem, jnp.asarray(rate), counts, measure), compare(target, reference).total.one_minus_cosine


def late_factor(
    rate: float | np.ndarray, smallest: float | np.ndarray, largest: float | np.ndarray
) -> Float[np.ndarray, "*cases"]:
    """Factor by which a late step of gradient descent shrinks z - z*, from a start with a share of both ends' modes.

        max(|1 - beta mu_min|, |1 - beta mu_max|),  which is 1 - beta mu_min iff beta <= 2 / (mu_min + mu_max)

    Source: derived here, see the chapter "Inference convergence".
    """
    return np.asarray(np.maximum(np.abs(1 - rate * smallest), np.abs(1 - rate * largest)))


def slowest_possible(hidden: int, family: Family) -> float:
    """The wide limit's upper bound on mu_min:  1 / sum_{l=1}^{H} G^{l-1},  G the growth of a layer's mean square.

    G is 2 for SP with skips, 1 + 1/L for muPC with skips, and 1 without skips.  As mu_max >= 1, its reciprocal is a
    lower bound on the condition number; there is no upper one here.

    Source: derived here, see the chapter "Inference convergence".
    """
    scales = family.parameterisation().hidden
    square = scales.multiplier(1, 1, hidden + 1) ** 2 * scales.variance(1, 1, hidden + 1)
    growth = float(family.skips) + square
    return 1 / sum(growth**layer for layer in range(hidden))
