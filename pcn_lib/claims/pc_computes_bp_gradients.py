"""What the chapter on predictive coding's and backpropagation's gradients asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.initial_gradients import farthest_gamma, limiting_loss_gradient
from pcn_lib.experiments.pc_computes_bp_gradients import Record
from pcn_lib.gap import joint_limit, predict
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope, mean

#: Widths that count as much larger than the depth: N >= WIDE L.
WIDE = 8
#: What seeds leave uncertain in an exponent of 1.
FIT = 0.08


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    parts = (_exact, _vanishing, _rates, _constants, _richness, _joint, _square, _outside)
    return tuple(claim for part in parts for claim in part(record))


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
    return tuple(found)


def _vanishing(record: Record) -> tuple[Claim, ...]:
    """Why the theorem speaks of a relative error: the gradient itself vanishes as the network widens."""
    depth, widths = record.settings.depths[0], record.settings.widths
    theory = [limiting_loss_gradient(width, depth, alignment=record.alignment) for width in widths]
    measured = mean(record.loss_gradient[0, -1] / theory[-1])
    return (
        close(
            "grad Loss vanishes with width",
            f"||grad Loss|| falls as N^-1/2 at fixed depth (fitted exponent, L = {depth}).",
            predicted=-0.5,
            measured=fit_slope(widths, record.loss_gradient[0].mean(axis=1)).slope,
            tolerance=0.1,
            because="few seeds, and an output that is not small in the narrowest networks",
        ),
        close(
            "size of grad Loss",
            f"||grad Loss|| over its predicted value (N = {widths[-1]}, L = {depth}).",
            predicted=1.0,
            measured=measured.value,
            tolerance=3 * measured.standard_error + depth / widths[-1],
            because="three standard errors, and corrections of order L/N",
        ),
    )


def _richness(record: Record) -> tuple[Claim, ...]:
    """The angle over gamma_0: a peak at gamma_0^2 = (e - 1) L/N, and gamma_0^-2 well above it."""
    turning, gammas = farthest_gamma(*record.middle), np.array(record.settings.gammas)
    direction, found = record.by_gamma.direction, []
    rich = gammas**2 >= 3 * turning**2
    if rich.sum() > 1:
        angle = (direction * (1 + record.by_gamma.rescaling) ** 2)[rich]
        found.append(
            close(
                "gamma_0 in the rate",
                "Above the peak, 1 - cos falls as gamma_0^-2 once 1/s^2 is divided out (fitted exponent).",
                predicted=-2.0,
                measured=fit_slope(gammas[rich], angle.mean(axis=1)).slope,
                tolerance=0.2,
                because="Loss and cos depend on gamma_0 at the next order",
            )
        )
    if len(gammas) > 2 and gammas[0] < turning < gammas[-1]:
        found.append(
            close(
                "the angle peaks over gamma_0",
                "1 - cos is largest at gamma_0 = (gamma_0^2 (s - 1))^1/2, about ((e - 1) L/N)^1/2 (from a parabola).",
                predicted=turning,
                measured=_peak(gammas, direction.mean(axis=1)),
                relative_tolerance=0.25,
                because="a parabola through three points a factor of two apart, and an output that is not small there",
            )
        )
    return tuple(found)


def _peak(places: np.ndarray, heights: np.ndarray) -> float:
    """The place of the largest of the heights, between its neighbours; NaN where it is at an end."""
    i = int(np.argmax(heights))
    if i in (0, len(places) - 1):
        return float("nan")
    a, b, _ = np.polyfit(np.log(places[i - 1 : i + 2]), heights[i - 1 : i + 2], 2)
    return float(np.exp(-b / (2 * a)))


def _square(record: Record) -> tuple[Claim, ...]:
    """At N = L the joint limit is a conjecture: finite networks are seen to approach it."""
    sizes, limit = record.settings.squares, 1 - joint_limit(1.0, alignment=record.alignment).direction
    first, last = np.abs(record.square[[0, -1]].mean(axis=1) - limit)
    return (
        at_most(
            "networks as deep as wide approach the joint limit",
            f"Distance of the mean cosine from its conjectured limit {limit:.3f}, N = L = {sizes[-1]} over {sizes[0]}.",
            bound=0.6,
            measured=last / first,
            because="it vanishes if the conjecture is true; at these sizes corrections and scatter remain",
            source="ours, measured only",
        ),
    )


def _joint(record: Record) -> tuple[Claim, ...]:
    """At one small L/N, the widest and deepest network is near the joint limit, which is a conjecture."""
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
                source="ours, measured only",
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
