"""Residual convolutional networks on images: energies against losses and cosines over training, width by width (E8).

Source: arXiv:2602.07697, Figure 4b.  Every training step ends at a certified equilibrium; beside it stands the
published protocol, 200 gradient-descent steps on the activities.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Selection, images
from pcn_lib.data.folder import folder_images
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.experiments.linear_cnn import ClosedForm, closed_form
from pcn_lib.experiments.nonlinear_networks import ACTIVATIONS, first_order_gap
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, descent
from pcn_lib.experiments.trainings import Curves, KnownAtStart, WiderAtStart, at_start, joined, stopped_after, trained
from pcn_lib.inference import ActivityDescent, Solver, Sweeps
from pcn_lib.network import CNN
from pcn_lib.parameterisation import mupc_convolutional
from pcn_lib.rescaling import expected_cnn_rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, Schedule

#: Steps of the published protocol, at the rate of the other networks.
PUBLISHED_STEPS = 200
PUBLISHED = ActivityDescent(descent(ACTIVITY_RATE), PUBLISHED_STEPS)


@dataclass(frozen=True)
class Settings(WiderAtStart):
    """Which networks are trained, on what, and how inference is done.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        folder: one's own images, a sub-folder for each class, instead of the data set; empty for none.
        pixels: side to which the images of a folder are cut.
        activation: phi of the residual blocks, tanh or relu.
        widths: channels N of the networks that are trained.
        wide: N of wider networks, measured at initialisation only.
        published: N at which the published protocol is tried at initialisation.
        published_trained: N at which, if among ``widths``, networks are trained by the published protocol as well.
        counts: gradient-descent steps tried at initialisation, the published number among them.
        enlarged: factors by which the images are enlarged, 1 first, each tried at initialisation.
        enlarged_width: N of those networks.
        linear: N of the linear networks.
        draws: initialisations of each linear network.
        blocks: residual blocks, a multiple of 3.
        samples: B, in one batch.
        steps: weight updates.
        rate: Adam's base rate eta.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations of the trained networks.
        seed: of the images drawn and of the first initialisation.

    Raises:
        SettingsError: a size too small, an unknown activation, or no published count.
    """

    data_set: str = "digits"
    folder: str = ""
    pixels: int = 224
    activation: str = "tanh"
    widths: tuple[int, ...] = (2, 8, 16)
    wide: tuple[int, ...] = (128,)
    published: tuple[int, ...] = (2, 16)
    published_trained: tuple[int, ...] = ()
    counts: tuple[int, ...] = (20, 60, PUBLISHED_STEPS)
    enlarged: tuple[int, ...] = (1, 4)
    enlarged_width: int = 8
    linear: tuple[int, ...] = (4, 32)
    draws: int = 32
    blocks: int = 3
    samples: int = 64
    steps: int = 20
    rate: float = 1e-3
    tolerance: float = 1e-4
    seeds: int = 1
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, wide=1, published=1, counts=1, enlarged=1, linear=1, draws=2, pixels=8)
        check_sizes(self, enlarged_width=1, blocks=3, samples=1, steps=1, seeds=1)
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise SettingsError(f"activation = {self.activation!r} given; known are {known}: choose one of these")
        if PUBLISHED_STEPS not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the published count is needed: add {PUBLISHED_STEPS}")
        self.check_untrained()

    @property
    def certified(self) -> Solver:
        """The solver that ends at an equilibrium and says how near: accelerated sweeps."""
        return Sweeps(tolerance=self.tolerance, max_steps=60, accelerate=True)

    @property
    def depth(self) -> int:
        """L, the number of weight layers."""
        return self.blocks + 4


PRESETS = {
    "smoke": Settings(
        widths=(2, 16), published=(16,), enlarged=(1, 2), enlarged_width=16, counts=(20, PUBLISHED_STEPS),
        linear=(4,), samples=4, steps=2,
    ),
    "quick": Settings(),
    "full": Settings(
        data_set="cifar10",
        widths=(2, 8, 16),
        wide=(32, 64, 128),
        published=(2, 8, 16),
        published_trained=(2, 8),
        counts=(20, 60, PUBLISHED_STEPS, 600),
        enlarged=(1, 2),
        linear=(4, 16, 64),
        draws=64,
        steps=100,
    ),
    "paper": Settings(
        data_set="cifar10",
        folder="imagenet",
        widths=(2, 8, 16, 32),
        wide=(64, 128),
        published=(2, 8, 16, 32),
        published_trained=(2, 8, 16, 32),
        counts=(20, 60, PUBLISHED_STEPS, 600, 2000),
        enlarged=(1,),
        linear=(4, 16, 64),
        draws=64,
        samples=128,
        steps=100,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record(KnownAtStart):
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the data set really used.
        image: (height, width, channels) of the images.
        trained: at certified equilibria, for ``settings.widths``.
        wide: the same before the first update, for ``settings.untrained``; one step.
        predicted_gap: 1 - F* / Loss to first order before the first update, for ``settings.untrained``.
        stopped: inference stopped by count before the first update, for ``settings.published``; its last axis is
            ``settings.counts``.
        published: trained by the published protocol, for ``settings.by_count``; None where there are none.
        enlarged: before the first update, on images enlarged by the factors ``settings.enlarged``; one step.
        enlarged_rescaling: E[S] - I of the linear network of each of those sizes.
        linear: the closed form of the linear networks.
    """

    settings: Settings
    provenance: Provenance
    image: tuple[int, int, int]
    trained: Curves
    wide: Curves
    predicted_gap: Float[np.ndarray, "seeds wide"]
    stopped: Curves
    published: Curves | None
    enlarged: Curves
    enlarged_rescaling: Float[np.ndarray, " factors"]
    linear: ClosedForm


