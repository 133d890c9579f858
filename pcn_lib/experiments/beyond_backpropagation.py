"""Predictive coding that differs from backpropagation at every width: output precision lambda = gamma_0^2 N / L.

Two measurements on deep linear networks of several widths: the angle between the two gradients at initialisation for
many precisions, against its infinite-width limit; and trainings at lambda = 1 and lambda = gamma_0^2 N / L.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.equivalence import residual_over_batch
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.gap import predict
from pcn_lib.gradients import bp_gradient, pc_gradient, similarity
from pcn_lib.inference import Equilibrium
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, gram, linear_jacobians
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import GradientDescent, History, Schedule, train

#: lambda = gamma_0^2 (N / L)^p: exponents p of the precisions tried at initialisation.
EXPONENTS = (0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the data and of the first initialisation.
        depth: L.
        widths: N, narrow to wide.
        gamma_0: output scale.
        rate: eta, backpropagation's base rate; predictive coding uses eta / lambda.
        steps: weight updates.
        seeds: initialisations of each network.
    """

    seed: int = 0
    depth: int = 8
    widths: tuple[int, ...] = (32, 128, 512)
    gamma_0: float = 1.0
    rate: float = 0.25
    steps: int = 40
    seeds: int = 3

    def __post_init__(self):
        check_sizes(self, depth=3, widths=1, steps=1, seeds=2)

    def precision(self, width: int, exponent: float = 1.0) -> float:
        """lambda = gamma_0^2 (N / L)^p."""
        return self.gamma_0**2 * (width / self.depth) ** exponent


