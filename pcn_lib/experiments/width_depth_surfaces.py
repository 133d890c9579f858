"""Surfaces over width and depth: the rescaling, energy and loss, and the angle between the gradients (E1).

Source: arXiv:2602.07697, Figure 1 (CIFAR-10) and its appendix (Fashion-MNIST).  Linear residual networks under muPC
learn images by predictive coding, at exact equilibria, and by backpropagation; squared error for both.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Selection, images
from pcn_lib.experiments.linear_trainings import Curves, Plan, draw, every_rate, stack_curves, together, train_cases
from pcn_lib.experiments.pc_computes_bp_gradients import predict
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.rescaling_at_start import effective_width, largest_over_mean
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam

#: Effective dimensions from which the prediction of ||S||_2 - 1 is drawn and tested.
ENOUGH = 6


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the images drawn and of the first initialisation.
        data_sets: images wanted, one surface for each; handwritten digits stand in where a set is not on this machine.
        widths: N, ascending.
        depths: L, ascending.
        samples: B, in one batch.
        rate: Adam's base rate eta.
        snapshots: weight updates after which the surfaces are drawn, ascending, from 0.
        seeds: initialisations of each network.

    Raises:
        SettingsError: a size too small, or sizes that do not ascend.
    """

    seed: int = 0
    data_sets: tuple[str, ...] = ("digits", "fashion_mnist")
    widths: tuple[int, ...] = (2, 8, 32, 128)
    depths: tuple[int, ...] = (2, 4, 16)
    samples: int = 64
    rate: float = 1e-3
    snapshots: tuple[int, ...] = (0, 50, 100)
    seeds: int = 2

    def __post_init__(self):
        check_sizes(self, widths=1, depths=2, samples=1, seeds=1, snapshots=0)
        if not self.data_sets:
            raise SettingsError("no data sets given; at least one is needed: write ('digits',)")
        for name in ("widths", "depths", "snapshots"):
            values = getattr(self, name)
            if len(values) < 2 or sorted(set(values)) != list(values):
                raise SettingsError(f"{name} = {values} given; a surface needs two or more: write them ascending")
        if self.snapshots[0] != 0:
            raise SettingsError(f"snapshots = {self.snapshots} given; theory is about the start: let the first be 0")


PRESETS = {
    "smoke": Settings(
        data_sets=("digits",), widths=(4, 32, 64), depths=(2, 4), samples=16, snapshots=(0, 2, 4), seeds=3
    ),
    "quick": Settings(),
    "full": Settings(
        data_sets=("cifar10", "fashion_mnist"), widths=(2, 8, 32, 128, 256), depths=(2, 4, 8, 16, 32), seeds=3
    ),
    "paper": Settings(
        data_sets=("cifar10", "fashion_mnist"),
        widths=(2, 8, 32, 128, 512, 2048),
        depths=(2, 4, 8, 16, 32),
        seeds=3,
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
        input_scale: mean of ||x||^2 / D over the batch.
        alignment: q = ||(1/B) sum_i y_i x_i^T||^2 / (D tr C^2), C = (1/B) sum_i y_i y_i^T: all the angle needs to know.
        curves: axes [depths, widths, seeds, snapshots].
    """

    data_set: str
    title: str
    input_scale: float
    alignment: float
    curves: Curves


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
    """Train every network on every data set; the chapter's claims assume float64."""
    start = time.perf_counter()
    sets = load(settings)
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    plan = Plan(Adam, settings.snapshots[-1] + 1)
    padded = same_inputs(sets)
    inputs, outputs = padded[0].x.shape[1], padded[0].y.shape[1]
    rows = []
    for depth in settings.depths:
        row = []
        for width in settings.widths:
            networks = draw(MLP(inputs, width, depth, outputs, skips=True), mupc_skips(), seeds)
            curves = train_cases(plan, together([every_rate(data, networks, (settings.rate,)) for data in padded]))
            row.append(curves.split(len(sets), settings.seeds)[..., list(settings.snapshots)])
        rows.append(stack_curves(row))
    grid = stack_curves(rows)
    surfaces = tuple(_surface(data, grid[:, :, i]) for i, data in enumerate(sets))
    notes = "; ".join(surface.data_set for surface in surfaces)
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=notes, seeds=seeds)
    return Record(settings, made, surfaces)


def load(settings: Settings) -> list[Dataset]:
    """The data sets really used, each once: two that are missing are replaced by the digits once."""
    selection = Selection(settings.samples, settings.seed)
    sets = [images(name, selection, default="digits") for name in settings.data_sets]
    return list({data.name: data for data in sets}.values())


def same_inputs(sets: list[Dataset]) -> list[Dataset]:
    """Data sets with equally many inputs, so that one compilation serves them all.

    Inputs of D pixels become D' >= D by adding zeros and scaling by (D'/D)^1/2.  Under a first multiplier D'^-1/2 the
    network computes and learns the same: the added columns of W_1 see zeros, and stay where they were drawn.
    """
    largest = max(data.x.shape[1] for data in sets)
    padded = []
    for data in sets:
        size = data.x.shape[1]
        x = (largest / size) ** 0.5 * np.pad(data.x, ((0, 0), (0, largest - size)))
        padded.append(replace(data, x=x))
    return padded


def _surface(data: Dataset, curves: Curves) -> Surface:
    batch, inputs = data.x.shape
    covariance = data.y.T @ data.y / batch
    cross = data.y.T @ data.x / batch
    alignment = float(np.sum(cross**2) / inputs / np.sum(covariance**2))
    return Surface(data.note, data.name, float(np.mean(data.x**2)), alignment, curves)