def run(settings: Settings) -> Record:
    """Train and measure: tanh networks in float32 as the paper does, linear ones in float64.

    Raises:
        ValueError: float64 is switched off; call ``use_float64()`` first.
    """
    start = time.perf_counter()
    data = load(settings)
    seeds = range(settings.seeds)
    schedule, adam = Schedule(settings.steps, settings.certified), Adam(settings.rate)

    def problems(widths) -> list[list[Problem]]:
        return [[problem_of(settings, data, width, seed) for width in widths] for seed in seeds]

    published = None
    if settings.by_count:
        published = trained(problems(settings.by_count), adam, Schedule(settings.steps, PUBLISHED))
    wide = problems(settings.untrained)
    curves = trained(problems(settings.widths), adam, schedule)
    linear = closed_form(data, settings.linear, settings.blocks, draws=settings.draws, seed=settings.seed)
    parts = (
        curves,
        at_start(wide, settings.certified),
        np.array([[float(first_order_gap(problem)) for problem in row] for row in wide]),
        stopped_after(problems(settings.published), settings.counts, ACTIVITY_RATE),
        published,
        *_enlarged(settings, data, curves),
        linear,
    )
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note, dtype="float32")
    return Record(settings, made, data.x.shape[1:], *parts)


def _enlarged(settings: Settings, data: Dataset, known: Curves) -> tuple[Curves, Float[np.ndarray, " factors"]]:
    """Equilibria on enlarged images, and the expected rescaling of each size; what is known is not measured again."""
    N, seeds = settings.enlarged_width, range(settings.seeds)
    images = {factor: data.x.repeat(factor, axis=1).repeat(factor, axis=2) for factor in settings.enlarged}
    parts = []
    for factor, x in images.items():
        if factor == 1 and N in settings.widths:
            place = settings.widths.index(N)
            parts.append(known.first.take([place]))
        else:
            parts.append(at_start([[problem_of(settings, data, N, seed, x)] for seed in seeds], settings.certified))
    networks = [cnn_of(settings, x, data.y, N) for x in images.values()]
    expected = [expected_cnn_rescaling(cnn, mupc_convolutional()) for cnn in networks]
    return joined(parts, axis=1), np.array(expected)


def load(settings: Settings) -> Dataset:
    """The images, not flattened.

    Raises:
        FolderError: the folder does not hold images in a sub-folder for each class.
    """
    selection = Selection(settings.samples, settings.seed, flat=False)
    if settings.folder:
        return folder_images(Path(settings.folder).expanduser(), selection, settings.pixels)
    return images(settings.data_set, selection, default="digits")


def cnn_of(settings: Settings, x: np.ndarray, y: np.ndarray, width: int) -> CNN:
    """The network of one width for images x and targets y."""
    phi = ACTIVATIONS[settings.activation]
    return CNN(x.shape[1:], width, y.shape[1], settings.blocks, activation=phi)


def problem_of(settings: Settings, data: Dataset, width: int, seed: int, x: np.ndarray | None = None) -> Problem:
    """The network of one width and initialisation, with the images (or ``x`` for them) and the cross-entropy."""
    x = data.x if x is None else x
    network = cnn_of(settings, x, data.y, width).init(
        jax.random.key(settings.seed + seed), mupc_convolutional(), "float32"
    )
    return Problem(network, jnp.asarray(x, "float32"), jnp.asarray(data.y, "float32"), cross_entropy)
