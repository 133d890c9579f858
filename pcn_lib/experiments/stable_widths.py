"""Which parameterisations are stable in width, for predictive coding and for backpropagation.

Four measurements on linear networks: the phase diagram over the readout exponent d and the rate exponent c, SP beside
it, how far the equilibrium is from the feedforward pass, and the free exponent b, which changes nothing.
"""

import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.equivalence import BASE, Movements, equivalent, train_many
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP, Network
from pcn_lib.parameterisation import Exponents, Parameterisation, abcd, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import Provenance, provenance
from pcn_lib.statistics import fit_slope
from pcn_lib.training import GradientDescent, Schedule, train

METHODS = ("PC", "BP")
#: A fitted exponent below this counts as "does not grow", and within it as "of order one": half the distance between
#: neighbours on the grid of 1/4.
NOT_GROWING = 0.125
#: Width of the networks on which b is varied: powers of it by 1/4 are powers of 2, which round nothing.
SYMMETRY_WIDTH = 256
SYMMETRY_STEPS = 10
#: (N, L) of the residual networks that are as lazy as they come, d = 0.
LAZY = (256, 8)


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw; the networks count on from it.
        inputs: D.
        samples: B.
        depth: L.
        widths: N, from which exponents are fitted.
        ds: readout exponents d of the phase diagram, multiples of 1/4 with 1/2 among them.
        cs: rate exponents c of the phase diagram, multiples of 1/4 with -1 among them.
        exponents_b: values of the free exponent b.
        rate: eta.
        steps: weight updates.
        seeds: initialisations of each network.
    """

    seed: int = 0
    inputs: int = 16
    samples: int = 8
    depth: int = 4
    widths: tuple[int, ...] = (64, 128, 256)
    ds: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    cs: tuple[float, ...] = (-2.0, -1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25)
    exponents_b: tuple[float, ...] = (0.0, 1.0)
    rate: float = 0.02
    steps: int = 3
    seeds: int = 8

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, depth=3, widths=2, ds=0, steps=1, seeds=2)
        if 0.5 not in self.ds or -1.0 not in self.cs:
            raise SettingsError(
                f"ds = {self.ds} and cs = {self.cs} given; the diagram is drawn about muPC: "
                "let d = 0.5 and c = -1.0 be among them"
            )
        if any(4 * value % 1 for value in (*self.ds, *self.cs)):
            raise SettingsError(
                f"ds = {self.ds} and cs = {self.cs} given; exponents nearer than 1/4 are not told apart by fits over "
                "these widths: give multiples of 0.25"
            )


PRESETS = {
    "smoke": Settings(widths=(64, 256), cs=(-2.0, -1.5, -1.0, -0.5, 0.0)),
    "quick": Settings(),
    "full": Settings(
        inputs=40,
        samples=20,
        widths=(64, 128, 256, 512),
        exponents_b=(0.0, 0.5, 1.0),
        rate=0.01,
        seeds=32,
    ),
    "paper": Settings(
        inputs=40,
        samples=20,
        widths=(64, 128, 256, 512, 1024),
        exponents_b=(0.0, 0.5, 1.0),
        rate=0.01,
        seeds=32,
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Moves:
    """How far a few steps have moved networks of every width, under several parameterisations.

    Attributes:
        hidden: ||h_{L-1}(t) - h_{L-1}(0)|| / ||h_{L-1}(0)||; axes [parameterisations, methods, steps, widths, seeds].
        output: root mean square over the batch of f(t) - f(0), same axes.
        energy_ratio: F*/Loss at initialisation; axes [parameterisations, widths, seeds].
        shift: root mean square of z*_{L-1} - h_{L-1} at initialisation, same axes.
        residual: largest relative ||dF/dz|| of a batch of equilibria at initialisation.
    """

    hidden: Float[np.ndarray, "parameterisations methods steps widths seeds"]
    output: Float[np.ndarray, "parameterisations methods steps widths seeds"]
    energy_ratio: Float[np.ndarray, "parameterisations widths seeds"]
    shift: Float[np.ndarray, "parameterisations widths seeds"]
    residual: float


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        grid: movements on the phase diagram, parameterisations in the order (d, c), c the faster.
        sp: movements under SP, one parameterisation.
        lazy_ratio: F*/Loss of residual networks with d = 0 at the sizes ``LAZY``; axes [seeds].
        symmetry: loss of PC and BP along the training, by b; axes [b, methods, steps].
        broken: the same with the first b at the rate of the last; axes [methods, steps].
    """

    settings: Settings
    provenance: Provenance
    grid: Moves
    sp: Moves
    lazy_ratio: Float[np.ndarray, " seeds"]
    symmetry: Float[np.ndarray, "b methods steps"]
    broken: Float[np.ndarray, "methods steps"]

    def fitted(self, which: str) -> Float[np.ndarray, "methods ds cs"]:
        """Fitted exponents of ``hidden`` or ``output`` in N after all steps, on the phase diagram."""
        values = getattr(self.grid, which)[:, :, -1]
        slopes = [[exponent(self.settings.widths, method) for method in cell] for cell in values]
        return np.array(slopes).T.reshape(len(METHODS), len(self.settings.ds), len(self.settings.cs))

    def non_exploding(self) -> np.ndarray:
        """Whether neither features nor prediction grow with width, as measured; axes [methods, ds, cs]."""
        return (self.fitted("hidden") < NOT_GROWING) & (self.fitted("output") < NOT_GROWING)

    def stable(self) -> np.ndarray:
        """Whether moreover the prediction moves by Theta(1), as measured; axes [methods, ds, cs]."""
        return self.non_exploding() & (self.fitted("output") > -NOT_GROWING)

    def feature_learning(self) -> np.ndarray:
        """Whether features move by Theta(1) in a stable network, as measured; axes [methods, ds, cs]."""
        return self.stable() & (self.fitted("hidden") > -NOT_GROWING)


