"""Residual convolutional networks on images: energies against losses and cosines over training, width by width (E8).

Source: arXiv:2602.07697, Figure 4b.  Every training step ends at a certified equilibrium; beside it stands the
protocol of the authors' script, 200 gradient-descent steps on the activities.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Preparation, Selection, images
from pcn_lib.data.folder import folder_images
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.experiments.comparison import Compared, compared
from pcn_lib.experiments.convolutional_settings import (
    ACTIVATIONS,
    PRESETS,
    PUBLISHED,
    PUBLISHED_STEPS,
    Settings,
    preset,
)
from pcn_lib.experiments.large_images import LargeImages, measure_large
from pcn_lib.experiments.linear_cnn import ClosedForm, closed_form
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.experiments.trainings import Curves, KnownAtStart, at_start, joined, stopped_after, trained
from pcn_lib.gap import first_order_gap
from pcn_lib.network import CNN
from pcn_lib.parameterisation import mupc_convolutional
from pcn_lib.rescaling import expected_cnn_rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, Schedule

__all__ = ["PRESETS", "PUBLISHED_STEPS", "Record", "Settings", "comparison", "load", "preset", "run"]


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
        published: trained by the script's protocol, for ``settings.by_count``; None where there are none.
        enlarged: before the first update, on images enlarged by the factors ``settings.enlarged``; one step.
        enlarged_rescaling: E[S] - I of the linear network of each of those sizes.
        large: both protocols on large images.
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
    large: LargeImages
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
        _large(settings, adam),
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


def _large(settings: Settings, adam: Adam) -> LargeImages:
    """Both protocols on large images, each draw with images and an initialisation of its own."""
    widths = (settings.large_widths, settings.large_trained)
    batches = [load(settings, settings.large_samples, draw) for draw in range(settings.large_draws)]
    large = [data.x.repeat(settings.large, axis=1).repeat(settings.large, axis=2) for data in batches]

    def problem(width: int, draw: int) -> Problem:
        return problem_of(settings, batches[draw], width, draw, large[draw])

    solvers = (settings.certified, PUBLISHED)
    return measure_large(problem, widths, settings.large_draws, solvers, (adam, settings.large_steps))


def load(settings: Settings, samples: int = 0, draw: int = 0) -> Dataset:
    """The images of one draw, not flattened; ``samples`` of them instead of the settings' if given.

    Raises:
        FolderError: the folder does not hold images in a sub-folder for each class.
    """
    selection = Selection(samples or settings.samples, settings.seed + draw, flat=False)
    preparation = Preparation.named(settings.preparation)
    if settings.folder:
        return folder_images(Path(settings.folder).expanduser(), selection, settings.pixels, preparation)
    return images(settings.data_set, selection, preparation=preparation, default="digits")


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


def comparison(record: Record) -> tuple[Compared, ...]:
    """Every published cosine beside ours on images of the published size; none where images are smaller."""
    s, large = record.settings, record.large
    if not large.published:
        return ()
    script = f"{PUBLISHED_STEPS} steps"
    rows = (
        (s.large_widths, large.stopped, script, True),
        (s.large_widths, large.certified, "certified", True),
        (s.large_trained, large.script, f"{script}, trained", False),
        (s.large_trained, large.trained, "certified, trained", False),
    )
    found = (compared("cnn", w, 1 - c.one_minus_cosine, protocol, bands=bands) for w, c, protocol, bands in rows)
    return sum(found, ())
