"""Records that are made, not measured, around the paper's published values: some settings fit, others do not."""

import numpy as np

from pcn_lib.data import figure4
from pcn_lib.experiments import nonlinear_networks, published_mlp
from pcn_lib.experiments.backpropagation_rates import Rated
from pcn_lib.experiments.kinked_equilibria import Below, Kinked
from pcn_lib.experiments.published_curves import RATES
from pcn_lib.experiments.trainings import Curves as Trainings
from pcn_lib.results import provenance

SCATTER = 0.004


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
