"""Narrow linear networks: how soon predictive coding and backpropagation leave the plateau about the origin (E5).

Source: arXiv:2602.07697, Figures A.4 (without skips) and A.23 (with skips); the strictness of the origin is
Innocenti et al. 2024 (NeurIPS 37).
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.gradients import pc_gradient
from pcn_lib.inference import Equilibrium
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import GradientDescent, Probe, Schedule, train


class Start(NamedTuple):
    """Where trainings start: a factor on muPC's initial weights, with or without skips."""

    name: str
    factor: float
    skips: bool


#: As published; near the saddle; as published, with skips.
STARTS = (
    Start("published weights", 1.0, False),
    Start("a tenth of them", 0.1, False),
    Start("published, with skips", 1.0, True),
)


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the data and of the first initialisation.
        inputs: D.
        samples: B.
        widths: N.
        hidden: H = L - 1, at every width.
        rate: eta.
        steps: T, of the grid of widths and depths.
        seeds: initialisations.
        factors: of the initial weights, descending, in the study of how times grow towards the saddle.
        tiny: still smaller factors, at which only the energy has time to leave.
        approach_width: N of that study.
        approach_hidden: its H, at least 2.
        approach_steps: its steps; ``tiny`` has ``steps``.

    Raises:
        SettingsError: a size too small, or a factor that is not positive.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    widths: tuple[int, ...] = (1, 4, 8)
    hidden: tuple[int, ...] = (1, 3)
    rate: float = 0.2
    steps: int = 1000
    seeds: int = 10
    factors: tuple[float, ...] = (0.3, 0.15)
    tiny: tuple[float, ...] = (1e-2, 1e-3)
    approach_width: int = 4
    approach_hidden: tuple[int, ...] = (2, 3)
    approach_steps: int = 2500

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, widths=1, hidden=1, steps=1, seeds=1, factors=0)
        check_sizes(self, approach_width=1, approach_hidden=2, approach_steps=1)
        for name in ("factors", "tiny"):
            values = getattr(self, name)
            if len(values) < 2 or not min(values) > 0:
                raise SettingsError(f"{name} = {values} given; two or more positive ones are needed: try (0.2, 0.1)")
            object.__setattr__(self, name, tuple(sorted(values, reverse=True)))


