"""Depth: what the exponent alpha of the hidden multiplier does to residual networks, and why those without skips fail.

Four measurements on linear networks: the size of the last hidden layer, what one step at a rate that does not
depend on depth moves, how far PC's step is from BP's over s, and how much ||h_l||^2 scatters over initialisations.
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.equivalence import BASE, corrections, equivalent, train_many
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.parameterisation import Exponents, Parameterisation, Power, abcd, mupc, mupc_skips
from pcn_lib.results import Provenance, provenance

METHODS = ("PC", "BP")
#: Under which corrections to PC's update are measured: muPC with skips, and the same hidden layers with a lazy readout.
CORRECTED = (mupc_skips(), abcd(Exponents(d=0.0, c=0.0, alpha=0.5)))


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw; the networks count on from it.
        inputs: D.
        samples: B.
        width: N.
        depths: L, in increasing order; networks without skips are trained at the first and the last.
        alphas: depth exponents of the hidden multiplier, 1/2 and 1 among them.
        rate: eta, small, so that one step is of first order.
        seeds: initialisations of each network.
        correction_widths: N, in increasing order, at which PC's update is compared with BP's over s.
        correction_depths: L there.
        correction_seeds: initialisations there.
        scatter_widths: N at which the scatter of ||h||^2 is measured.
        scatter_depth: L there.
        scatter_seeds: initialisations there.
    """

    seed: int = 0
    inputs: int = 16
    samples: int = 8
    width: int = 128
    depths: tuple[int, ...] = (4, 12, 32)
    alphas: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    rate: float = 1e-3
    seeds: int = 8
    correction_widths: tuple[int, ...] = (64, 128, 256)
    correction_depths: tuple[int, ...] = (4, 16)
    correction_seeds: int = 24
    scatter_widths: tuple[int, ...] = (32, 64)
    scatter_depth: int = 32
    scatter_seeds: int = 200

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, width=1, depths=3, alphas=0, seeds=2)
        check_sizes(self, correction_widths=2, correction_depths=3, correction_seeds=2)
        check_sizes(self, scatter_widths=8, scatter_depth=3, scatter_seeds=8)
        for name in ("depths", "correction_widths"):
            sizes = getattr(self, name)
            if len(sizes) < 2 or sorted(set(sizes)) != list(sizes):
                raise SettingsError(f"{name} = {sizes} given; write two or more, each larger than the one before")
        if not {0.5, 1.0} <= set(self.alphas):
            raise SettingsError(
                f"alphas = {self.alphas} given; the claims compare 0.5 with 1.0: let both be among them"
            )