@dataclass(frozen=True)
class Predicted:
    """Exponents in N of one step's movements, where the features' is at most 0; axes [ds, cs].

    Attributes:
        hidden: -c - d - 1/2.
        output: -c - 2d.
    """

    hidden: Float[np.ndarray, "ds cs"]
    output: Float[np.ndarray, "ds cs"]

    @property
    def non_exploding(self) -> np.ndarray:
        """Neither grows."""
        return (self.hidden <= 0) & (self.output <= 0)

    @property
    def stable(self) -> np.ndarray:
        """The prediction moves by Theta(1), and features do not grow."""
        return (self.hidden <= 0) & (self.output == 0)

    @property
    def feature_learning(self) -> np.ndarray:
        """Features and prediction move by Theta(1)."""
        return self.stable & (self.hidden == 0)


def predicted(settings: Settings) -> Predicted:
    """The theorem's exponents on the grid, the same for PC and BP.

    Source: Yang & Hu 2021 for BP; that PC has the same is arXiv:2602.07697's; derived in the chapter "Width: stable
    parameterisations".
    """
    d, c = np.meshgrid(settings.ds, settings.cs, indexing="ij")
    return Predicted(hidden=-c - d - 0.5, output=-c - 2 * d)


def exponent(widths: tuple[int, ...], values: Float[np.ndarray, "widths seeds"]) -> float:
    """The fitted exponent in N of the geometric mean over seeds; infinity where a number has overflowed."""
    if not np.all(np.isfinite(values)):
        return np.inf
    return fit_slope(widths, np.exp(np.log(values).mean(axis=1))).slope


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    cells = [abcd(Exponents(d=float(d), c=float(c))) for d in settings.ds for c in settings.cs]
    moves = measure(settings, [*cells, sp()])
    lazy_ratio = measure_lazy(settings)
    symmetry, broken = measure_symmetry(settings)
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=_task(settings).note)
    grid, beside = _select(moves, slice(None, -1)), _select(moves, slice(-1, None))
    return Record(settings, made, grid, beside, lazy_ratio, symmetry, broken)


