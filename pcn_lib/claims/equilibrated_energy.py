"""What the chapter on the equilibrated energy of a deep linear network asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_most, close, fails_outside
from pcn_lib.experiments.equilibrated_energy import ROWS, Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope, mean

SOURCE = "paper; Innocenti et al. 2024"


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_closed_form(record), *_routes(record), *_rescalings(record), *_outside(record))


def _closed_form(record: Record) -> tuple[Claim, ...]:
    """The energy, by hand and at the equilibrium, and the gradient."""
    exact, dense, iterated, _ = range(len(record.routes.names))
    routes, allowed = record.routes, tolerance("float64")
    rounding = "rounding in float64"
    return (
        close(
            "solved by hand",
            "One unit in each layer, weights 1, 2, 1, x = 1, y = 8: F* = 36 / (2 x 6).",
            source=SOURCE,
            predicted=3.0,
            measured=record.by_hand,
            tolerance=allowed.exact,
            because=rounding,
        ),
        at_most(
            "energy is F*",
            "The energy at the equilibrium is (1/2B) sum r^T S^-1 r (relative error).",
            source=SOURCE,
            bound=allowed.exact,
            measured=routes.energy_error[[exact, dense, iterated]].max(),
            because=rounding,
        ),
        at_most(
            "PC gradient is dF*/dtheta",
            "dF/dtheta at the equilibrium is the gradient of the closed form (relative error).",
            source=SOURCE,
            bound=allowed.exact,
            measured=routes.gradient_error[exact],
            because="envelope theorem: exact, up to " + rounding,
        ),
    )


def _routes(record: Record) -> tuple[Claim, ...]:
    """The activities, by three routes."""
    exact, dense, iterated, _ = range(len(record.routes.names))
    routes, allowed = record.routes, tolerance("float64")
    return (
        at_most(
            "equilibrium errors are P^T S^-1 r",
            "dF/dz vanishes at e_l = P_l^T S^-1 r (relative to its norm on the feedforward pass).",
            source=SOURCE,
            bound=allowed.exact,
            measured=routes.residual[exact],
            because="rounding in float64",
        ),
        at_most(
            "dense Hessian agrees",
            "Solving with the full Hessian of F gives the same activities (relative distance).",
            bound=1e-10,
            measured=routes.activity_error[dense],
            because="rounding times the Hessian's condition number",
        ),
        at_most(
            "iteration agrees",
            "Newton's method, which knows no closed form, arrives at the same activities (relative distance).",
            bound=allowed.gradient,
            measured=routes.activity_error[iterated],
            because="the solver was asked for a relative gradient of 1e-13",
        ),
    )


def _rescalings(record: Record) -> tuple[Claim, ...]:
    """Every row of the table, all sizes pooled after division by the prediction, and the off-diagonal entries."""
    found = []
    for row, measured, predicted in zip(ROWS, record.rescalings, record.predicted, strict=True):
        relative = measured / predicted[:, None, None, None]
        diagonal = mean(np.trace(relative, axis1=-2, axis2=-1) / record.settings.outputs)
        above = mean(relative[..., *np.triu_indices(record.settings.outputs, 1)].mean(axis=-1))
        because = f"three standard errors over {diagonal.samples} networks"
        found += [
            close(
                f"E[S] - I, {row.name}",
                "The diagonal of S - I, divided by its expected value, averages to 1.",
                predicted=1.0,
                measured=diagonal.value,
                tolerance=3 * diagonal.standard_error,
                because=because,
            ),
            close(
                f"E[S] off the diagonal, {row.name}",
                "The off-diagonal entries of S, in the same unit, average to 0.",
                predicted=0.0,
                measured=above.value,
                tolerance=3 * above.standard_error,
                because=because,
            ),
        ]
    return tuple(found)


def _outside(record: Record) -> tuple[Claim, ...]:
    names, allowed = record.routes.names, tolerance("float64").exact
    errors = record.tanh_error.mean(axis=1)
    return (
        fails_outside(
            at_most(
                "F* before equilibrium",
                f"The energy is F* wherever inference stops ({names[-1]}; relative error).",
                bound=allowed,
                measured=record.routes.energy_error[-1],
                because="the theorem is about the equilibrium",
            )
        ),
        fails_outside(
            at_most(
                "F* of a tanh network",
                f"The closed form is exact for tanh, N = {record.settings.tanh_widths[0]} (relative error).",
                bound=allowed,
                measured=errors[0],
                because="the theorem is about linear networks",
            )
        ),
        at_most(
            "tanh: right to first order",
            "The relative error of the linearised F* vanishes faster than N^-1 (fitted exponent).",
            bound=-1.0,
            measured=fit_slope(record.settings.tanh_widths, errors).slope,
            because="the linearisation keeps every term of order L/N",
        ),
    )
