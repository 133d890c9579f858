"""What the chapter on surfaces over width and depth asserts."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.data import figure1
from pcn_lib.data.published import FIGURE1_ERROR, FIGURE1_TOP
from pcn_lib.experiments.paired_trainings import PAIRS
from pcn_lib.experiments.published_figures import Cells, trends
from pcn_lib.experiments.published_surfaces import FITS, FITS_FROM, WORDS, Answer, answer, exceeding, fits
from pcn_lib.experiments.width_depth_surfaces import Record, Surface, predict_start
from pcn_lib.network import MLP
from pcn_lib.numerics import tolerance
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.statistics import fit_slope
from pcn_lib.wishart import relative_scatter

#: N / L from which the leading order in 1/N is tested.
WIDE = 8
#: The cosine from which two gradients count as one.
ALIKE = 0.9
#: Standard deviations that a single published cosine, and that a trend of all of them, may lie off.
OFF, LEANING = 3.0, 2.5


def claims(record: Record, kept: Record | None = None) -> tuple[Claim, ...]:
    """Certificates, the rescaling's mean and norm, the paper's outcome with its rates, and its published numbers.

    Args:
        record: this run.
        kept: the run at full size that is kept with the book, which answers for the published numbers where this run
            does not hold the paper's networks and images.
    """
    surfaces = [claim for surface in record.surfaces for claim in _one_data_set(record, surface)]
    found = answer((record, kept), figure1())
    published = () if found is None else (*_published_start(found), *_published_rates(found), *_narrowest(found))
    if found is not None and found.record is kept:
        published = [replace(claim, statement=f"{claim.statement[:-1]}; recorded run.") for claim in published]
    return (*_everywhere(record), *_rescaling(record), *surfaces, *published)


def _everywhere(record: Record) -> tuple[Claim, ...]:
    curves = [surface.curves for surface in record.surfaces]
    return (
        at_most(
            "equilibria are certified",
            "The largest relative norm of dF/dz of all networks, data sets and snapshots.",
            bound=tolerance("float64").exact,
            measured=max(np.nanmax(one.residual) for one in curves),
            because="rounding in float64",
        ),
        at_least(
            "energies lie below losses",
            "The least 1 - F*/Loss of all networks, data sets and snapshots.",
            bound=0,
            measured=min(np.nanmin(one.gap) for one in curves),
            because="the eigenvalues of S are at least 1",
            source="paper; Innocenti et al. 2024",
        ),
    )


def _rescaling(record: Record) -> tuple[Claim, ...]:
    """S does not depend on the data before training, so one data set is as good as all."""
    settings, surface = record.settings, record.surfaces[0]
    predicted = predict_start(surface, settings.widths, settings.depths)
    width, start = settings.widths[-1], surface.curves[..., 0]
    mean = start.mean_rescaling[:, -1].mean(axis=-1) / predicted.mean_rescaling[:, -1]
    norm = start.rescaling[:, -1].mean(axis=-1) / predicted.rescaling[:, -1]
    deepest = MLP(1, width, settings.depths[-1], 10, skips=True)
    error = relative_scatter(deepest, mupc_skips()) / settings.seeds**0.5
    return (
        close(
            "the mean eigenvalue of S - I",
            "tr(S - I)/K over its expected value before training, widest networks, mean over the depths.",
            predicted=1,
            measured=mean.mean(),
            tolerance=3 * error,
            because="three standard deviations of one depth's mean by theory; depths share the draw of the readout",
        ),
        close(
            "the largest eigenvalue of S - I",
            "||S||_2 - 1 over its predicted value before training, widest networks, mean over the depths.",
            predicted=1,
            measured=norm.mean(),
            tolerance=0.1 + 3 * error,
            because="the edge of a Wishart matrix of K = 10 rows, good to some per cent, and the seeds' scatter",
        ),
    )


def _one_data_set(record: Record, surface: Surface) -> tuple[Claim, ...]:
    return (*_start(record, surface), *_rates(record, surface), *_outcome(record, surface))


def _start(record: Record, surface: Surface) -> tuple[Claim, ...]:
    settings, curves = record.settings, surface.curves
    predicted = predict_start(surface, settings.widths, settings.depths)
    wide = np.array(settings.widths)[None] >= WIDE * np.array(settings.depths)[:, None]
    found = []
    for name, values, theory, allowed, because in (
        ("Loss", curves.pc_loss, predicted.loss, 0.1, "few draws of the output, whose share in the loss is small here"),
        ("1 - F*/Loss", curves.gap, predicted.gap, 0.25, "corrections of order L/N <= 1/8, and the seeds' scatter"),
        ("1 - cos", curves.one_minus_cosine, predicted.angle, 0.35, "the same corrections, twice in a square"),
    ):
        ratio = (values[..., 0].mean(axis=-1) / theory)[wide]
        found.append(
            close(
                f"size of {name}, {surface.title}",
                f"{name} over its predicted value before training, nothing fitted (mean over N >= {WIDE} L).",
                predicted=1,
                measured=ratio.mean() if ratio.size else np.nan,
                tolerance=allowed,
                because=because,
            )
        )
    return tuple(found)


def _rates(record: Record, surface: Surface) -> tuple[Claim, ...]:
    """Exponents at the smallest depth, between its two widest networks."""
    widths = record.settings.widths[-2:]
    found = []
    for name, values, exponent, allowed in (
        ("1 - F*/Loss", surface.curves.gap, -1, 0.25),
        ("1 - cos", surface.curves.one_minus_cosine, -2, 0.5),
    ):
        found.append(
            close(
                f"rate of {name}, {surface.title}",
                f"{name} falls as N^{exponent} (fitted exponent, N = {widths[0]} to {widths[1]}, "
                f"L = {record.settings.depths[0]}).",
                predicted=exponent,
                measured=fit_slope(widths, values[0, -2:, :, 0].mean(axis=-1)).slope,
                tolerance=allowed,
                because="corrections of order K/N, up to a third at the narrower one, and the seeds' scatter",
            )
        )
    return tuple(found)


def _outcome(record: Record, surface: Surface) -> tuple[Claim, ...]:
    settings, curves = record.settings, surface.curves[:, : len(record.settings.widths_trained)]
    cosine = 1 - curves.one_minus_cosine.mean(axis=2)
    ratio = 1 - curves.gap.mean(axis=2)
    pairs = 1 - curves.pairs.mean(axis=2)
    gains = [(values[:, -1] - values[:, 0]).min() for values in (pairs, ratio)]
    return (
        at_least(
            f"wide networks compute backpropagation's gradients, {surface.title}",
            "At every depth, snapshot and pair of rates the widest trained network has a larger cosine and F*/Loss "
            "than the narrowest (least gain shown).",
            bound=0,
            measured=min(gains),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure 1",
        ),
        fails_outside(
            at_least(
                f"narrow and deep, {surface.title}",
                f"The gradients are one at N = {settings.widths[0]}, L = {settings.depths[-1]} (mean cosine).",
                bound=ALIKE,
                measured=cosine[-1, 0].mean(),
                because="the theorem needs N >> L",
            )
        ),
    )


def _published_start(found: Answer) -> tuple[Claim, ...]:
    """The published cosines before the first update, as draws of our experiment."""
    cells, paper = found.start(), "paper, Figure 1"
    agreed, count = cells.agreement, len(cells.places)
    return (
        close(
            "published cosines before training",
            f"log2 of chi-squared per published cosine, {count} below the top colour, nothing fitted.",
            predicted=0,
            measured=np.log2(agreed.per_value),
            tolerance=1,
            because=f"a factor of 2; cells share batches, and three of our own give {_between(agreed.usual)} (95 %)",
            source=paper,
        ),
        at_most(
            "the published cosine that lies farthest off",
            f"The largest deviation of the {count}, in standard deviations.",
            bound=OFF,
            measured=agreed.largest,
            because=f"three of our own batches exceed it in {exceeding(cells, OFF):.0%} of cases",
            source=paper,
        ),
        *_trends(cells),
        at_least(
            "the published top colour",
            "Our least mean cosine where the published colour before training is the last one.",
            bound=FIGURE1_TOP - FIGURE1_ERROR,
            measured=found.tops().min(),
            because=f"the colour stands for {FIGURE1_TOP} and above, read to {FIGURE1_ERROR}",
            source=paper,
        ),
    )


def _trends(cells: Cells) -> Iterator[Claim]:
    for size, slope in zip(("width", "depth"), trends(cells), strict=True):
        yield at_most(
            f"no trend of the deviations with {size}",
            f"The slope of the deviations against the logarithm of the {size}, in standard deviations.",
            bound=LEANING,
            measured=abs(slope),
            because="a normal deviation exceeds it in 1 % of cases",
            source="paper, Figure 1",
        )


def _published_rates(found: Answer) -> tuple[Claim, ...]:
    """The published cosines over training: one pair of learning rates agrees, the others must fail."""
    results = []
    for pair, cells in fits(found).items():
        usual = cells.agreement.usual
        claim = at_most(
            f"published trainings, {WORDS[pair]}",
            f"Chi-squared per published cosine after training, {len(cells.places)} with N >= {FITS_FROM}; rates over "
            "eta.",
            bound=usual[1],
            measured=cells.agreement.per_value,
            because=f"three of our own batches give {_between(usual)} in 95 % of cases",
            source="paper, Figure 1; rates ours",
        )
        results.append(claim if pair == FITS else fails_outside(claim))
    return tuple(results)


def _narrowest(found: Answer) -> tuple[Claim, ...]:
    """What no pair of rates reproduces."""
    cells = {pair: found.narrowest(pair) for pair in PAIRS}
    nearest = min(cells, key=lambda pair: cells[pair].agreement.largest)
    agreed, fitted = cells[nearest].agreement, cells[FITS].agreement
    width, share = found.paper.widths[0], exceeding(cells[nearest], OFF)
    return (
        fails_outside(
            at_most(
                f"published trainings of N = {width}, {WORDS[FITS]}",
                "Chi-squared per published cosine after training of the narrowest networks.",
                bound=fitted.usual[1],
                measured=fitted.per_value,
                because=f"three of our own batches give {_between(fitted.usual)} in 95 % of cases; cause unknown",
                source="paper, Figure 1; rates ours",
            )
        ),
        fails_outside(
            at_most(
                f"every published cosine of N = {width} after training",
                f"The largest deviation at the rates that come nearest ({WORDS[nearest]}), in standard deviations.",
                bound=OFF,
                measured=agreed.largest,
                because=f"three of our own batches exceed it in {share:.0%} of cases; cause unknown",
                source="paper, Figure 1; rates ours",
            )
        ),
    )


def _between(usual: tuple[float, float]) -> str:
    return f"{usual[0]:.2f} to {usual[1]:.2f}"
