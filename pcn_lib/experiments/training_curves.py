"""Predictive coding and backpropagation on the toy task, width by width, with and without skips (E2).

Source: arXiv:2602.07697, Figures 2 and A.17.  Deep linear networks under muPC, gradient descent, the exact
equilibrium before every update; once at the published rate and once at a rate small enough for every network.
"""

import time
from dataclasses import dataclass

from pcn_lib.data import toy_task
from pcn_lib.experiments.linear_trainings import Curves, Plan, draw, every_rate, stack_curves, train_cases
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP
from pcn_lib.parameterisation import Parameterisation, mupc, mupc_skips
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import GradientDescent

#: eta of the published trainings.
PUBLISHED_RATE = 0.5


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the data and of the first initialisation.
        inputs: D.
        samples: B, in one batch.
        widths: N, ascending.
        depth: L.
        rates: eta, ascending.
        steps: weight updates.
        seeds: initialisations of each network.

    Raises:
        SettingsError: a size too small, or widths or rates that do not ascend.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    widths: tuple[int, ...] = (8, 32, 128)
    depth: int = 16
    rates: tuple[float, ...] = (0.02, PUBLISHED_RATE)
    steps: int = 100
    seeds: int = 3

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, widths=1, depth=2, rates=0, steps=1, seeds=2)
        for name, least in (("widths", 2), ("rates", 1)):
            values = getattr(self, name)
            if len(values) < least or sorted(set(values)) != list(values):
                raise SettingsError(f"{name} = {values} given; the claims compare them in order: write them ascending")


PRESETS = {
    "smoke": Settings(widths=(8, 64), steps=60),
    "quick": Settings(),
    "full": Settings(widths=(8, 16, 32, 64, 128, 256)),
    "paper": Settings(widths=(8, 16, 32, 64, 128, 256, 512, 1024, 2048)),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        no_skips: without skips; axes [rates, widths, seeds, steps + 1].
        skips: with skips, likewise.
    """

    settings: Settings
    provenance: Provenance
    no_skips: Curves
    skips: Curves

    @property
    def kinds(self) -> tuple[tuple[str, Curves], ...]:
        """Both kinds of network with their names."""
        return ("without skips", self.no_skips), ("with skips", self.skips)


def network(settings: Settings, width: int, *, skips: bool) -> tuple[MLP, Parameterisation]:
    """The network of one width, and its muPC."""
    mlp = MLP(settings.inputs, width, settings.depth, skips=skips)
    return mlp, mupc_skips() if skips else mupc()


def expected(settings: Settings, *, skips: bool) -> list[float]:
    """E[s] - 1 at initialisation, for every width."""
    return [expected_rescaling(*network(settings, width, skips=skips)) for width in settings.widths]


def run(settings: Settings) -> Record:
    """Train every network at every rate; the chapter's claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    plan = Plan(GradientDescent, settings.steps + 1)
    trained = []
    for skips in (False, True):
        rows = []
        for width in settings.widths:
            networks = draw(*network(settings, width, skips=skips), seeds)
            curves = train_cases(plan, every_rate(task, networks, settings.rates))
            rows.append(curves.split(len(settings.rates), settings.seeds))
        trained.append(stack_curves(rows, axis=1))
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=task.note, seeds=seeds)
    return Record(settings, made, *trained)
