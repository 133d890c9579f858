"""What the chapter on surfaces over width and depth asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.rescaling_at_start import relative_scatter
from pcn_lib.experiments.width_depth_surfaces import Record, Surface, predict_start
from pcn_lib.network import MLP
from pcn_lib.numerics import tolerance
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.statistics import fit_slope

#: N / L from which the leading order in 1/N is tested.
WIDE = 8
#: The cosine from which two gradients count as one.
ALIKE = 0.9


def claims(record: Record) -> tuple[Claim, ...]:
    """Certificates, the rescaling's mean and norm, and for every data set the paper's outcome with its rates."""
    surfaces = [claim for surface in record.surfaces for claim in _one_data_set(record, surface)]
    return (*_everywhere(record), *_rescaling(record), *surfaces)


def _everywhere(record: Record) -> tuple[Claim, ...]:
    curves = [surface.curves for surface in record.surfaces]
    return (
        at_most(
            "equilibria are certified",
            "The largest relative norm of dF/dz of all networks, data sets and snapshots.",
            bound=tolerance("float64").exact,
            measured=max(one.residual.max() for one in curves),
            because="rounding in float64",
        ),
        at_least(
            "energies lie below losses",
            "The least 1 - F*/Loss of all networks, data sets and snapshots.",
            bound=0,
            measured=min(one.gap.min() for one in curves),
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
    settings, curves = record.settings, surface.curves
    cosine = 1 - curves.one_minus_cosine.mean(axis=2)
    ratio = 1 - curves.gap.mean(axis=2)
    gains = [(values[:, -1] - values[:, 0]).min() for values in (cosine, ratio)]
    return (
        at_least(
            f"wide networks compute backpropagation's gradients, {surface.title}",
            "At every depth and snapshot the widest network has a larger cosine and F*/Loss than the narrowest "
            "(least gain shown).",
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