PRESETS = {
    "smoke": Settings(widths=(1, 4), hidden=(3,), steps=400, seeds=6, factors=(0.4, 0.2), approach_steps=1000),
    "quick": Settings(),
    "full": Settings(hidden=(1, 3, 5, 7), seeds=20, factors=(0.2, 0.1, 0.05), approach_steps=15_000),
    "paper": Settings(hidden=(1, 3, 5, 7), seeds=20, factors=(0.2, 0.1, 0.05), approach_steps=15_000),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Times:
    """The first step at which a quantity is at most half its value at the origin, (1/2B) sum y^2; NaN for never.

    Attributes:
        energy: of F* on predictive coding's weights.
        pc_loss: of Loss on predictive coding's weights.
        bp_loss: of Loss on backpropagation's weights.
    """

    energy: Float[np.ndarray, "*cases seeds"]
    pc_loss: Float[np.ndarray, "*cases seeds"]
    bp_loss: Float[np.ndarray, "*cases seeds"]


@dataclass(frozen=True)
class Curves:
    """The first seed's training; axes [..., steps].

    Attributes:
        energy: F* on predictive coding's weights.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
    """

    energy: Float[np.ndarray, "*cases steps"]
    pc_loss: Float[np.ndarray, "*cases steps"]
    bp_loss: Float[np.ndarray, "*cases steps"]


@dataclass(frozen=True)
class Leaving:
    """At the first step at which F* is at most half its value at the origin; NaN where there is none.

    Attributes:
        growth: ||W_l|| over its initial value, l = 1..L.
        slope: W_L . dF*/dW_L, along the readout: zero at a stationary point.
        energy: F*.
        loss: Loss on the same weights.
    """

    growth: Float[np.ndarray, "*cases seeds layers"]
    slope: Float[np.ndarray, "*cases seeds"]
    energy: Float[np.ndarray, "*cases seeds"]
    loss: Float[np.ndarray, "*cases seeds"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        times: of the grid; axes [STARTS, widths, hidden, seeds].
        curves: of the grid; axes [STARTS, widths, hidden, steps].
        diverged: trainings with a loss that is not finite; axes [STARTS, widths, hidden, (PC, BP)].
        residual: the largest relative ||dF/dz|| of all finite trainings of the grid.
        approach: at ever smaller initial weights; axes [approach_hidden, factors, seeds].
        tiny: at still smaller ones, at the deepest of these networks; axes [tiny, seeds].
        leaving: where the energy of these has fallen to half; axes [tiny, seeds, ...].
    """

    settings: Settings
    provenance: Provenance
    times: Times
    curves: Curves
    diverged: Int[np.ndarray, "starts widths hidden 2"]
    residual: float
    approach: Times
    tiny: Times
    leaving: Leaving


class _Probed(NamedTuple):
    """Of predictive coding's weights; axes [seeds, steps, ...]."""

    sizes: Array  # ||W_l||, l = 1..L
    slope: Array  # W_L . dF*/dW_L


class _Trained(NamedTuple):
    """Axes [seeds, steps]; what was probed, where something was."""

    energy: np.ndarray
    pc_loss: np.ndarray
    bp_loss: np.ndarray
    residual: np.ndarray
    probed: _Probed | None


def run(settings: Settings) -> Record:
    """Train the grid from every start, and towards the saddle; the claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    level = float(np.mean(task.y**2)) / 4
    x, y = (jnp.asarray(a, jnp.zeros(()).dtype) for a in (task.x, task.y))
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)

    def trained(width: int, hidden: int, steps: int, start: Start, probe: Probe | None = None) -> _Trained:
        mlp = MLP(settings.inputs, width, hidden + 1, skips=start.skips)
        factor, rate = (jnp.asarray(a, x.dtype) for a in (start.factor, settings.rate))
        return _Trained(*jax.device_get(_train(mlp, steps, (x, y), keys, (factor, rate), probe)))

    grid = [[[trained(N, H, settings.steps, s) for H in settings.hidden] for N in settings.widths] for s in STARTS]
    N = settings.approach_width
    nearer = [
        trained(N, H, settings.approach_steps, Start("", factor, False))
        for H in settings.approach_hidden
        for factor in settings.factors
    ]
    deepest = settings.approach_hidden[-1]
    tiny = [trained(N, deepest, settings.steps, Start("", factor, False), _probe) for factor in settings.tiny]
    runs = [run for plane in grid for row in plane for run in row]
    shape = (len(STARTS), len(settings.widths), len(settings.hidden))
    return Record(
        settings,
        provenance(settings, seconds=time.perf_counter() - start, data_set=task.note, seeds=(settings.seed,)),
        _times(runs, level, shape),
        Curves(*(np.array([getattr(run, q)[0] for run in runs]).reshape(*shape, -1) for q in _QUANTITIES)),
        np.array([[_diverged(run.pc_loss), _diverged(run.bp_loss)] for run in runs]).reshape(*shape, 2),
        float(max(np.max(run.residual, where=np.isfinite(run.pc_loss), initial=0.0) for run in runs)),
        _times(nearer, level, (len(settings.approach_hidden), len(settings.factors))),
        _times(tiny, level, (len(tiny),)),
        _leaving(tiny, level),
    )


_QUANTITIES = ("energy", "pc_loss", "bp_loss")


def _times(runs: list[_Trained], level: float, shape: tuple[int, ...]) -> Times:
    return Times(*(np.array([escape(getattr(run, q), level) for run in runs]).reshape(*shape, -1) for q in _QUANTITIES))


def _leaving(runs: list[_Trained], level: float) -> Leaving:
    found = []
    for run in runs:
        first, seeds = escape(run.energy, level), np.arange(len(run.energy))
        place = np.nan_to_num(first).astype(int)
        sizes, slope = run.probed.sizes, run.probed.slope
        rows = (sizes[seeds, place] / sizes[:, 0], *(a[seeds, place] for a in (slope, run.energy, run.pc_loss)))
        found.append([np.where(np.isnan(first), np.nan, row.T).T for row in rows])
    return Leaving(*(np.stack(rows) for rows in zip(*found, strict=True)))


def _diverged(values: np.ndarray) -> int:
    return int(np.sum(~np.all(np.isfinite(values), axis=1)))


def escape(values: Float[np.ndarray, "*seeds steps"], level: float) -> Float[np.ndarray, "*seeds"]:
    """The first step at which a value is at most ``level``; NaN where none is.

    A run that stays above is censored: all that is known is that its time exceeds the steps taken.
    """
    below = np.asarray(values) <= level
    return np.where(below.any(axis=-1), below.argmax(axis=-1), np.nan)


def median(times: Float[np.ndarray, "*cases seeds"]) -> Float[np.ndarray, "*cases"]:
    """The median over seeds, never counted as infinite: infinite where half the seeds or more never escape."""
    return np.asarray(np.median(np.where(np.isnan(times), np.inf, times), axis=-1))


def _probe(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> _Probed:
    # Hidden weights are stacked: a matrix is the last two axes of a leaf.
    sizes = [jnp.atleast_1d(jnp.linalg.norm(weight, axis=(-2, -1))) for weight in jax.tree.leaves(pc.network)]
    readout, slope = (jax.tree.leaves(tree)[-1] for tree in (pc.network, pc_gradient(pc, equilibrium)))
    return _Probed(jnp.concatenate(sizes), jnp.sum(readout * slope))


@partial(jax.jit, static_argnames=("mlp", "steps", "probe"))
def _train(
    mlp: MLP,
    steps: int,
    data: tuple[Array, Array],
    keys: Array,
    numbers: tuple[Array, Array],
    probe: Probe | None = None,
) -> tuple[Array, Array, Array, Array, _Probed | None]:
    factor, rate = numbers

    def one(key: Array) -> tuple[Array, Array, Array, Array, _Probed | None]:
        network = mlp.init(key, mupc_skips() if mlp.skips else mupc(), data[0].dtype)
        network = jax.tree.map(lambda weight: factor * weight, network)
        history = train(Problem(network, *data), GradientDescent(rate), Schedule(steps, LinearExact(), probe)).history
        return history.energy, history.pc_loss, history.bp_loss, history.residual, history.probe

    return jax.vmap(one)(keys)
