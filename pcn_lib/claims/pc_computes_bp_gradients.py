"""What the chapter on predictive coding's and backpropagation's gradients asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.pc_computes_bp_gradients import Record, joint_limit, predict
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope, mean

#: Widths that count as much larger than the depth: N >= WIDE L.
WIDE = 8
#: What seeds leave uncertain in an exponent of 1.
FIT = 0.08


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_exact(record), *_rates(record), *_constants(record), *_joint(record), *_outside(record))


def _exact(record: Record) -> tuple[Claim, ...]:
    allowed = tolerance("float64").exact
    s = 1 + record.gap.rescaling
    return (
        at_most(
            "equilibria are certified",
            "The largest relative ||dF/dz|| of all networks.",
            bound=allowed,
            measured=record.residual,
            because="rounding in float64",
        ),
        at_most(
            "F* = Loss / s",
            "The largest |s F*/Loss - 1| of all networks, wide or narrow.",
            source="paper; Innocenti et al. 2024",
            bound=allowed,
            measured=np.abs(s * (1 - record.gap.energy) - 1).max(),
            because="rounding in float64",
        ),
        at_most(
            "first layer keeps its direction",
            "s does not depend on W_1: the largest 1 - cos of the first layer's gradients.",
            bound=allowed,
            measured=max(layers[..., 0].max() for layers in record.layers),
            because="rounding in float64",
        ),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    """Fitted exponents in N at every depth that has two widths much larger than it, against those of the prediction.

    The exponents -1 and -2 are the limit's: at N = 8 L the prediction itself falls by up to a fifth less steeply.
    """
    found = []
    for i, depth in enumerate(record.settings.depths):
        wide = [j for j, width in enumerate(record.settings.widths) if width >= WIDE * depth]
        if len(wide) < 2:
            continue
        widths = [record.settings.widths[j] for j in wide]
        theory = [predict(width, depth, alignment=record.alignment).gap for width in widths]
        for name, which, exponent in (
            ("1 - F*/Loss", "energy", -1),
            ("relative gradient error", "gradient", -1),
            ("1 - cos", "direction", -2),
        ):
            measured = getattr(record.gap, which)[i, wide].mean(axis=1)
            found.append(
                close(
                    f"rate of {name}, L = {depth}",
                    f"{name} falls as N^{exponent}, bent by L/N (fitted exponent, N = {widths[0]} to {widths[-1]}).",
                    predicted=fit_slope(widths, [getattr(gap, which) for gap in theory]).slope,
                    measured=fit_slope(widths, measured).slope,
                    tolerance=FIT * abs(exponent),
                    because="ten seeds or fewer, and corrections of order 1/N",
                )
            )
    return tuple(found)


def _constants(record: Record) -> tuple[Claim, ...]:
    """Sizes, not only exponents, at the widest network of each depth; and the exponent in gamma_0."""
    width, found = record.settings.widths[-1], []
    for i, depth in enumerate(record.settings.depths):
        if width < WIDE * depth:
            continue
        predicted = predict(width, depth, alignment=record.alignment).gap
        ratio = mean(record.gap.direction[i, -1] / predicted.direction)
        found.append(
            close(
                f"size of 1 - cos, L = {depth}",
                f"1 - cos over its predicted value, nothing fitted (N = {width}).",
                predicted=1.0,
                measured=ratio.value,
                tolerance=3 * ratio.standard_error + depth / width,
                because="three standard errors, and corrections of order L/N",
            )
        )
    angle = record.by_gamma.direction * (1 + record.by_gamma.rescaling) ** 2
    slope = fit_slope(record.settings.gammas, angle.mean(axis=1)).slope
    found.append(
        close(
            "gamma_0 in the rate",
            "1 - cos falls as gamma_0^-2, once 1/s^2 is divided out (fitted exponent).",
            predicted=-2.0,
            measured=slope,
            tolerance=0.2,
            because="Loss and cos depend on gamma_0 at the next order",
        )
    )
    return tuple(found)


def _joint(record: Record) -> tuple[Claim, ...]:
    """At one L/N, the widest and deepest network is at the joint limit."""
    width, depth = record.settings.widths[-1], record.settings.depths[-1]
    limit = joint_limit(depth / width, alignment=record.alignment)
    found = []
    for name, values, predicted in (
        ("1 - F*/Loss", record.gap.energy, limit.energy),
        ("relative gradient error", record.gap.gradient, limit.gradient),
    ):
        measured = mean(values[-1, -1])
        found.append(
            close(
                f"joint limit of {name}",
                f"At N = {width}, L = {depth}, {name} is its limit at fixed L/N.",
                predicted=predicted,
                measured=measured.value,
                tolerance=3 * measured.standard_error + 3 / depth * predicted,
                because="three standard errors, and corrections of order 1/L",
            )
        )
    return tuple(found)


def _outside(record: Record) -> tuple[Claim, ...]:
    width, depth = record.settings.widths, record.settings.depths
    return (
        fails_outside(
            at_least(
                "narrow and deep",
                f"PC computes BP's gradient at N = {width[0]}, L = {depth[-1]} (cosine).",
                bound=0.9,
                measured=1 - record.gap.direction[-1, 0].mean(),
                because="the theorem needs N >> L",
            )
        ),
        fails_outside(
            at_most(
                "lazy parameterisation",
                f"F* is the loss for a readout of order N^-1/2 (|1 - F*/Loss| at N = {width[-1]}).",
                bound=0.1,
                measured=record.lazy.energy.mean(),
                because="the theorem needs a non-lazy parameterisation: here s - 1 does not fall with N",
            )
        ),
    )
