"""The toy task under the standard parameterisation (SP): output and rescaling explode (E3).

Source: arXiv:2602.07697, Figures A.18 and A.19.  The networks and the training are those of the chapter "Training
curves"; only the parameterisation differs.  SP is drawn in both ways in use: W ~ N(0, 1/fan_in), and the uniform draw
of the authors' code, of variance 1/(3 fan_in).
"""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import Dataset, toy_task
from pcn_lib.experiments.linear_trainings import Curves, Plan, draw, every_rate, stack_curves, together, train_cases
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP
from pcn_lib.parameterisation import Parameterisation, Role, mupc, mupc_skips, sp, sp_uniform
from pcn_lib.rescaling import expected_rescaling, rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import GradientDescent

#: eta of the published trainings, under muPC.
PUBLISHED_RATE = 0.5
#: Both draws of SP, by the variance of a weight.
DRAWS: tuple[tuple[str, Parameterisation], ...] = (("variance 1/N", sp()), ("variance 1/3N", sp_uniform()))


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the data and of the first initialisation.
        inputs: D.
        samples: B, in one batch.
        widths: N of the networks that are trained, ascending.
        depth: L of these.
        depths: L at which the rescaling is sampled, ascending.
        draws: initialisations there.
        base_rate: eta of muPC that the rates of SP are matched to, at the narrowest width.
        steps: weight updates.
        seeds: initialisations of each trained network.

    Raises:
        SettingsError: a size too small, or sizes that do not ascend.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    widths: tuple[int, ...] = (8, 32, 128)
    depth: int = 16
    depths: tuple[int, ...] = (2, 4, 8, 16)
    draws: int = 200
    base_rate: float = 0.1
    steps: int = 20
    seeds: int = 3

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, widths=1, depth=2, depths=2, draws=8, base_rate=0, steps=1, seeds=2)
        for name in ("widths", "depths"):
            values = getattr(self, name)
            if len(values) < 2 or sorted(set(values)) != list(values):
                raise SettingsError(f"{name} = {values} given; the claims compare two or more: write them ascending")


PRESETS = {
    "smoke": Settings(widths=(8, 64), depths=(2, 6), draws=100, steps=10),
    "quick": Settings(),
    "full": Settings(widths=(8, 16, 32, 64, 128, 256), depths=(2, 4, 8, 16, 32), draws=400, steps=100),
    "paper": Settings(
        widths=(8, 16, 32, 64, 128, 256, 512, 1024, 2048), depths=(2, 4, 8, 16, 32), draws=400, steps=100
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Kind:
    """One draw of SP, with or without skips.

    Attributes:
        name: in words.
        skips: whether the hidden layers have them.
        rate: eta of the trainings.
        expected: E[s] - 1 over ``depths``, exact at every width.
        sampled: s - 1 of single draws at initialisation, the widest width; axes [depths, draws].
        trained: axes [widths, seeds, steps + 1].
    """

    name: str
    skips: bool
    rate: float
    expected: tuple[float, ...]
    sampled: Float[np.ndarray, "depths draws"]
    trained: Curves


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        kinds: both draws of SP, without and with skips.
        input_scale: mean of ||x||^2 / D over the batch.
    """

    settings: Settings
    provenance: Provenance
    kinds: tuple[Kind, ...]
    input_scale: float


def run(settings: Settings) -> Record:
    """Sample and train both draws, without and with skips; the chapter's claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    kinds = []
    for skips in (False, True):
        rates = [matched_rate(settings, parameterisation, skips=skips) for _, parameterisation in DRAWS]
        trained = _train(settings, task, rates, skips)
        shapes = [_mlp(settings, settings.widths[-1], depth, skips) for depth in settings.depths]
        for i, (name, parameterisation) in enumerate(DRAWS):
            expected = tuple(expected_rescaling(mlp, parameterisation) for mlp in shapes)
            sampled = np.array([_sample(settings, mlp, parameterisation) for mlp in shapes])
            name = f"{name}, {'with' if skips else 'without'} skips"
            kinds.append(Kind(name, skips, rates[i], expected, sampled, trained[:, i]))
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=task.note, seeds=_seeds(settings))
    return Record(settings, made, tuple(kinds), float(np.mean(task.x**2)))


def _seeds(settings: Settings) -> tuple[int, ...]:
    return tuple(range(settings.seed, settings.seed + settings.seeds))


def _train(settings: Settings, task: Dataset, rates: list[float], skips: bool) -> Curves:
    """Both draws at their rates; axes [widths, draws, seeds, steps + 1]."""
    rows = []
    for width in settings.widths:
        mlp = _mlp(settings, width, settings.depth, skips)
        parts = [
            every_rate(task, draw(mlp, parameterisation, _seeds(settings)), (rate,))
            for (_, parameterisation), rate in zip(DRAWS, rates, strict=True)
        ]
        curves = train_cases(Plan(GradientDescent, settings.steps + 1), together(parts))
        rows.append(curves.split(len(DRAWS), settings.seeds))
    return stack_curves(rows)


def _mlp(settings: Settings, width: int, depth: int, skips: bool) -> MLP:
    return MLP(settings.inputs, width, depth, skips=skips)


def _sample(settings: Settings, mlp: MLP, parameterisation: Parameterisation) -> np.ndarray:
    """s - 1 of many draws of one network."""

    def one(key: Array) -> Array:
        return rescaling(mlp.init(key, parameterisation, jnp.zeros(()).dtype))[0, 0] - 1

    keys = jax.random.split(jax.random.key(settings.seed), settings.draws)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))


