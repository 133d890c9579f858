"""What the chapter on the Moreau envelope asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_most, close, fails_outside
from pcn_lib.experiments.moreau_envelope import LOSSES, Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope, mean

ROUNDING = "rounding in float64"


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    by_hand = close(
        "solved by hand",
        "One unit in each layer, weights 1, 2, 1, x = -5/4, y = 1, logistic loss: F* = log 2 + 5/8.",
        predicted=np.log(2) + 5 / 8,
        measured=record.by_hand,
        tolerance=tolerance("float64").exact,
        because=ROUNDING,
    )
    each = ((*_equality(record, i, name), *_limit(record, i, name)) for i, name in enumerate(LOSSES))
    return (by_hand, *(claim for found in each for claim in found), *_outside(record))


def _equality(record: Record, i: int, name: str) -> tuple[Claim, ...]:
    """Energy, errors, gradient and bounds for one loss."""
    found, exact = record.agreement, tolerance("float64").exact
    return (
        at_most(
            f"F* is the envelope, {name}",
            "Energy after iterative inference against the envelope (relative error, largest of the batch).",
            bound=exact,
            measured=found.energy_error[i],
            because=ROUNDING,
        ),
        at_most(
            f"errors are deltas at u*, {name}",
            "e* = -lambda P^T grad ell(u*), against iterative inference (relative distance).",
            bound=tolerance("float64").solve,
            measured=found.delta_error[i],
            because="inference was asked for a relative gradient of 1e-12; its conditioning does the rest",
        ),
        at_most(
            f"PC gradient is the envelope's, {name}",
            "dF/dtheta after iterative inference is the derivative of the envelope (relative error).",
            bound=tolerance("float64").gradient,
            measured=found.gradient_error[i],
            because="a gradient at an iterated equilibrium",
        ),
        at_most(
            f"sandwich, {name}",
            "No sample's F* lies outside its bounds (excess relative to the upper one).",
            bound=exact,
            measured=max(found.below[i], found.above[i]),
            because=ROUNDING,
        ),
    )


def _limit(record: Record, i: int, name: str) -> tuple[Claim, Claim]:
    """How F* approaches the loss as the network widens."""
    widest = mean(record.drop[i, -1] / record.first_order[i, -1])
    L_over_N = record.settings.depth / record.settings.widths[-1]
    return (
        close(
            f"rate, {name}",
            "1 - F*/Loss falls as N^-1 at fixed depth (fitted exponent).",
            predicted=-1.0,
            measured=fit_slope(record.settings.widths, record.drop[i].mean(axis=-1)).slope,
            tolerance=0.15,
            because="the next order is L/N of the first, up to 1/8 at the narrowest; scatter of a few seeds",
        ),
        close(
            f"size of the drop, {name}",
            "1 - F*/Loss of the widest network over m ||grad ell||^2 / (2 Loss), with E[M] = m I.",
            predicted=1.0,
            measured=widest.value,
            tolerance=2 * L_over_N + 3 * widest.standard_error,
            because=f"next order in ||M||, below 2 L/N, and three standard errors over {widest.samples} networks",
        ),
    )


def _outside(record: Record) -> tuple[Claim, ...]:
    widths, errors = record.settings.tanh_widths, record.tanh_error.mean(axis=-1)
    exact = tolerance("float64").exact
    return (
        at_most(
            "tanh: right to first order",
            "The linearised envelope's relative error vanishes faster than N^-1 (fitted exponent).",
            bound=-1.5,
            measured=fit_slope(widths, errors).slope,
            because="it keeps every term of order L/N; the next order is -2, and 1/2 is allowed for the scatter",
        ),
        fails_outside(
            at_most(
                f"F* is the envelope, tanh, N = {widths[0]}",
                "The linearised envelope is exact for a nonlinear network (relative error).",
                bound=exact,
                measured=errors[0],
                because="the theorem is about linear networks",
            )
        ),
        fails_outside(
            at_most(
                "sandwich, a loss that is not convex",
                "No sample's F* lies below the lower bound for ell = 1 - exp(-||y - u||^2 / 2) (relative excess).",
                bound=exact,
                measured=record.saturating_below,
                because="the lower bound rests on convexity",
            )
        ),
    )
