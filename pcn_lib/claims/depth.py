"""What the chapter on depth asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_most, close, fails_outside
from pcn_lib.experiments.depth import METHODS, Predicted, Record, predict, predicted_scatter
from pcn_lib.statistics import fit_slope, mean

PAPER = "paper (abstract, camera-ready)"
#: The orders in L for backpropagation, which the paper carries over to predictive coding.
BEFORE = "Bordelon et al. 2023"
#: Half the distance between the exponents -3/2 and -1.
BETWEEN = 0.25
#: What eight seeds at N = 128 leave uncertain in an exponent; alphas in steps of 1/4 differ by 1/2.
FIT = 0.15


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_scale(record), *_steps(record), *_pc_and_bp(record), *_no_skips(record), *_scatter(record))


def _predictions(record: Record, alpha: float) -> tuple[Predicted, ...]:
    return tuple(predict(alpha, depth, record.settings.width) for depth in record.settings.depths)


def _scale(record: Record) -> tuple[Claim, ...]:
    """E||h_{L-1}||^2, at the largest depth, and whether it is bounded."""
    found, depth = [], record.settings.depths[-1]
    for i, alpha in enumerate(record.settings.alphas):
        expected = _predictions(record, alpha)[-1].scale
        ratio = mean(record.everything.scale[i, -1] / expected / record.input_scale)
        found.append(
            close(
                f"hidden scale, alpha = {alpha:g}",
                f"||h||^2/N at the last hidden layer over its expected value (1 + L^-2alpha)^(L-2), L = {depth}.",
                source=PAPER,
                predicted=1.0,
                measured=ratio.value,
                tolerance=3 * ratio.standard_error + 1 / record.settings.width**0.5,
                because="three standard errors, and N^-1/2 for the input layer that all alphas share",
            )
        )
    bounded = record.settings.alphas.index(0.5)
    scale = record.everything.scale.mean(axis=-1)[:, -1] / record.input_scale
    found.append(_at_most_e("alpha = 1/2", scale[bounded], record))
    if min(record.settings.alphas) < 0.5:
        found.append(fails_outside(_at_most_e("alpha < 1/2", scale[:bounded].max(), record)))
    return tuple(found)


def _at_most_e(where: str, measured: float, record: Record) -> Claim:
    return at_most(
        f"hidden scale is bounded, {where}",
        "At the largest depth ||h||^2/N is at most e times the input's, for every alpha measured there.",
        source=PAPER,
        bound=np.e * (1 + record.settings.width**-0.5),
        measured=measured,
        because="(1 + 1/L)^(L-2) < e, and N^-1/2 of it for the draw of the input layer",
    )


def _steps(record: Record) -> tuple[Claim, ...]:
    """Exponents in L of what the hidden layers' step moves, where the forward pass is stable."""
    found = []
    for i, alpha in enumerate(record.settings.alphas):
        if alpha < 0.5:
            continue
        theory = _predictions(record, alpha)
        brake = [1 + p.rescaling for p in theory]
        for name in ("output", "features"):
            formula = [p.hidden if name == "output" else p.features for p in theory]
            for method, values in zip(METHODS, getattr(record.hidden, name)[:, i], strict=True):
                found.append(
                    close(
                        f"{name} moved by hidden layers, alpha = {alpha:g}, {method}",
                        f"Exponent in L of one step's effect on the {name}, finite-depth factors divided out.",
                        source=PAPER,
                        predicted=1 - 2 * alpha,
                        measured=_exponent(record, values, formula, brake if method == "PC" else None, 1 - 2 * alpha),
                        tolerance=FIT,
                        because="few seeds; neighbouring alphas differ by 1/2",
                    )
                )
    lazy = _predictions(record, 1.0)
    sped_up = [p.hidden * depth for p, depth in zip(lazy, record.settings.depths, strict=True)]
    restored = _exponent(record, record.hidden.output[1, -1], sped_up, None, 0.0)
    return (*found, *_lazy_in_depth(found, restored))


def _lazy_in_depth(steps: list[Claim], restored: float) -> tuple[Claim, ...]:
    at_one = next(claim for claim in steps if claim.name == "output moved by hidden layers, alpha = 1, BP")
    return (
        close(
            "alpha = 1 with L times the rate",
            "Exponent in L of the hidden layers' effect on the output (BP), when their rate is multiplied by L.",
            source=PAPER,
            predicted=0.0,
            measured=restored,
            tolerance=FIT,
            because="few seeds; without the factor the exponent is -1",
        ),
        fails_outside(
            close(
                "alpha = 1 at a fixed rate",
                "The hidden layers' effect on the output does not depend on depth at alpha = 1 (exponent in L, BP).",
                predicted=0.0,
                measured=at_one.measured,
                tolerance=FIT,
                because="only alpha = 1/2 has L^(1 - 2 alpha) = 1",
            )
        ),
    )


