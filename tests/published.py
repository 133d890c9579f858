"""Records that are made, not measured, around the paper's published values: some settings fit, others do not."""

from dataclasses import fields, replace

import numpy as np

from pcn_lib.data import figure1, figure4
from pcn_lib.experiments import (
    convolutional_networks,
    nonlinear_networks,
    published_mlp,
    transformers,
    width_depth_surfaces,
)
from pcn_lib.experiments.backpropagation_rates import Rated
from pcn_lib.experiments.comparison import START
from pcn_lib.experiments.kinked_equilibria import Below, Kinked
from pcn_lib.experiments.large_images import LargeImages
from pcn_lib.experiments.linear_cnn import ClosedForm
from pcn_lib.experiments.paired_trainings import PAIRS, Curves
from pcn_lib.experiments.published_curves import RATES
from pcn_lib.experiments.trainings import Curves as Trainings
from pcn_lib.results import provenance
from tests.experiments import test_convolutional_networks as image_tests
from tests.experiments import test_transformers as text_tests

SCATTER = 0.004


def surfaces_record(misplaced: dict[str, float]) -> width_depth_surfaces.Record:
    """Figure 1 with draws about the published values, ``misplaced`` by so much for each pair of rates; else by 0.1."""
    paper, rng = figure1(), np.random.default_rng(0)
    settings = width_depth_surfaces.Settings(
        data_sets=("cifar10",), widths=paper.widths, depths=paper.depths, snapshots=paper.steps, seeds=12
    )
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float64")
    middle = np.moveaxis(paper.cosine, 0, -1)[:, :, None, :]
    shape = (len(paper.depths), len(paper.widths), settings.seeds, len(paper.steps))
    pairs = []
    for pair in PAIRS:
        cosines = middle + rng.normal(scale=SCATTER, size=shape)
        cosines[..., 1:] += misplaced.get(pair, 0.1)
        cosines[:, np.array(paper.widths) > settings.trained, :, 1:] = np.nan
        pairs.append(1 - cosines)
    ones = np.ones(shape)
    surface = width_depth_surfaces.Surface(
        "images made for a test", "cifar10", "authors", 0.5, 0.1,
        Curves(ones, ones, ones, ones, ones, ones, np.stack(pairs, axis=-1)),
    )  # fmt: skip
    return width_depth_surfaces.Record(settings, made, (surface,))


def start_record() -> published_mlp.Record:
    """The beginning of Figure 4a: the first hypothesis has the published values, the others lie 0.05 apart each."""
    settings, rng = published_mlp.PRESETS["full"], np.random.default_rng(0)
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float32")
    values = np.array([curve.cosine[0] for curve in figure4("mlp")])
    apart = 0.05 * np.arange(8).reshape(2, 2, 2, 1, 1)
    noise = rng.normal(scale=SCATTER, size=(2, 2, 2, settings.batches, len(values)))
    cosine = values - apart + noise
    return published_mlp.Record(settings, made, "cifar10", cosine, np.full_like(cosine, 1e-6))


def rated_record(fits: str) -> nonlinear_networks.Record:
    """Figure 4a over training: under the rate that fits the published values, under the other one flat curves."""
    settings, rng = nonlinear_networks.PRESETS["paper"], np.random.default_rng(0)
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float32")
    curves = {curve.width: curve for curve in figure4("mlp")}
    steps = np.arange(settings.steps)
    rows = np.array([np.interp(steps, curves[width].steps, curves[width].cosine) for width in settings.rated])
    flat = np.repeat(rows[:, :1], settings.steps, axis=1)
    both = np.stack([rows if rate == fits else flat for rate in RATES], axis=-1)
    cosine = both + rng.normal(scale=1e-3, size=(settings.batches, *both.shape))
    one = np.ones((1, 1, 1))
    none = Trainings(one, one, one, one, one, one[..., None], one, one > 0, one.astype(int))
    kinked, below = Kinked(*[one[0]] * 5), Below(*[one[0]] * 3)
    rated = Rated(cosine, cosine[..., 0] > -2)
    parts = (none, none, one[0], none, None, rated, "cifar10", kinked, below)
    return nonlinear_networks.Record(settings, made, *parts)


def transformer_record() -> transformers.Record:
    """Figure 4c: draws about the published values without the identity layer, 0.02 below with it; three trainings."""
    settings = replace(
        text_tests.SMALL, widths=(8, 64), wide=(16, 256), other_list=(8, 16, 64), blocks=12, length=32, samples=128,
        draws=6, seeds=3, data_set="tinyshakespeare",
    )  # fmt: skip
    made = provenance(settings, seconds=1.0, data_set="a text made for a test", dtype="float32")
    scatter = SCATTER * np.array([-1, -0.6, -0.2, 0.2, 0.6, 1])[:, None]
    cosines = np.array([START["transformer"][width][0] for width in (8, 16, 64)])
    start = text_tests.start_of(settings.all_widths, 1 - np.append(cosines, 0.995) - scatter)
    other = text_tests.start_of(settings.other_list, 1 - cosines + 0.02 - scatter)
    trained = _longer(text_tests.curves_of(settings.widths), draws=3)
    curves = {curve.width: curve for curve in figure4("transformer")}
    steps = np.arange(trained.energy.shape[-1])
    rows = np.array([np.interp(steps, curves[width].steps, curves[width].cosine) for width in settings.widths])
    trained = replace(trained, one_minus_cosine=1 - rows - SCATTER * np.array([-1, 0, 1])[:, None, None])
    one = text_tests.curves_of((8,))
    stopped = Trainings(*(getattr(one, field.name) for field in fields(Trainings)))
    parts = (trained, start, other, np.ones((3, 2)), one, one, stopped, None)
    return transformers.Record(settings, made, "tinyshakespeare", 5, *parts)


def cnn_record() -> convolutional_networks.Record:
    """Figure 4b: the script's count begins where the picture does, the equilibrium at 0.99; one training of each."""
    settings = replace(image_tests.SMALL, large_draws=4)
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float32")
    scatter = SCATTER * np.array([-1, -0.5, 0.5, 1])[:, None]
    stopped, certified = (
        image_tests.draws_of((np.array([[value, 0.98]]) + scatter).tolist(), [[1e-5, 1e-5]] * 4)
        for value in (START["cnn"][2][0], 0.99)
    )
    trained, script = (_longer(image_tests.curves_of((gap,), 1), draws=1) for gap in (0.01, 1.0))
    one = image_tests.curves_of((0.5, 0.5), 1)
    large = LargeImages(224, certified, stopped, trained, script)
    linear = ClosedForm(np.ones((4, 1)), np.ones(1), 1e-12, 1e-15)
    parts = (one, one, np.ones((1, 2)), one, None, one, np.ones(2), large, linear)
    return convolutional_networks.Record(settings, made, (8, 8, 1), *parts)


def _longer(curves: Trainings, draws: int) -> Trainings:
    """The first step of trainings, a hundred times and for several draws."""
    first = {f.name: getattr(curves, f.name)[:, :, :1] for f in fields(curves)}
    return type(curves)(**{name: a.repeat(draws, axis=0).repeat(100, axis=2) for name, a in first.items()})