PRESETS = {
    "smoke": Settings(widths=(32, 64, 128)),
    "quick": Settings(widths=(32, 96, 256)),
    "full": Settings(widths=(32, 64, 128, 256, 512), steps=100, seeds=10),
    "paper": Settings(widths=(32, 128, 512, 2048), steps=100, seeds=3),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Curves:
    """Trainings of one kind; axes [widths, seeds, steps].

    Attributes:
        loss: Loss of the network as it is.
        one_minus_cosine: 1 - cos(grad F*, grad Loss), both on predictive coding's weights.
        metric: lambda M (a number, K = 1).
        moved: root mean square over hidden units and samples of h_{L-1}(t) - h_{L-1}(0).
    """

    loss: Float[np.ndarray, "widths seeds steps"]
    one_minus_cosine: Float[np.ndarray, "widths seeds steps"]
    metric: Float[np.ndarray, "widths seeds steps"]
    moved: Float[np.ndarray, "widths seeds steps"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        metric: lambda M at initialisation, lambda = gamma_0^2 N / L; axes [widths, seeds].
        one_minus_cosine: 1 - cos at initialisation; axes [exponents, widths, seeds].
        limit: 1 - cos that the infinite-width formula gives; axes [exponents, widths].
        different: PC at lambda = gamma_0^2 N / L.
        alike: PC at lambda = 1.
        bp_loss: backpropagation's loss; axes [widths, seeds, steps].
        slow_bp_loss: the same at the rate divided by 1 + kappa, kappa the limit of lambda M.
        residual: the largest of the trainings' certificates, each of a whole batch.
    """

    settings: Settings
    provenance: Provenance
    metric: Float[np.ndarray, "widths seeds"]
    one_minus_cosine: Float[np.ndarray, "exponents widths seeds"]
    limit: Float[np.ndarray, "exponents widths"]
    different: Curves
    alike: Curves
    bp_loss: Float[np.ndarray, "widths seeds steps"]
    slow_bp_loss: Float[np.ndarray, "widths seeds steps"]
    residual: float


def limiting_metric(depth: int) -> float:
    """kappa = (1 + 1/L)^(L-1) - 1, the limit of lambda M at initialisation for lambda = gamma_0^2 N / L."""
    return (1 + 1 / depth) ** (depth - 1) - 1


def limiting_one_minus_cosine(depth: int, alignment: float, *, strength: float = 1.0, gamma_0: float = 1.0) -> float:
    """1 - cos(grad F*, grad Loss) at initialisation as N -> infinity, linear networks under muPC with skips, K = 1.

        tan = T mu / (1 + mu kappa),   mu = lambda L / (gamma_0^2 N),   T independent of mu

    T is taken from lambda = 1, where mu = L / (gamma_0^2 N) and :func:`pcn_lib.gap.predict` gives the angle.

    Source: derived here, see the chapter "Keeping predictive coding different from backpropagation".

    Args:
        depth: L.
        alignment: q = ||(1/B) sum_i y_i x_i||^2 / D, for targets of mean square 1.
        strength: mu.
        gamma_0: output scale.
    """
    unit, kappa = 1 / gamma_0**2, limiting_metric(depth)
    known = predict(depth, depth, alignment=alignment, gamma_0=gamma_0).gap.direction
    tan = np.sqrt((1 - known) ** -2 - 1) * (1 + unit * kappa) / unit * strength / (1 + strength * kappa)
    return float(1 - (1 + tan**2) ** -0.5)


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    data = toy_task(settings.seed)
    metric, one_minus_cosine = measure_initialisation(settings)
    different, alike, bp_loss, slow_bp_loss, residual = measure_trainings(settings)
    limit = limits(settings, alignment_of(data.x, data.y))
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note)
    return Record(
        settings, made, metric, one_minus_cosine, limit, different, alike, bp_loss, slow_bp_loss, residual
    )  # fmt: skip


def alignment_of(x: np.ndarray, y: np.ndarray) -> float:
    """q = ||(1/B) sum_i y_i x_i||^2 / D: what the angle needs to know of the data."""
    return float(np.sum(np.mean(y * x, axis=0) ** 2) / x.shape[1])


def limits(settings: Settings, alignment: float) -> np.ndarray:
    """The infinite-width formula's 1 - cos at every exponent and width."""

    def one(width: int, exponent: float) -> float:
        strength = settings.precision(width, exponent) / settings.precision(width)
        return limiting_one_minus_cosine(settings.depth, alignment, strength=strength, gamma_0=settings.gamma_0)

    return np.array([[one(width, exponent) for width in settings.widths] for exponent in EXPONENTS])


def toy_problem(settings: Settings, width: int, seed: int, output_precision: float = 1.0) -> Problem:
    """A linear residual network under muPC and the toy task, in the precision of the run."""
    data, dtype = toy_task(settings.seed), jnp.zeros(()).dtype
    x, y = jnp.asarray(data.x, dtype), jnp.asarray(data.y, dtype)
    key = jax.random.fold_in(jax.random.key(settings.seed), seed)
    mlp = MLP(x.shape[1], width, settings.depth, skips=True)
    return Problem(_draw(mlp, settings.gamma_0, key), x, y, output_precision=output_precision)


@partial(jax.jit, static_argnums=(0, 1))
def _draw(mlp: MLP, gamma_0: float, key: Array) -> Network:
    return mlp.init(key, mupc_skips(gamma_0), jnp.zeros(()).dtype)


def measure_initialisation(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """lambda M at lambda = gamma_0^2 N / L, and 1 - cos for every exponent; axes as in :class:`Record`."""
    metric = np.zeros((len(settings.widths), settings.seeds))
    cosine = np.zeros((len(EXPONENTS), *metric.shape))
    for j, width in enumerate(settings.widths):
        precisions = jnp.array([settings.precision(width, p) for p in EXPONENTS])
        for k in range(settings.seeds):
            M, cosine[:, j, k] = _at_initialisation(toy_problem(settings, width, k), precisions)
            metric[j, k] = settings.precision(width) * M
    return metric, cosine


@jax.jit
def _at_initialisation(problem: Problem, precisions: Float[Array, " exponents"]) -> tuple[Array, Array]:
    """M, and 1 - cos for each precision, by differentiating the closed form of F*."""
    reference = bp_gradient(problem)

    def equilibrated(network: Network, precision: Array) -> Array:
        r = problem.y - feedforward(network, problem.x).output
        S = 1 / precision + gram(linear_jacobians(network))[0, 0]
        return jnp.mean(r**2) / S / 2

    def gap(precision: Array) -> Array:
        return similarity(jax.grad(equilibrated)(problem.network, precision), reference).one_minus_cosine

    return gram(linear_jacobians(problem.network))[0, 0], jax.lax.map(gap, precisions)


class _Probed(NamedTuple):
    """What :class:`Curves` needs besides the loss."""

    one_minus_cosine: Array
    metric: Array
    hidden: Array
    residual: Array


def _probe(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> _Probed:
    """On PC's weights: the gradients' angle, lambda M, the feedforward pass's last hidden layer, the certificate."""
    gap = similarity(pc_gradient(pc, equilibrium), bp_gradient(pc)).one_minus_cosine
    metric = pc.output_precision * gram(linear_jacobians(pc.network))[0, 0]
    activities, output = feedforward(pc.network, pc.x)
    residual = residual_over_batch(equilibrium.residual, pc.y - output)
    return _Probed(gap, metric, jax.vmap(pc.network.top)(activities), residual)


def measure_trainings(settings: Settings) -> tuple[Curves, Curves, np.ndarray, np.ndarray, float]:
    """PC at both precisions, BP at the full and at the reduced rate, and the largest certificate."""
    schedule = Schedule(settings.steps, LinearExact(tolerance=1e-9), probe=_probe)
    slow = settings.rate / (1 + limiting_metric(settings.depth))
    runs = []
    for width in settings.widths:
        precision = settings.precision(width)
        for seed in range(settings.seeds):
            plain = toy_problem(settings, width, seed)
            precise = replace(plain, output_precision=precision)
            pairs = ((precise, settings.rate / precision), (plain, settings.rate), (plain, slow))
            runs.append([train(problem, GradientDescent(rate), schedule).history for problem, rate in pairs])
    different, alike, slower = zip(*runs, strict=True)
    residual = max(float(jnp.max(history.probe.residual)) for run in runs for history in run)

    def stacked(arrays) -> np.ndarray:
        return np.stack(arrays).reshape(len(settings.widths), settings.seeds, settings.steps)

    losses = (stacked([history.bp_loss for history in histories]) for histories in (alike, slower))
    return _curves(different, stacked), _curves(alike, stacked), *losses, residual


def _curves(histories: Sequence[History], stacked: Callable[[Sequence], np.ndarray]) -> Curves:
    def moved(history: History) -> Array:
        return jnp.sqrt(jnp.mean((history.probe.hidden - history.probe.hidden[:1]) ** 2, axis=(1, 2)))

    return Curves(
        stacked([history.pc_loss for history in histories]),
        stacked([history.probe.one_minus_cosine for history in histories]),
        stacked([history.probe.metric for history in histories]),
        stacked([moved(history) for history in histories]),
    )
