"""Reaching the equilibrium: solvers side by side on networks of three shapes, and the minima that a narrow one has."""

import time
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, energy
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.solver_curves import DEFAULT, TIGHT, Case, measure_case, solve
from pcn_lib.network import MLP, Activities, feedforward, zero_errors
from pcn_lib.numerics import Activation
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import Provenance, provenance

ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "relu": jax.nn.relu}
SHAPES = ("wide", "square", "narrow")
#: From other starts: Nesterov's momentum, long enough to end in a minimum.
#: Relative difference of energies that no rounding explains.
DISTINCT = 1e-4
DESCENT = optax.sgd(0.1, momentum=0.95, nesterov=True)


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw.
        inputs: D.
        samples: B, of Gaussian inputs and targets.
        outputs: K.
        wide, square, narrow: (N, L) of the three shapes.
        relu: the shapes that are tried with ReLU as well.
        sweeps: the largest budget of sweeps, a power of two; of Newton steps half as many.
        starts: starting activities tried on every sample of the wide and of the narrow tanh network.
        spread: standard deviation of the prediction errors at those starts.
        descent: steps of momentum from each of them, per H^2 (per 100 in a shallow network).
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 8
    outputs: int = 3
    wide: tuple[int, ...] = (128, 8)
    square: tuple[int, ...] = (16, 16)
    narrow: tuple[int, ...] = (8, 32)
    relu: tuple[str, ...] = ("wide",)
    sweeps: int = 32
    starts: int = 16
    spread: float = 1.0
    descent: int = 10

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=1, outputs=1, wide=2, square=2, narrow=2, sweeps=4, starts=2, descent=1)
        if not self.relu or set(self.relu) - set(SHAPES):
            raise SettingsError(f"relu = {self.relu} given; one or more of {', '.join(SHAPES)} are needed: add one")

    @property
    def cases(self) -> tuple[tuple[str, str], ...]:
        """(activation, shape) of every network on which the solvers are compared."""
        return (*(("tanh", shape) for shape in SHAPES), *(("relu", shape) for shape in self.relu))


