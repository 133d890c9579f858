"""The published curves of Figure 4 beside ours, number by number, and the settings that they may have.

The start of a curve tests the network, its data, its loss and how inference is done; what follows, the learning rates
as well.  A published curve is one run, so the scatter that counts is that of one batch with its initialisation.

Source: arXiv:2602.07697, Figure 4; the comparison is ours.
"""

import xarray as xr

from pcn_lib.data import figure4
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments import nonlinear_networks, published_mlp
from pcn_lib.experiments.backpropagation_rates import changes
from pcn_lib.study.comparison import ENOUGH_DRAWS, START, TRAINING, held, hypotheses

#: Weight updates at which the curves are compared over training: neighbouring points of a curve say the same.
STEPS = (25, 50, 75, 98)
#: Backpropagation's rate in the order of ``nonlinear_networks.Record.rated``.
RATES = ("BP at PC's rate", "BP's rate sqrt(L) larger")


def mlp_start_rows(record: published_mlp.Record, choice: tuple[str, str, str] = published_mlp.FITTING) -> xr.Dataset:
    """The beginning of each curve of Figure 4a beside ours before the first update.

    The first point that can be read is t = 1; one update changes none of these cosines by more than the reading error.

    Args:
        record: of all hypotheses.
        choice: the loss, inference and preparation of ours.
    """
    widths, draws = record.settings.widths, record.draws(*choice)
    rows = [
        held(("4a", f"N = {width}", 0), value, draws[:, k], error=FIGURE4_ERROR)
        for k, (width, value) in enumerate(zip(widths, published_mlp.published_start(widths), strict=True))
    ]
    return xr.concat(rows, "number")


def mlp_hypotheses(record: published_mlp.Record) -> xr.Dataset:
    """Every combination of loss, inference and preparation, the nearest to the published values first."""
    found = {", ".join(choice): one for choice, one in published_mlp.agreements(record).items()}
    return hypotheses(found, figure="4a", stage=START, compared="all widths")


def mlp_trainings_are_papers(record: nonlinear_networks.Record) -> bool:
    """Whether a record's trainings at two rates can be held against the published curves."""
    s = record.settings
    same = (s.loss, s.preparation, s.activation, s.depth) == ("squared error", "authors", "tanh", 32)
    return same and record.data_name == "cifar10" and s.steps > STEPS[-1] and s.batches >= ENOUGH_DRAWS + 1


def mlp_training_rows(record: nonlinear_networks.Record, rate: str) -> xr.Dataset:
    """The curves of Figure 4a after :data:`STEPS` updates, where they can be read, beside ours.

    Args:
        record: with backpropagation at two rates.
        rate: one of :data:`RATES`.
    """
    cosines, curves = record.rated.cosine[..., RATES.index(rate)], {curve.width: curve for curve in figure4("mlp")}
    rows = [
        held(("4a", f"N = {width}", t), float(value), cosines[:, place, t], error=FIGURE4_ERROR)
        for place, width in enumerate(record.settings.rated)
        for t, value in zip(curves[width].steps.tolist(), curves[width].cosine, strict=True)
        if t in STEPS
    ]
    return xr.concat(rows, "number")


def mlp_rates(record: nonlinear_networks.Record) -> xr.Dataset:
    """Both rates of backpropagation held against how the published curves change, the nearest first.

    Where a curve begins is left out: that scatters from one initialisation to the next, and no rate moves it.
    """
    found = {
        rate: changes(record.rated.cosine[..., place], record.settings.rated)[1] for place, rate in enumerate(RATES)
    }
    return hypotheses(found, figure="4a", stage=TRAINING, compared="change to t = 50 and to the end")