PRESETS = {
    "smoke": Settings(width=64, depths=(4, 16), correction_widths=(64, 256), scatter_seeds=100),
    "quick": Settings(),
    "full": Settings(
        width=512,
        depths=(4, 8, 16, 32, 64),
        correction_widths=(64, 128, 256, 512, 1024),
        correction_depths=(4, 8, 16),
        scatter_widths=(32, 64, 128),
        scatter_depth=64,
        scatter_seeds=400,
    ),
    "paper": Settings(
        inputs=40, samples=20, width=512, depths=(4, 8, 16, 32, 64), scatter_widths=(64, 128, 256), scatter_depth=64
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Step:
    """One step of gradient descent at every depth; the last axis counts seeds.

    Attributes:
        scale: ||h_{L-1}||^2 / (B N) before it; axes [parameterisations, depths, seeds].
        output: root mean square over the batch of the change of f; axes [methods, parameterisations, depths, seeds].
        features: ||Delta h_{L-1}|| / ||h_{L-1}||, same axes.
        layers: ||Delta h_l|| / ||h_l|| at the largest depth; axes [methods, parameterisations, hidden, seeds].
    """

    scale: Float[np.ndarray, "parameterisations depths seeds"]
    output: Float[np.ndarray, "methods parameterisations depths seeds"]
    features: Float[np.ndarray, "methods parameterisations depths seeds"]
    layers: Float[np.ndarray, "methods parameterisations hidden seeds"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        input_scale: mean of ||x||^2 / D over the batch.
        everything: all layers learn; one parameterisation for each alpha.
        hidden: only the hidden layers learn; one parameterisation for each alpha, then alpha = 1 with L times the rate.
        corrections: ||s Delta f_PC - Delta f_BP|| / ||Delta f_BP|| over the batch, to first order in the rate, under
            each of ``CORRECTED``; axes [parameterisations, depths, widths, seeds].
        no_skips: muPC without skips, all layers learn, at the first and the last depth; one parameterisation.
        scatter: log(||h_l||^2 / N) of one sample; axes [without and with skips, widths, seeds, hidden].
    """

    settings: Settings
    provenance: Provenance
    input_scale: float
    everything: Step
    hidden: Step
    corrections: Float[np.ndarray, "parameterisations depths widths many"]
    no_skips: Step
    scatter: Float[np.ndarray, "kinds scatter_widths draws hidden"]


@dataclass(frozen=True)
class Predicted:
    """A residual linear network of infinite width, per unit of input scale, rate and residual.

    Attributes:
        scale: g^(L-2), g = 1 + L^-2alpha: mean square of h_{L-1}.
        hidden: (L - 2) L^-2alpha g^(L-3): what the hidden layers' change adds to f.
        output: the same with input layer and readout, 2 g^(L-2) more.
        features: ``hidden`` over g^((L-2)/2): the order of ||Delta h_{L-1}|| / ||h_{L-1}||.
        rescaling: (g^(L-1) - 1) / (g - 1) / N: the mean of s - 1, by which predictive coding falls behind.
    """

    scale: float
    hidden: float
    output: float
    features: float
    rescaling: float


def predict(alpha: float, depth: int, width: int) -> Predicted:
    """What the chapter derives, for muPC's multipliers with branch multiplier L^-alpha, gamma_0 = 1.

    Source: the orders are those of arXiv:2602.07697 and, for BP, arXiv:2309.16620; the constants are derived here,
    see the chapter "Depth".
    """
    branch = depth ** (-2 * alpha)
    g = 1 + branch
    hidden = (depth - 2) * branch * g ** (depth - 3)
    scale = g ** (depth - 2)
    return Predicted(scale, hidden, hidden + 2 * scale, hidden / scale**0.5, (g ** (depth - 1) - 1) / branch / width)


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run."""
    start = time.perf_counter()
    every = [abcd(Exponents(alpha=float(alpha))) for alpha in settings.alphas]
    only_hidden = [*map(hidden_only, every), hidden_only(abcd(Exponents(alpha=1.0)), depth_power=1.0)]
    step = measure(settings, [*every, *only_hidden], settings.depths, skips=True)
    no_skips = measure(settings, [mupc()], (settings.depths[0], settings.depths[-1]), skips=False)
    corrections, scatter = measure_corrections(settings), measure_scatter(settings)
    task = _task(settings)
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=task.note)
    count = len(every)
    input_scale = float(np.mean(task.x**2))
    everything, hidden = _select(step, slice(count)), _select(step, slice(count, None))
    return Record(settings, made, input_scale, everything, hidden, corrections, no_skips, scatter)


def hidden_only(parameterisation: Parameterisation, depth_power: float = 0.0) -> Parameterisation:
    """The same parameterisation with input layer and readout frozen, and L^depth_power times the hidden rate."""
    row, frozen = parameterisation.hidden, Power(0.0)
    return replace(
        parameterisation,
        input=replace(parameterisation.input, gd_rate=frozen),
        hidden=replace(row, gd_rate=replace(row.gd_rate, depth=depth_power)),
        output=replace(parameterisation.output, gd_rate=frozen),
    )


def measure(
    settings: Settings, parameterisations: list[Parameterisation], depths: tuple[int, ...], *, skips: bool
) -> Step:
    """One step of PC and BP under each parameterisation at every depth, from the same draws."""
    scale, output, features, layers = [], [], [], None
    for depth in depths:
        mlp = MLP(settings.inputs, settings.width, depth, skips=skips)
        chosen = equivalent(parameterisations, mlp)
        runs = [train_many(problem(settings, mlp, k), chosen, settings.rate, steps=1) for k in range(settings.seeds)]
        scale.append([run.scale[:, -1] for run in runs])
        output.append([[run.pc.output[:, 0], run.bp.output[:, 0]] for run in runs])
        layers = np.array([[run.pc.hidden[:, 0], run.bp.hidden[:, 0]] for run in runs])
        features.append(layers[..., -1])
    return Step(
        scale=np.moveaxis(np.array(scale), -1, 0),
        output=np.moveaxis(np.array(output), (2, 3), (0, 1)),
        features=np.moveaxis(np.array(features), (2, 3), (0, 1)),
        layers=np.moveaxis(layers, 0, -1),
    )


def _select(step: Step, which: slice) -> Step:
    return Step(step.scale[which], step.output[:, which], step.features[:, which], step.layers[:, which])


def _task(settings: Settings):
    return toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)


def problem(settings: Settings, mlp: MLP, seed: int = 0) -> Problem:
    """The toy task for a network with fresh weights, drawn as :func:`train_many` wants them."""
    task, dtype = _task(settings), jnp.zeros(()).dtype
    key = jax.random.fold_in(jax.random.key(settings.seed), seed)
    return Problem(_init(key, mlp, BASE, dtype), jnp.asarray(task.x, dtype), jnp.asarray(task.y, dtype))


@partial(jax.jit, static_argnums=(1, 2, 3))
def _init(key: Array, mlp: MLP, parameterisation: Parameterisation, dtype) -> Network:
    return mlp.init(key, parameterisation, dtype)


def measure_corrections(settings: Settings) -> np.ndarray:
    """How far PC's first-order update of f is from BP's over s, for ``CORRECTED`` at every depth, width and seed."""

    def at(depth: int, width: int) -> np.ndarray:
        mlp = MLP(settings.inputs, width, depth, skips=True)
        chosen = equivalent(CORRECTED, mlp)
        return np.array([corrections(problem(settings, mlp, k), chosen) for k in range(settings.correction_seeds)])

    rows = [[at(depth, width) for width in settings.correction_widths] for depth in settings.correction_depths]
    return np.moveaxis(np.array(rows), -1, 0)


def measure_scatter(settings: Settings) -> np.ndarray:
    """log(||h_l||^2 / N) for one sample of unit mean square, over many initialisations."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), 1), settings.scatter_seeds)
    kinds = ((False, mupc()), (True, mupc_skips()))
    return np.array(
        [
            [
                _log_sizes(keys, MLP(settings.inputs, width, settings.scatter_depth, skips=skips), parameterisation)
                for width in settings.scatter_widths
            ]
            for skips, parameterisation in kinds
        ]
    )


@partial(jax.jit, static_argnums=(1, 2))
def _log_sizes(keys: Array, mlp: MLP, parameterisation: Parameterisation) -> Float[Array, "many hidden"]:
    dtype = jnp.zeros(()).dtype
    x = jnp.ones((1, mlp.inputs), dtype)

    def one(key: Array) -> Array:
        (first, stack), _ = feedforward(mlp.init(key, parameterisation, dtype), x)
        h = jnp.concatenate([first[:, None], stack], axis=1)[0]
        return jnp.log(jnp.mean(h**2, axis=-1))

    return jax.lax.map(one, keys)


def predicted_scatter(settings: Settings, *, skips: bool) -> Float[np.ndarray, "widths hidden"]:
    """The variance over initialisations of log(||h_l||^2), l = 1..L-1.

    Without skips every layer multiplies ||h||^2 by an independent chi^2_N / N: l trigamma(N/2), exact.  With skips
    and alpha = 1/2 every layer after the first adds (4/L + 2/L^2) / (1 + 1/L)^2 / N, to leading order in 1/N.

    Source: derived here, see the chapter "Depth".
    """
    widths = np.array(settings.scatter_widths, dtype=float)[:, None]
    layers = np.arange(1, settings.scatter_depth)
    one = np.asarray(jax.scipy.special.polygamma(1, widths / 2))
    L = settings.scatter_depth
    each = (4 / L + 2 / L**2) / (1 + 1 / L) ** 2 / widths if skips else one
    return one + (layers - 1) * each