def _exponent(record: Record, values, formula, brake, asymptotic: float) -> float:
    """The fitted exponent of the mean over seeds, less the formula's own departure from its asymptotic exponent."""
    depths, averaged = record.settings.depths, values.mean(axis=-1)
    corrected = averaged * (np.array(brake) if brake else 1.0)
    return fit_slope(depths, corrected).slope - fit_slope(depths, formula).slope + asymptotic


def _pc_and_bp(record: Record) -> tuple[Claim, ...]:
    """PC's update is BP's divided by s, at every alpha >= 1/2 and depth, and by what power of the width it is not."""
    largest = 0.0
    for i, alpha in enumerate(record.settings.alphas):
        if alpha >= 0.5:
            s = np.array([1 + p.rescaling for p in _predictions(record, alpha)])
            pc, bp = record.hidden.output[:, i].mean(axis=-1)
            largest = max(largest, np.abs(pc / bp * s - 1).max())
    return (
        at_most(
            "PC's update is BP's over s",
            "The largest distance from 1 of PC's update of f times E[s] over BP's, all depths, alpha of at least 1/2.",
            bound=5 * record.settings.depths[-1] * record.settings.width**-1.5,
            measured=largest,
            because="corrections and fluctuations of s are of order L N^-3/2; five times that, for few seeds",
        ),
        *_corrections(record),
    )


def _corrections(record: Record) -> tuple[Claim, ...]:
    """What PC's update has beyond the factor 1/s: N^-3/2 under muPC, N^-1 where S stays away from I."""
    settings, found = record.settings, []
    pooled = np.exp(np.log(record.corrections).mean(axis=(1, 3)))
    for name, values in zip(("muPC", "lazy"), pooled, strict=True):
        claim = close(
            f"corrections to PC's update, {name}",
            "s times PC's first-order update of f departs from BP's by N^-3/2 of it (fitted exponent, "
            f"L = {', '.join(map(str, settings.correction_depths))}).",
            predicted=-1.5,
            measured=fit_slope(settings.correction_widths, values).slope,
            tolerance=BETWEEN,
            because="half the distance to -1, the exponent of s - 1; the corrections' size is drawn anew by each seed",
        )
        found.append(claim if name == "muPC" else fails_outside(claim))
    return tuple(found)


def _no_skips(record: Record) -> tuple[Claim, ...]:
    depths, found = (record.settings.depths[0], record.settings.depths[-1]), []
    for method, values in zip(METHODS, record.no_skips.output[:, 0], strict=True):
        slope = fit_slope(depths, values.mean(axis=-1)).slope
        found.append(
            fails_outside(
                at_most(
                    f"no skips: update of f, {method}",
                    "At a rate independent of depth the prediction's update does not grow with L (fitted exponent).",
                    bound=FIT,
                    measured=slope,
                    because="L layers add up and no factor L^-2alpha makes them small; predicted exponent 1",
                )
            )
        )
    return tuple(found)


def _scatter(record: Record) -> tuple[Claim, ...]:
    """The variance of log||h||^2 at the last hidden layer: without skips it grows as 2L/N."""
    settings, found = record.settings, []
    variance = record.scatter[:, :, :, -1].var(axis=-1, ddof=1)
    # A sample variance of n numbers, log-normal or nearly so, has relative error sqrt(2/n).
    tolerance = 3 * (2 / settings.scatter_seeds) ** 0.5
    predicted = predicted_scatter(settings, skips=False)[:, -1]
    for width, measured, expected in zip(settings.scatter_widths, variance[0], predicted, strict=True):
        found.append(
            close(
                f"scatter without skips, N = {width}",
                f"Variance of log ||h||^2 over initialisations, L = {settings.scatter_depth}: (L - 1) psi'(N/2).",
                predicted=expected,
                measured=measured,
                relative_tolerance=tolerance,
                because=f"three standard errors of a variance over {settings.scatter_seeds} draws",
            )
        )
    width, bound = settings.scatter_widths[0], 6 / settings.scatter_widths[0] * (1 + tolerance)
    for name, measured in (("with skips", variance[1, 0]), ("without skips", variance[0, 0])):
        claim = at_most(
            f"scatter is bounded in depth, {name}",
            f"Variance of log ||h||^2 is at most 6/N at every depth (N = {width}, L = {settings.scatter_depth}).",
            bound=bound,
            measured=measured,
            because="2/N from the input layer and 4/N from all others, and three standard errors",
        )
        found.append(claim if name == "with skips" else fails_outside(claim))
    return tuple(found)
