"""Surfaces over width and depth: the rescaling, energy and loss, and the angle between the gradients (E1).

Source: arXiv:2602.07697, Figure 1 (CIFAR-10) and its appendix (Fashion-MNIST).  Linear residual networks under muPC
learn images by predictive coding, at exact equilibria, and by backpropagation; squared error for both.
"""

import itertools
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Preparation, Selection, images
from pcn_lib.experiments.concurrently import at_once
from pcn_lib.experiments.paired_trainings import PAIRS, Curves, stacked, train_pairs
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.gap import predict
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.wishart import effective_width, largest_over_mean

#: Effective dimensions from which the prediction of ||S||_2 - 1 is drawn and tested.
ENOUGH = 6
#: Seeds of the data sets after the first, as in the paper.
APPENDIX_SEEDS = 3


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the first batch of images and its initialisation.
        data_sets: images wanted, one surface for each; handwritten digits stand in where a set is not on this machine.
        preparation: of the images, by name: authors or standardised.
        widths: N, ascending.
        depths: L, ascending.
        samples: B, in one batch.
        rate: Adam's base rate eta.
        snapshots: weight updates after which the surfaces are drawn, ascending, from 0.
        seeds: batches of the first data set, each with its own initialisation of every network; the others have the
            paper's three at most.
        trained: the widest network that is trained; wider ones are measured before training.

    Raises:
        SettingsError: a size too small, sizes that do not ascend, or networks of which none is trained.
    """

    seed: int = 0
    data_sets: tuple[str, ...] = ("digits", "fashion_mnist")
    preparation: str = "authors"
    widths: tuple[int, ...] = (8, 32, 128)
    depths: tuple[int, ...] = (2, 4, 16)
    samples: int = 64
    rate: float = 1e-3
    snapshots: tuple[int, ...] = (0, 50, 100)
    seeds: int = 2
    trained: int = 512

    def __post_init__(self):
        check_sizes(self, widths=1, depths=2, samples=1, seeds=1, snapshots=0)
        Preparation.named(self.preparation)
        if not self.data_sets:
            raise SettingsError("no data sets given; at least one is needed: write ('digits',)")
        for name in ("widths", "depths", "snapshots"):
            values = getattr(self, name)
            if len(values) < 2 or sorted(set(values)) != list(values):
                raise SettingsError(f"{name} = {values} given; a surface needs two or more: write them ascending")
        if self.snapshots[0] != 0:
            raise SettingsError(f"snapshots = {self.snapshots} given; theory is about the start: let the first be 0")
        if len(self.widths_trained) < 2:
            raise SettingsError(
                f"trained = {self.trained} given for widths = {self.widths}; at least two networks must be trained: "
                f"choose trained >= {self.widths[1]}"
            )

    @property
    def widths_trained(self) -> tuple[int, ...]:
        """The widths of the networks that are trained."""
        return tuple(width for width in self.widths if width <= self.trained)

    def batches(self, place: int) -> tuple[int, ...]:
        """The seeds of a data set."""
        return tuple(range(self.seed, self.seed + (min(self.seeds, APPENDIX_SEEDS) if place else self.seeds)))


PRESETS = {
    "smoke": Settings(
        data_sets=("digits",), widths=(4, 32, 64), depths=(2, 4), samples=16, snapshots=(0, 2, 4), seeds=3
    ),
    "quick": Settings(),
    "full": Settings(
        data_sets=("cifar10", "fashion_mnist"),
        widths=(2, 8, 32, 128, 512, 2048),
        depths=(2, 4, 8, 16, 32),
        seeds=16,
        trained=128,
    ),
    "paper": Settings(
        data_sets=("cifar10", "fashion_mnist"),
        widths=(2, 8, 32, 128, 512, 2048),
        depths=(2, 4, 8, 16, 32),
        seeds=16,
        trained=2048,
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Surface:
    """What was measured on one data set.

    Attributes:
        data_set: really used, in words.
        title: the same, short.
        prepared: how its pixels became inputs, by name.
        input_scale: mean of ||x||^2 / D over the batches.
        alignment: q = ||(1/B) sum_i y_i x_i^T||^2 / (D tr C^2), C = (1/B) sum_i y_i y_i^T, mean over the batches: all
            the angle needs to know.
        curves: axes [depths, widths, seeds, snapshots].
    """

    data_set: str
    title: str
    prepared: str
    input_scale: float
    alignment: float
    curves: Curves

    def draws(self, pair: str) -> Float[np.ndarray, "depths widths seeds snapshots"]:
        """The cosines of one pair of trainings."""
        return 1 - self.curves.pairs[..., list(PAIRS).index(pair)]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the data sets really used.
        surfaces: one for each of them.
    """

    settings: Settings
    provenance: Provenance
    surfaces: tuple[Surface, ...]


@dataclass(frozen=True)
class Predicted:
    """Theory for the networks of a grid before the first update; axes [depths, widths].

    Attributes:
        mean_rescaling: tr(E[S] - I) / K, exact at every width.
        rescaling: E ||S||_2 - 1; NaN where the network has fewer than :data:`ENOUGH` effective dimensions.
        gap: 1 - F*/Loss, and
        angle: 1 - cos, both to leading order in 1/N.
        loss: E[Loss], exact at every width.
    """

    mean_rescaling: Float[np.ndarray, "depths widths"]
    rescaling: Float[np.ndarray, "depths widths"]
    gap: Float[np.ndarray, "depths widths"]
    angle: Float[np.ndarray, "depths widths"]
    loss: Float[np.ndarray, "depths widths"]


