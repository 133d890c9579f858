"""Nonlinear residual networks on images: energies against losses and cosines over training, width by width (E7).

Source: arXiv:2602.07697, Figure 4a.  Every training step ends at a certified equilibrium; beside it stands the
script's protocol, a number of gradient-descent steps on the activities that is fixed in advance.
"""

import time
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Preparation, Selection, images
from pcn_lib.energy import Problem
from pcn_lib.experiments.backpropagation_rates import Rated, rated
from pcn_lib.experiments.kinked_equilibria import Below, Kinked, kinked_equilibria, search_below
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER, published_inference
from pcn_lib.experiments.published_mlp import LOSSES
from pcn_lib.experiments.trainings import Curves, KnownAtStart, WiderAtStart, at_start, stopped_after, trained
from pcn_lib.inference import Solver, SweepsThenNewton
from pcn_lib.network import MLP
from pcn_lib.numerics import Activation
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, Schedule

#: Newton steps allowed to a ReLU network, whose dF/dz need not vanish however many there are.
KINKED_STEPS = 40
#: Samples below whose equilibria another method searches: it needs seconds for each.
SEARCHED_SAMPLES = 4
ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


@dataclass(frozen=True)
class Settings(WiderAtStart):
    """Which networks are trained, on what, and how inference is done.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        preparation: of the images, by name: authors or standardised.
        loss: one of :data:`pcn_lib.experiments.published_mlp.LOSSES`; the published figure has the squared error.
        activation: phi, one of :data:`ACTIVATIONS`.
        widths: N of the networks that are trained.
        wide: N of other networks, measured at initialisation only.
        published: N at which the script's protocol is tried at initialisation.
        published_trained: N at which, if among ``widths``, networks are trained by the script's protocol as well.
        published_steps: weight updates of those.
        rated: N at which backpropagation is also trained at a rate sqrt(L) times larger.
        batches: of those trainings, each with an initialisation of its own.
        kinked: N at which a ReLU network is measured beside, before the first update.
        searched: N at which another method looks for lower energies below the ReLU network's equilibria.
        counts: gradient-descent steps per hidden layer tried at initialisation, the published one among them.
        depth: L.
        samples: B, in one batch.
        steps: weight updates.
        rate: Adam's base rate eta.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations.
        seed: of the images drawn and of the first initialisation.

    Raises:
        SettingsError: a size too small, or an unknown activation.
    """

    data_set: str = "fashion_mnist"
    preparation: str = "authors"
    loss: str = "squared error"
    activation: str = "tanh"
    widths: tuple[int, ...] = (8, 32, 128)
    wide: tuple[int, ...] = (512,)
    published: tuple[int, ...] = (32, 128)
    published_trained: tuple[int, ...] = ()
    published_steps: int = 10
    rated: tuple[int, ...] = (64,)
    batches: int = 1
    kinked: tuple[int, ...] = (32, 128)
    searched: tuple[int, ...] = (32,)
    counts: tuple[int, ...] = (1, 3, 10, 30, STEPS_PER_LAYER)
    depth: int = 32
    samples: int = 64
    steps: int = 50
    rate: float = 1e-3
    tolerance: float = 1e-5
    seeds: int = 1
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, published_steps=1, rated=1, batches=1, kinked=1, searched=1)
        Preparation.named(self.preparation)
        if self.loss not in LOSSES:
            raise SettingsError(f"loss = {self.loss!r} given; known are {', '.join(LOSSES)}: choose one of these")
        check_sizes(self, widths=1, wide=1, published=1, counts=1, depth=2, samples=1, steps=1, seeds=1)
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise SettingsError(f"activation = {self.activation!r} given; known are {known}: choose one of these")
        if STEPS_PER_LAYER not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the published count is needed: add {STEPS_PER_LAYER}")
        self.check_untrained()

    @property
    def certified(self) -> Solver:
        """The solver that ends at an equilibrium and says how near."""
        return SweepsThenNewton(tolerance=self.tolerance)