PRESETS = {
    "smoke": Settings(wide=(32, 2), square=(4, 4), starts=8),
    "quick": Settings(),
    "full": Settings(wide=(512, 8), square=(32, 32), relu=SHAPES, sweeps=64, starts=200, descent=30),
    "paper": Settings(wide=(512, 32), square=(32, 32), relu=SHAPES, sweeps=64, starts=200, descent=30),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Minima:
    """Where long descents from different starting activities end, for every sample of a tanh network.

    Attributes:
        shape: which of the settings' sizes.
        energies: F at the ends, the descent from the feedforward pass first; axes [samples, starts].
        residuals: ||dF/dz|| there relative to its value on the feedforward pass; axes [samples, starts].
        certified: F* of the default solver, from the feedforward pass; axes [samples].
    """

    shape: str
    energies: Float[np.ndarray, "samples starts"]
    residuals: Float[np.ndarray, "samples starts"]
    certified: Float[np.ndarray, " samples"]

    @property
    def ratios(self) -> Float[np.ndarray, "samples starts"]:
        """F at the ends over the certified F*."""
        return self.energies / self.certified[:, None]

    @property
    def spread(self) -> float:
        """Largest relative difference from the certified energies."""
        return float(np.abs(self.ratios - 1).max())

    @property
    def several(self) -> int:
        """Samples for which more than one minimum was found."""
        return int((np.ptp(self.ratios, axis=1) > DISTINCT).sum())


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        cases: solvers side by side, as in ``settings.cases``.
        minima: of the wide and of the narrow network.
    """

    settings: Settings
    provenance: Provenance
    cases: tuple[Case, ...]
    minima: tuple[Minima, ...]

    def case(self, activation: str, shape: str) -> Case:
        """The case of one activation and shape."""
        return next(case for case in self.cases if (case.activation, case.shape) == (activation, shape))


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    cases = tuple(_measure(settings, *case) for case in settings.cases)
    minima = tuple(measure_minima(settings, shape) for shape in ("wide", "narrow"))
    data = f"{settings.samples} Gaussian inputs and targets (drawn with seed {settings.seed})"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data)
    return Record(settings, made, cases, minima)


def network_problem(settings: Settings, activation: str, shape: str) -> Problem:
    """A residual network in muPC, with Gaussian inputs and targets that are the same for every network."""
    dtype = jnp.zeros(()).dtype
    width, depth = getattr(settings, shape)
    x_key, y_key, key = jax.random.split(jax.random.key(settings.seed), 3)
    x = jax.random.normal(x_key, (settings.samples, settings.inputs), dtype)
    y = jax.random.normal(y_key, (settings.samples, settings.outputs), dtype)
    mlp = MLP(settings.inputs, width, depth, settings.outputs, activation=ACTIVATIONS[activation], skips=True)
    return Problem(mlp.init(key, mupc_skips(), dtype), x, y)


def _measure(settings: Settings, activation: str, shape: str) -> Case:
    problem = network_problem(settings, activation, shape)
    return measure_case(problem, activation=activation, shape=shape, sweeps=settings.sweeps)


def measure_minima(settings: Settings, shape: str) -> Minima:
    """Descend from the feedforward pass (the first start) and from forward passes with random prediction errors."""
    problem = network_problem(settings, "tanh", shape)
    certified = solve(problem, DEFAULT, TIGHT).require().energies
    x, y = (jnp.repeat(a, settings.starts, axis=0) for a in (problem.x, problem.y))
    # Prediction errors diffuse through the layers: H^2 steps, and some for momentum itself in a shallow network.
    steps = settings.descent * max((problem.network.depth - 1) ** 2, 100)
    start = _starts(settings, problem)
    energies, norms = _descend(replace(problem, x=x, y=y), start, steps)
    energies, norms = (np.array(a).reshape(settings.samples, settings.starts) for a in (energies, norms))
    _, units = _descend(problem, zero_errors(problem.network, problem.x), 0)
    return Minima(shape, energies, norms / np.array(units)[:, None], np.array(certified))


def _starts(settings: Settings, problem: Problem) -> Activities:
    """Prediction errors of every start of every sample, the same for all samples; the first are zero."""
    zero = zero_errors(problem.network, problem.x[:1])
    keys = jax.random.split(jax.random.key(settings.seed), len(zero))

    def draw(key: Array, like: Array) -> Array:
        errors = settings.spread * jax.random.normal(key, (settings.starts, *like.shape[1:]), like.dtype)
        return jnp.tile(errors.at[0].set(0), (settings.samples, *(1,) * (like.ndim - 1)))

    return tuple(draw(key, like) for key, like in zip(keys, zero, strict=True))


@jax.jit
def _descend(problem: Problem, errors: Activities, steps: int | Array) -> tuple[Array, Array]:
    """F and ||dF/dz|| of each sample where its descent from its own start ends."""
    slope = jax.grad(lambda z: problem.x.shape[0] * energy(problem, z))
    start = feedforward(problem.network, problem.x, errors).activities

    def step(_, state):
        z, memory = state
        updates, memory = DESCENT.update(slope(z), memory, z)
        return optax.apply_updates(z, updates), memory

    z, _ = jax.lax.fori_loop(0, steps, step, (start, DESCENT.init(start)))
    return _sample_energies(problem, z), _sample_norms(slope(z))


def _sample_energies(problem: Problem, activities: Activities) -> Array:
    def one(x, y, z):
        return energy(replace(problem, x=x[None], y=y[None]), jax.tree.map(lambda leaf: leaf[None], z))

    return jax.vmap(one)(problem.x, problem.y, activities)


def _sample_norms(activities: Activities) -> Array:
    return jnp.sqrt(sum(jnp.sum(z.reshape(z.shape[0], -1) ** 2, axis=1) for z in activities))