def measure(settings: Settings, parameterisations: list[Parameterisation]) -> Moves:
    """Train PC and BP under each parameterisation at every width, from the same draws."""
    by_width = []
    for width in settings.widths:
        mlp = MLP(settings.inputs, width, settings.depth)
        chosen = equivalent(parameterisations, mlp)
        problems = (problem(settings, mlp, BASE, seed) for seed in range(settings.seeds))
        runs = [train_many(p, chosen, settings.rate, steps=settings.steps) for p in problems]
        by_width.append([_moves(run) for run in runs])
    # [widths, seeds] of records to one record with these axes last.
    hidden, output, ratio, shift, residual = (
        np.moveaxis(np.array([[seed[i] for seed in width] for width in by_width]), (0, 1), (-2, -1)) for i in range(5)
    )
    return Moves(hidden, output, ratio, shift, float(residual.max()))


def _moves(run: Movements) -> tuple[np.ndarray, ...]:
    hidden, output = (np.array([getattr(run.pc, name), getattr(run.bp, name)]) for name in ("hidden", "output"))
    first = (np.array(value)[:, 0] for value in (run.energy_ratio, run.shift, run.residual))
    return hidden[..., -1].swapaxes(0, 1), output.swapaxes(0, 1), *first


def _select(moves: Moves, which: slice) -> Moves:
    parts = (moves.hidden[which], moves.output[which], moves.energy_ratio[which], moves.shift[which])
    return Moves(*parts, moves.residual)


def _task(settings: Settings):
    return toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)


def problem(settings: Settings, mlp: MLP, parameterisation: Parameterisation, seed: int = 0) -> Problem:
    """The toy task for a network with fresh weights."""
    task, dtype = _task(settings), jnp.zeros(()).dtype
    key = jax.random.fold_in(jax.random.key(settings.seed), seed)
    network = _init(key, mlp, parameterisation, dtype)
    return Problem(network, jnp.asarray(task.x, dtype), jnp.asarray(task.y, dtype))


@partial(jax.jit, static_argnums=(1, 2, 3))
def _init(key: Array, mlp: MLP, parameterisation: Parameterisation, dtype) -> Network:
    return mlp.init(key, parameterisation, dtype)


def measure_lazy(settings: Settings) -> np.ndarray:
    """F*/Loss of residual networks whose readout is N^-1/2: hidden multiplier (N L)^-1/2, d = 0."""
    width, depth = LAZY
    mlp = MLP(settings.inputs, width, depth, skips=True)
    lazy = abcd(Exponents(d=0.0, c=0.0, alpha=0.5))
    chosen = equivalent([lazy], mlp)
    runs = (
        train_many(problem(settings, mlp, BASE, seed), chosen, settings.rate, steps=1) for seed in range(settings.seeds)
    )
    return np.array([run.energy_ratio[0, 0] for run in runs])


def measure_symmetry(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Losses along the training for each b with c = b - 2d, and for the first b with the c of the last."""
    trajectories = [_losses(settings, b, GradientDescent(settings.rate)) for b in settings.exponents_b]
    first, *_, last = settings.exponents_b
    # eta N^(first - last) at c = first - 2d is eta at c = last - 2d.
    broken = _losses(settings, first, GradientDescent(settings.rate * SYMMETRY_WIDTH ** (first - last)))
    return np.array(trajectories), broken


def _losses(settings: Settings, b: float, optimiser: GradientDescent) -> np.ndarray:
    """Loss of PC and BP at each step under muPC with its free exponent at b; axes [methods, steps]."""
    exponents = Exponents(a_in=-b / 2, a=(1 - b) / 2, a_out=(1 - b) / 2, b_in=b, b=b, b_out=b, c=b - 1, d=0.5)
    mlp = MLP(settings.inputs, SYMMETRY_WIDTH, settings.depth)
    history = train(problem(settings, mlp, abcd(exponents)), optimiser, Schedule(SYMMETRY_STEPS, LinearExact())).history
    return np.array([history.pc_loss, history.bp_loss])