PRESETS = {
    "smoke": Settings(
        widths=(8, 128),
        published=(32,),
        rated=(8,),
        kinked=(128,),
        searched=(8,),
        counts=(10, STEPS_PER_LAYER),
        samples=4,
        steps=2,
    ),
    "quick": Settings(),
    "full": Settings(
        data_set="cifar10",
        widths=(8, 32, 128, 512),
        wide=(64, 256, 1024),
        published=(8, 32, 128),
        published_trained=(8,),
        rated=(8, 32, 64, 128, 256),
        batches=6,
        kinked=(8, 32, 128),
        searched=(8, 32),
        steps=100,
    ),
    "paper": Settings(
        data_set="cifar10",
        widths=(8, 16, 32, 64, 128, 256, 512),
        wide=(1024, 2048, 4096),
        published=(8, 32, 128, 512),
        published_trained=(8, 16, 32, 64, 128, 256, 512),
        published_steps=100,
        rated=(8, 32, 64, 128, 256, 512),
        batches=16,
        kinked=(8, 32, 128, 512),
        searched=(8, 32),
        counts=(1, 3, 10, 30, STEPS_PER_LAYER, 300, 3000),
        steps=100,
        seeds=3,
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record(KnownAtStart):
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the data set really used.
        trained: at certified equilibria, for ``settings.widths``.
        wide: the same before the first update, for ``settings.untrained``; one step.
        predicted_gap: 1 - F* / Loss to first order in L / N before the first update, for ``settings.untrained``.
        stopped: inference stopped by count before the first update, for ``settings.published``; its last axis is
            ``settings.counts``.
        published: trained by the script's protocol, for ``settings.by_count``; None where there are none.
        rated: backpropagation at two rates beside predictive coding, for ``settings.rated``.
        data_name: of the data set really used.
        kinked: equilibria of ReLU networks before the first update, for ``settings.kinked``.
        below: what another method finds below those of a few samples, for ``settings.searched``.
    """

    settings: Settings
    provenance: Provenance
    trained: Curves
    wide: Curves
    predicted_gap: Float[np.ndarray, "seeds wide"]
    stopped: Curves
    published: Curves | None
    rated: Rated
    data_name: str
    kinked: Kinked
    below: Below


def run(settings: Settings) -> Record:
    """Train and measure, in float32 as the paper does."""
    start = time.perf_counter()
    data, seeds, adam = batch(settings, settings.seed), range(settings.seeds), Adam(settings.rate)

    def problems(widths: tuple[int, ...], of: Settings = settings, data: Dataset = data) -> list[list[Problem]]:
        return [[problem_of(of, data, width, seed) for width in widths] for seed in seeds]

    wide, hidden, published = problems(settings.untrained), settings.depth - 1, None
    if settings.by_count:
        schedule = Schedule(settings.published_steps, published_inference(hidden))
        published = trained(problems(settings.by_count), adam, schedule)
    relu, standing = replace(settings, activation="relu"), SweepsThenNewton(settings.tolerance, max_steps=KINKED_STEPS)
    few = replace(data, x=data.x[:SEARCHED_SAMPLES], y=data.y[:SEARCHED_SAMPLES])
    parts = (
        trained(problems(settings.widths), adam, Schedule(settings.steps, settings.certified)),
        at_start(wide, settings.certified),
        np.array([[float(first_order_gap(problem)) for problem in row] for row in wide]),
        stopped_after(problems(settings.published), tuple(n * hidden for n in settings.counts), ACTIVITY_RATE),
        published,
        _rated(settings),
        data.name,
        kinked_equilibria(problems(settings.kinked, relu), standing),
        search_below(problems(settings.searched, relu, few), standing),
    )
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note, dtype="float32")
    return Record(settings, made, *parts)


def batch(settings: Settings, seed: int) -> Dataset:
    """The images of one seed."""
    prepared = Preparation.named(settings.preparation)
    return images(settings.data_set, Selection(settings.samples, seed), preparation=prepared, default="digits")


def problem_of(settings: Settings, data: Dataset, width: int, seed: int) -> Problem:
    """The network of one width and initialisation, with the images and the loss."""
    x, y = jnp.asarray(data.x, "float32"), jnp.asarray(data.y, "float32")
    phi = ACTIVATIONS[settings.activation]
    mlp = MLP(x.shape[1], width, settings.depth, y.shape[1], activation=phi, skips=True)
    key = jax.random.key(settings.seed + seed)
    return Problem(mlp.init(key, mupc_skips(), "float32"), x, y, LOSSES[settings.loss])


def _rated(settings: Settings) -> Rated:
    """Backpropagation at the rate of predictive coding, and sqrt(L) faster, batch by batch."""
    problems = [
        [problem_of(settings, batch(settings, settings.seed + i), width, i) for width in settings.rated]
        for i in range(settings.batches)
    ]
    return rated(problems, settings.rate, settings.steps, settings.certified, (1.0, settings.depth**0.5))