@dataclass(frozen=True)
class Expected:
    """Means over initialisations, exact at every width.

    Attributes:
        output: E f^2.
        kernel: E sum_l rho_l ||df/dW_l||^2, rho_l a layer's rate factor: to first order in eta, by how much one step of
            gradient descent on the single sample x moves f there, per eta and per unit of the residual.
    """

    output: float
    kernel: float


def expected_start(mlp: MLP, parameterisation: Parameterisation, squared_input: float) -> Expected:
    """E f^2 and the kernel's diagonal of a linear network at initialisation, K = 1.

        E ||h_l||^2 = v G^(l-1),   E ||P_l||^2 = g_L G^(L-1-l),   v = a_1^2 sigma_1^2 N ||x||^2,   G = tau + g
        kernel = rho_1 a_1^2 ||x||^2 g_L G^(L-2) + (L - 2) rho a^2 v g_L G^(L-3) + rho_L a_L^2 v G^(L-2)

    Source: derived here, see the chapter "Training curves under the standard parameterisation".

    Args:
        mlp: sizes and skips.
        parameterisation: multipliers, variances and rates.
        squared_input: ||x||^2.
    """
    size = dict(width=mlp.width, depth=mlp.depth)
    first = parameterisation.scales(Role.INPUT, fan_in=mlp.inputs, **size)
    hidden = parameterisation.scales(Role.HIDDEN, fan_in=mlp.width, **size)
    last = parameterisation.scales(Role.OUTPUT, fan_in=mlp.width, **size)
    v = first.multiplier**2 * first.variance * mlp.width * squared_input
    readout = last.multiplier**2 * last.variance * mlp.width
    growth = float(mlp.skips) + hidden.multiplier**2 * hidden.variance * mlp.width
    kernel = (
        first.gd_rate * first.multiplier**2 * squared_input * readout * growth ** (mlp.depth - 2)
        + (mlp.depth - 2) * hidden.gd_rate * hidden.multiplier**2 * v * readout * growth ** (mlp.depth - 3)
        + last.gd_rate * last.multiplier**2 * v * growth ** (mlp.depth - 2)
    )
    return Expected(readout / mlp.width * v * growth ** (mlp.depth - 2), kernel)


def matched_rate(settings: Settings, parameterisation: Parameterisation, *, skips: bool) -> float:
    """eta at which the narrowest network moves its output as far in a first step as muPC does at ``base_rate``.

    At most ``base_rate``: where the signal vanishes with depth no rate is sensible, and the network stands still.
    """
    mlp = _mlp(settings, settings.widths[0], settings.depth, skips)
    squared = float(settings.inputs)
    reference = expected_start(mlp, mupc_skips() if skips else mupc(), squared).kernel
    ratio = reference / expected_start(mlp, parameterisation, squared).kernel
    return settings.base_rate * min(ratio, 1.0)
