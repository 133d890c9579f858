"""What a parameterisation keeps constant: scales at initialisation, and the coordinate check over training steps.

Deep linear networks, so that initial second moments are known exactly and every equilibrium is; for each quantity there
is a prediction from the table of the parameterisation alone (:func:`initial_scales`, :func:`update_exponents`).
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.equivalence import BASE, Movement, PerRole, equivalent, train_many
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Parameterisation, Power, Role, mupc, mupc_skips, ntp, sp
from pcn_lib.rescaling import linear_jacobians
from pcn_lib.results import Provenance, provenance
from pcn_lib.statistics import fit_slope


class Kind(NamedTuple):
    """A parameterisation, and whether the hidden layers have skips."""

    name: str
    parameterisation: Parameterisation
    skips: bool


#: Networks without skips first: kinds of one architecture are measured together.
KINDS = (
    Kind("SP", sp(), False),
    Kind("NTP", ntp(), False),
    Kind("muPC", mupc(), False),
    Kind("SP with skips", sp(), True),
    Kind("muPC with skips", mupc_skips(), True),
)
METHODS = ("PC", "BP")


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of data and weights.
        inputs: D, well below every width: the first layer's share of a step is of relative order D/N.
        samples: B.
        widths: N, ascending, at ``depth``.
        depth: L of the coordinate check.
        depths: L, ascending, at the middle width; initialisation only.
        seeds: initialisations of each network.
        steps: of training.
        rate: eta.
    """

    seed: int = 0
    inputs: int = 10
    samples: int = 20
    widths: tuple[int, ...] = (32, 128, 512)
    depth: int = 4
    depths: tuple[int, ...] = (2, 8, 32)
    seeds: int = 8
    steps: int = 4
    rate: float = 0.05

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, widths=2, depth=3, depths=2, seeds=2, steps=1)
        for name in ("widths", "depths"):
            sizes = tuple(sorted(getattr(self, name)))
            if len(set(sizes)) < 2:
                raise SettingsError(f"{name} = {sizes} given; an exponent needs two different sizes: add one")
            object.__setattr__(self, name, sizes)

    @property
    def width(self) -> int:
        """The middle width, at which depth is varied."""
        return self.widths[len(self.widths) // 2]


PRESETS = {
    "smoke": Settings(widths=(32, 256), depths=(2, 8), seeds=12, steps=2),
    "quick": Settings(),
    "full": Settings(widths=(32, 64, 128, 256, 512, 1024, 2048), depths=(2, 4, 8, 16, 32, 64), seeds=10, steps=8),
    "paper": Settings(widths=(64, 128, 256, 512, 1024, 2048, 4096), depths=(2, 4, 8, 16, 32, 64), seeds=10, steps=16),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Initial:
    """Squared scales at initialisation, of each kind, size and seed; axes [kinds, sizes, seeds].

    Attributes:
        forward: h_{L-1}^2, mean over batch and units.
        backward: ||P_1||^2, P_1 = df/dz_1.
    """

    forward: Float[np.ndarray, "kinds sizes seeds"]
    backward: Float[np.ndarray, "kinds sizes seeds"]


@dataclass(frozen=True)
class Moved:
    """How far training has moved the network; after each step.

    Attributes:
        hidden: ||h_l(t) - h_l(0)|| / ||h_l(0)||; axes [kinds, widths, seeds, steps, L - 1].
        output: root mean square of f(t) - f(0); axes [kinds, widths, seeds, steps].
    """

    hidden: Float[np.ndarray, "kinds widths seeds steps hidden"]
    output: Float[np.ndarray, "kinds widths seeds steps"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        input_square: x^2, mean over samples and inputs.
        by_width, by_depth: at initialisation.
        pc, bp: movement under predictive coding and under backpropagation.
        residual: the largest relative ||dF/dz|| of a batch of equilibria, at the first step.
    """

    settings: Settings
    provenance: Provenance
    input_square: float
    by_width: Initial
    by_depth: Initial
    pc: Moved
    bp: Moved
    residual: float


def run(settings: Settings) -> Record:
    """Draw, look, and train a few steps; the chapter's claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    data = tuple(jnp.asarray(a, jnp.zeros(()).dtype) for a in (task.x, task.y))
    trained = [_train(settings, data, width) for width in settings.widths]
    pc, bp = (_moved([[getattr(m, name) for m in row] for row in trained]) for name in ("pc", "bp"))
    residual = max(float(jnp.max(m.residual[:, 0])) for row in trained for m in row)
    return Record(
        settings,
        provenance(settings, seconds=time.perf_counter() - start, data_set=task.note, seeds=(settings.seed,)),
        float(np.mean(task.x**2)),
        _initial(settings, data, [(width, settings.depth) for width in settings.widths]),
        _initial(settings, data, [(settings.width, depth) for depth in settings.depths]),
        pc,
        bp,
        residual,
    )


def _problems(settings: Settings, data: tuple[Array, Array], size: tuple[int, int], *, skips: bool) -> list[Problem]:
    """One network of unit weights for each seed; a kind is a choice of initial scales and rates for it."""
    mlp = MLP(settings.inputs, *size, skips=skips)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    return [Problem(mlp.init(key, BASE, data[0].dtype), *data) for key in keys]


def _kinds(skips: bool) -> list[Parameterisation]:
    return [kind.parameterisation for kind in KINDS if kind.skips == skips]


def _train(settings: Settings, data: tuple[Array, Array], width: int) -> list:
    """Movements of one width, one entry for each seed; axes [kinds, ...]."""
    architectures, size = [], (width, settings.depth)
    for skips in (False, True):
        same = equivalent(_kinds(skips), MLP(settings.inputs, *size))
        problems = _problems(settings, data, size, skips=skips)
        architectures.append([train_many(p, same, settings.rate, steps=settings.steps) for p in problems])
    return [jax.tree.map(lambda *a: jnp.concatenate(a), *seed) for seed in zip(*architectures, strict=True)]


def _moved(rows: list[list[Movement]]) -> Moved:
    """[widths][seeds] movements with axes [kinds, ...], as one record with the kinds in front."""
    arrays = (np.array([[getattr(m, name) for m in row] for row in rows]) for name in ("hidden", "output"))
    return Moved(*(np.moveaxis(array, 2, 0) for array in arrays))


def _initial(settings: Settings, data: tuple[Array, Array], sizes: list[tuple[int, int]]) -> Initial:
    rows = []
    for size in sizes:
        found = []
        for skips in (False, True):
            start = equivalent(_kinds(skips), MLP(settings.inputs, *size)).start
            found.append([_look(p, start) for p in _problems(settings, data, size, skips=skips)])
        rows.append([np.concatenate(pair, axis=1) for pair in zip(*found, strict=True)])
    # [sizes, seeds, (forward, backward), kinds]
    forward, backward = np.moveaxis(np.array(rows), (2, 3), (0, 1))
    return Initial(forward, backward)


@jax.jit
def _look(problem: Problem, starts: PerRole) -> Float[Array, "two kinds"]:
    """h_{L-1}^2 and ||P_1||^2 of the network under each initial scale."""

    def one(start: PerRole) -> Array:
        network = jax.tree.map(jnp.multiply, start.like(problem.network), problem.network)
        top = jax.vmap(network.top)(feedforward(network, problem.x).activities)
        return jnp.stack([jnp.mean(top**2), jnp.sum(linear_jacobians(network)[0] ** 2)])

    return jax.vmap(one, out_axes=1)(starts)


def initial_scales(kind: Kind, size: tuple[int, int], *, inputs: int, input_square: float) -> tuple[float, float]:
    """Expected h_{L-1}^2 and ||P_1||^2 over the weights of a deep linear network, exact at every size.

        E h_{L-1}^2 = a_1^2 sigma_1^2 ||x||^2 G^{L-2},   E ||P_1||^2 = a_L^2 sigma_L^2 N G^{L-2},
        G = tau + a^2 sigma^2 N

    Source: derived here, see the chapter "Parameterisations".

    Args:
        kind: parameterisation and skips.
        size: (N, L).
        inputs: D.
        input_square: ||x||^2 / D, mean over samples.
    """
    width, depth = size

    def gain(role: Role, fan_in: int) -> float:
        scales = kind.parameterisation.scales(role, fan_in=fan_in, width=width, depth=depth)
        return scales.multiplier**2 * scales.variance * fan_in

    growth = (kind.skips + gain(Role.HIDDEN, width)) ** (depth - 2)
    return gain(Role.INPUT, inputs) * input_square * growth, gain(Role.OUTPUT, width) * growth


def update_exponents(parameterisation: Parameterisation, depth: int) -> Float[np.ndarray, " layers"]:
    """Exponents of N in the first step's change of h_1..h_{L-1} (per unit) and of f, to first order in its rate.

    They are those of the whole step where no activity's exponent is positive; elsewhere products of changes may lead.
    The same for PC and BP: S is of order 1 in N where ||P_l||^2 is of order at most 1.

    Source: derived here, as Yang & Hu 2021 do for BP; see the chapter "Parameterisations".

    Args:
        parameterisation: multipliers, variances and rates.
        depth: L.

    Assumes: hidden activities of order 1 at initialisation.
    """

    def order(power: Power, role: Role) -> float:
        return power.width + (0.0 if role is Role.INPUT else power.fan_in)

    def learning(role: Role) -> float:
        row = getattr(parameterisation, role.value)
        return order(row.gd_rate, role) + 2 * order(row.multiplier, role)

    out = parameterisation.output
    jacobian = order(out.multiplier, Role.OUTPUT) + order(out.variance, Role.OUTPUT) / 2
    first = learning(Role.INPUT) + jacobian
    # Every weight above the first reads N units: h.h is of order N.
    later = max(first, learning(Role.HIDDEN) + jacobian + 1)
    output = max(learning(Role.OUTPUT) + 1, later + jacobian + 1)
    return np.array([first] + [later] * (depth - 2) + [output])


def fitted_exponents(settings: Settings, moved: Moved) -> Float[np.ndarray, "kinds layers"]:
    """The same, fitted to the root mean square over seeds of what the first step did."""
    sizes = np.sqrt(np.mean(after(moved, 1) ** 2, axis=2))
    return np.array([[fit_slope(settings.widths, column).slope for column in kind.T] for kind in sizes])


def step_exponents(settings: Settings, parameterisation: Parameterisation) -> Float[np.ndarray, "methods layers"]:
    """Fitted exponents of the first step at the settings' rate, without skips; PC, then BP."""
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    data = tuple(jnp.asarray(a, jnp.zeros(()).dtype) for a in (task.x, task.y))
    rows = []
    for width in settings.widths:
        size = (width, settings.depth)
        same = equivalent([parameterisation], MLP(settings.inputs, *size))
        problems = _problems(settings, data, size, skips=False)
        rows.append([train_many(p, same, settings.rate, steps=1) for p in problems])
    moved = (_moved([[getattr(m, name) for m in row] for row in rows]) for name in ("pc", "bp"))
    return np.stack([fitted_exponents(settings, method)[0] for method in moved])


def after(moved: Moved, step: int) -> Float[np.ndarray, "kinds widths seeds layers"]:
    """What has moved after a number of steps: h_1..h_{L-1} and last the output."""
    return np.concatenate([moved.hidden[..., step - 1, :], moved.output[..., step - 1, None]], axis=-1)
