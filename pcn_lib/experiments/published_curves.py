"""The published curves of Figure 4 beside ours, number by number, and the settings that they may have.

The start of a curve tests the network, its data, its loss and how inference is done; what follows, the learning rates
as well.  A published curve is one run, so the scatter that counts is that of one batch with its initialisation.

Source: arXiv:2602.07697, Figure 4; the comparison is ours.
"""

from collections.abc import Iterable

import numpy as np

from pcn_lib.data import figure4
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments import convolutional_networks, nonlinear_networks, published_mlp
from pcn_lib.experiments.backpropagation_rates import changes
from pcn_lib.experiments.comparison import START, Compared
from pcn_lib.experiments.published_figures import ENOUGH_DRAWS, Hypothesis, Row, row_of
from pcn_lib.statistics import agreement

#: Weight updates at which the curves are compared over training: neighbouring points of a curve say the same.
STEPS = (25, 50, 75, 98)
#: Backpropagation's rate in the order of ``nonlinear_networks.Record.rated``.
RATES = ("BP at PC's rate", "BP's rate sqrt(L) larger")


def mlp_start_rows(
    record: published_mlp.Record, choice: tuple[str, str, str] = published_mlp.FITTING
) -> tuple[Row, ...]:
    """The beginning of each curve of Figure 4a beside ours before the first update.

    The first point that can be read is t = 1; one update changes none of these cosines by more than the reading error.

    Args:
        record: of all hypotheses.
        choice: the loss, inference and preparation of ours.
    """
    widths, draws = record.settings.widths, record.draws(*choice)
    return tuple(
        row_of(("Figure 4a", f"N = {width}", 0), value, draws[:, k], error=FIGURE4_ERROR)
        for k, (width, value) in enumerate(zip(widths, published_mlp.published_start(widths), strict=True))
    )


def mlp_hypotheses(record: published_mlp.Record) -> tuple[Hypothesis, ...]:
    """Every combination of loss, inference and preparation, the nearest to the published values first."""
    return tuple(Hypothesis(", ".join(choice), found) for choice, found in published_mlp.agreements(record).items())


def mlp_trainings_are_papers(record: nonlinear_networks.Record) -> bool:
    """Whether a record's trainings at two rates can be held against the published curves."""
    s = record.settings
    same = (s.loss, s.preparation, s.activation, s.depth) == ("squared error", "authors", "tanh", 32)
    return same and record.data_name == "cifar10" and s.steps > STEPS[-1] and s.batches >= ENOUGH_DRAWS + 1


def mlp_training_rows(record: nonlinear_networks.Record, rate: str) -> tuple[Row, ...]:
    """The curves of Figure 4a after :data:`STEPS` updates, where they can be read, beside ours.

    Args:
        record: with backpropagation at two rates.
        rate: one of :data:`RATES`.
    """
    cosines, curves = record.rated.cosine[..., RATES.index(rate)], {curve.width: curve for curve in figure4("mlp")}
    return tuple(
        row_of(("Figure 4a", f"N = {width}", t), float(value), cosines[:, place, t], error=FIGURE4_ERROR)
        for place, width in enumerate(record.settings.rated)
        for t, value in zip(curves[width].steps.tolist(), curves[width].cosine, strict=True)
        if t in STEPS
    )


def mlp_rates(record: nonlinear_networks.Record) -> tuple[Hypothesis, ...]:
    """Both rates of backpropagation held against how the published curves change, the nearest first.

    Where a curve begins is left out: that scatters from one initialisation to the next, and no rate moves it.
    """
    found = [
        Hypothesis(rate, changes(record.rated.cosine[..., place], record.settings.rated)[1])
        for place, rate in enumerate(RATES)
    ]
    return tuple(sorted(found, key=lambda one: one.agreement.per_value))


def cnn_protocols(record: convolutional_networks.Record) -> tuple[Hypothesis, ...]:
    """The certified equilibrium and the script's count held against where Figure 4b's curve begins, the nearer first.

    Raises:
        ValueError: fewer draws than a scatter needs.
    """
    widths, large = record.settings.large_widths, record.large
    shared = [width for width in widths if width in START["cnn"]]
    places, values = [widths.index(width) for width in shared], [START["cnn"][width][0] for width in shared]
    error = START["cnn"][shared[0]][1]
    found = [
        Hypothesis(name, agreement(values, 1 - curves.one_minus_cosine[:, places, 0], error=error))
        for name, curves in (
            ("certified", large.certified),
            (f"{convolutional_networks.PUBLISHED_STEPS} steps", large.stopped),
        )
    ]
    return tuple(sorted(found, key=lambda one: one.agreement.per_value))


def rows_of(compared: Iterable[Compared], protocols: Iterable[str]) -> tuple[Row, ...]:
    """Comparisons of other chapters as rows, at t = 0 and :data:`STEPS`, those of the named protocols.

    The deviation is that of :func:`~pcn_lib.experiments.published_figures.row_of`, for one published run.
    """
    wanted, unit = set(protocols), {"cnn": "channels", "transformer": "N"}
    found = []
    for one in compared:
        if one.protocol not in wanted or one.step not in (0, *STEPS):
            continue
        network = f"N = {one.width}" if unit[one.architecture] == "N" else f"{one.width} channels"
        variance = one.scatter**2 * (1 + 1 / one.runs) + one.reading_error**2 / 3
        deviation = float((one.published - one.mean) / np.sqrt(variance))
        found.append(Row(f"Figure {one.figure}", network, one.step, one.published, one.reading_error, 1, one.mean,
                         one.scatter, one.runs, deviation))  # fmt: skip
    return tuple(found)