def predict_start(surface: Surface, widths: tuple[int, ...], depths: tuple[int, ...], outputs: int = 10) -> Predicted:
    """What is known before the first update, with nothing fitted.

        E[Loss] = 1/2 (1 + K ||x||^2/D (1 + 1/L)^(L-2) / N),    one-hot targets

    With K outputs, 1 - cos is that of the chapter "Predictive coding computes backpropagation's gradients" at the
    alignment of :class:`Surface`, and 1/2 (K + 1) / nu (m / (1 + m))^2 more, because S^{-1} r is not parallel to r.

    Source: derived here, see the chapter "Width and depth".
    """
    rows = []
    for depth in depths:
        for width in widths:
            mlp = MLP(1, width, depth, outputs, skips=True)
            m = expected_rescaling(mlp, mupc_skips())
            nu = effective_width(mlp, mupc_skips())
            largest = m * largest_over_mean(mlp, mupc_skips()) if nu >= ENOUGH else np.nan
            gap = predict(width, depth, alignment=surface.alignment).gap
            turned = (outputs + 1) / nu * (m / (1 + m)) ** 2 / 2
            scale = outputs * surface.input_scale * (1 + 1 / depth) ** (depth - 2) / width
            rows.append((m, largest, float(gap.energy), float(gap.direction) + turned, (1 + scale) / 2))
    return Predicted(*np.moveaxis(np.array(rows).reshape(len(depths), len(widths), 5), -1, 0))


def run(settings: Settings) -> Record:
    """Train every network on every batch of every data set; the chapter's claims assume float64."""
    start = time.perf_counter()
    sets = load(settings)
    inputs = max(batches[0].x.shape[1] for batches in sets)
    sizes = list(itertools.product(settings.depths, settings.widths))
    cells = at_once(lambda size: _one_size(settings, sets, inputs, size[1], size[0]), sizes)
    grid = [cells[i : i + len(settings.widths)] for i in range(0, len(cells), len(settings.widths))]
    surfaces = tuple(
        _surface(settings, batches, stacked([stacked([cell[i] for cell in row]) for row in grid]))
        for i, batches in enumerate(sets)
    )
    notes = "; ".join(surface.data_set for surface in surfaces)
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=notes, seeds=settings.batches(0))
    return Record(settings, made, surfaces)


def load(settings: Settings) -> list[list[Dataset]]:
    """The batches of the data sets really used, each set once: two that are missing are the digits once."""
    prepared, found = Preparation.named(settings.preparation), {}
    for place, name in enumerate(settings.data_sets):
        batches = [
            images(name, Selection(settings.samples, seed), preparation=prepared, default="digits")
            for seed in settings.batches(place)
        ]
        found.setdefault(batches[0].name, batches)
    return list(found.values())


def padded(x: np.ndarray, inputs: int) -> np.ndarray:
    """Inputs of D pixels as D' >= D, so that one compilation serves several data sets.

    They are scaled by (D'/D)^1/2, and zeros are added.  Under a first multiplier D'^-1/2 the network computes and
    learns the same: the added columns of W_1 see zeros, and stay where they were drawn.
    """
    size = x.shape[1]
    return (inputs / size) ** 0.5 * np.pad(x, ((0, 0), (0, inputs - size)))


def _one_size(settings: Settings, sets: list[list[Dataset]], inputs: int, width: int, depth: int) -> list[Curves]:
    """The curves of one width and depth, axes [seeds, snapshots], for every data set."""
    mlp = MLP(inputs, width, depth, sets[0][0].y.shape[1], skips=True)
    known = [t for t in settings.snapshots if t == 0 or width <= settings.trained]
    steps = known[-1] + 1
    found = []
    for place, batches in enumerate(sets):
        rows = []
        for seed, data in zip(settings.batches(place), batches, strict=True):
            x, y = jnp.asarray(padded(data.x, inputs)), jnp.asarray(data.y)
            history = jax.device_get(train_pairs(mlp, steps, jax.random.key(seed), (x, y), settings.rate))
            rows.append(Curves(**{name: _at(values, known, settings.snapshots) for name, values in history.items()}))
        found.append(stacked(rows))
    return found


def _at(values: np.ndarray, known: list[int], snapshots: tuple[int, ...]) -> np.ndarray:
    """The values at the snapshots, NaN at those that are not known."""
    absent = np.full_like(values[0], np.nan)
    return np.stack([values[t] if t in known else absent for t in snapshots])


def _surface(settings: Settings, batches: list[Dataset], curves: Curves) -> Surface:
    scale, aligned = (np.mean([of(data) for data in batches]) for of in (_input_scale, _alignment))
    first = batches[0]
    return Surface(first.note, first.name, settings.preparation, float(scale), float(aligned), curves)


def _input_scale(data: Dataset) -> float:
    return float(np.mean(data.x**2))


def _alignment(data: Dataset) -> float:
    covariance, cross = data.y.T @ data.y / len(data.y), data.y.T @ data.x / len(data.y)
    return float(np.sum(cross**2) / data.x.shape[1] / np.sum(covariance**2))
