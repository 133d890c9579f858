"""What the chapter on energy and inference asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.energy_and_inference import LARGE_STEP, PLACES, STEPS_OF_DIFFERENCES, Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope

ROUNDING = "rounding in float64"


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_by_hand(record), *_energy(record), *_envelope(record), *_outside(record))


def _by_hand(record: Record) -> tuple[Claim, ...]:
    numbers = (
        ("equilibrium by hand", "z* of the one-unit network is 7/5.", 7 / 5, record.by_hand.activity),
        ("energy by hand", "F* of the one-unit network is 1/10.", 1 / 10, record.by_hand.energy),
        ("gradient by hand", "dF*/dw_2 of the one-unit network is -7/25.", -7 / 25, record.by_hand.gradient[1]),
        ("descent by hand", "Two steps of 1/10 take z from 1 to 13/10.", 13 / 10, record.by_hand.descent),
    )
    allowed = tolerance("float64").solve
    return tuple(
        close(name, statement, predicted=predicted, measured=measured, tolerance=allowed, because=ROUNDING)
        for name, statement, predicted, measured in numbers
    )


def _energy(record: Record) -> tuple[Claim, ...]:
    final = record.equilibrium
    return (
        close(
            "energy of the feedforward pass",
            "With no prediction errors the energy is the loss: F(h) / Loss.",
            source="paper",
            predicted=1.0,
            measured=record.feedforward_energy / record.loss,
            tolerance=tolerance("float64").exact,
            because=ROUNDING,
        ),
        at_most(
            "equilibrated energy below the loss",
            "F* is at most the loss: F* / Loss.",
            source="paper",
            bound=1.0,
            measured=final.energies.sum() / record.loss,
            because="the feedforward pass is one candidate of the minimum",
        ),
        at_most(
            "equilibrium is certified",
            "The largest relative ||dF/dz|| of the batch at the solver's equilibrium.",
            bound=tolerance("float64").solve,
            measured=final.residual.max(),
            because="what float64 lets an iterative solver reach",
        ),
    )


def _envelope(record: Record) -> tuple[Claim, ...]:
    found = record.differences
    errors = np.abs(found.central - found.predicted[:, None]) / found.size
    near = slice(1, None)  # the theorem is about small distances; the feedforward pass itself is not near
    return (
        at_most(
            "PC's gradient is that of F*",
            f"Largest |central difference - v . dF/dtheta| / ||dF*/dtheta||, h = {STEPS_OF_DIFFERENCES[-1]:g}.",
            source="paper; envelope theorem",
            bound=1e-6,
            measured=errors[:, -1].max(),
            because="h^2 times a third derivative",
        ),
        close(
            "error of differences",
            "Central differences of F* approach v . dF/dtheta as h^2 (fitted exponent).",
            predicted=2.0,
            measured=fit_slope(STEPS_OF_DIFFERENCES[:-1], np.sqrt(np.mean(errors**2, axis=0))[:-1]).slope,
            tolerance=0.2,
            because="the next term is of order h^4, and h is up to 1/10",
        ),
        close(
            "energy is flat at the equilibrium",
            "F - F* falls as the square of the distance to z* (fitted exponent).",
            predicted=2.0,
            measured=fit_slope(PLACES[near], record.neighbourhood.energy_gap[near]).slope,
            tolerance=0.1,
            because="the next term is a cube, and distances are up to 1/8",
        ),
        close(
            "gradient is not",
            "The error of dF/dtheta falls as the distance to z* (fitted exponent).",
            predicted=1.0,
            measured=fit_slope(PLACES[near], record.neighbourhood.gradient_error[near]).slope,
            tolerance=0.1,
            because="the next term is a square, and distances are up to 1/8",
        ),
    )


def _outside(record: Record) -> tuple[Claim, ...]:
    early = record.settings.steps[1]
    return (
        fails_outside(
            at_most(
                "gradient before equilibrium",
                f"dF/dtheta after {early} inference step(s) is dF*/dtheta (relative error).",
                bound=0.01,
                measured=record.relaxation.gradient_error[1],
                because="the envelope theorem needs dF/dz = 0",
            )
        ),
        fails_outside(
            at_most(
                "descent in steps too large",
                f"Two steps of {LARGE_STEP:g} bring the one-unit network nearer to z* (distance over the first).",
                bound=1.0,
                measured=record.by_hand.runaway,
                because="descent needs steps below 2 / curvature = 2/5",
            )
        ),
        fails_outside(
            at_least(
                "a lower energy is an equilibrium",
                f"After {early} inference step(s), with F below the loss, ||dF/dz|| has fallen 100-fold (its fall).",
                bound=100.0,
                measured=1 / record.relaxation.residual[1],
                because="a falling energy certifies nothing",
            )
        ),
    )
