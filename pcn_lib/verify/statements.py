"""What a certificate states, and how far rounding lets each number lie from theory.

Closed forms and certificates may be off by the device's rounding, :data:`pcn_lib.numerics.TOLERANCES`.  Exponents may
also be bent by the next order in L/N, as in the chapter "Predictive coding computes backpropagation's gradients".
"""

import numpy as np
from jaxtyping import Float

from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.statistics import fit_slope, mean
from pcn_lib.study import Claim, at_least, at_most, close, fails_outside
from pcn_lib.verify.measurement import Measurement

#: How far corrections of order L/N bend a line of exponent -1 over these widths; twice that for exponent -2.
BEND = 0.1


def claims(measured: Measurement) -> tuple[Claim, ...]:
    """Every statement, in one precision on one device."""
    return (*_exact(measured), *_rates(measured), *_rescaling(measured), *_inference(measured), _outside(measured))


def _exact(measured: Measurement) -> tuple[Claim, ...]:
    allowed, networks = measured.tolerance, (measured.wide, measured.square)
    return (
        at_most(
            "exact equilibria of linear networks",
            "The largest relative ||dF/dz|| at the closed form's activities.",
            bound=allowed.exact,
            measured=max(linear.residual.max() for linear in networks),
            because="rounding of a closed form",
        ),
        at_most(
            "F(z*) = F*",
            "The largest |F(z*)/F* - 1|: the energy of these activities against (1/2B) sum r^T S^-1 r.",
            bound=allowed.exact,
            measured=max(linear.energy.max() for linear in networks),
            because="rounding of two closed forms",
            source="paper; Innocenti et al. 2024",
        ),
        at_most(
            "PC gradient of sweeps",
            "The largest relative difference of the PC gradient at the equilibrium that sweeps reach from dF*/dtheta.",
            bound=allowed.gradient,
            measured=measured.wide.sweeps.max(),
            because=f"sweeps end at a relative ||dF/dz|| of {allowed.solve:g}",
        ),
    )


def _rates(measured: Measurement) -> tuple[Claim, ...]:
    """Exponents in N; a gap g that rounding moves by r moves log g by r/g."""
    wide, exact = measured.wide, measured.tolerance.exact
    # 1 - cos = |u|^2 / 2, u the difference of the unit gradients, which rounding moves by `exact`.
    direction_rounding = exact * np.sqrt(2 * wide.direction.mean(axis=1)) + exact**2 / 2
    rows = (
        ("1 - F*/Loss", wide.gap, -1, exact),
        ("relative gradient error", wide.gradient, -1, exact),
        ("1 - cos", wide.direction, -2, direction_rounding),
    )
    widths = measured.settings.widths
    found = []
    for name, values, exponent, rounding in rows:
        slope, allowed = _exponent(widths, values.mean(axis=1), exponent, rounding)
        found.append(
            close(
                f"rate of {name}",
                f"{name} falls as N^{exponent} (fitted exponent, N = {widths[0]} to {widths[-1]}, "
                f"L = {measured.settings.depth}).",
                predicted=exponent,
                measured=slope,
                tolerance=allowed,
                because="corrections of order L/N bend the line, and rounding moves each gap",
                source="paper; rates ours",
            )
        )
    return tuple(found)


def _exponent(widths: tuple[int, ...], gaps: np.ndarray, exponent: int, rounding) -> tuple[float, float]:
    """The fitted exponent and how far it may lie from the predicted one; NaN where rounding may be all there is."""
    bend = BEND * abs(exponent)
    if np.any(gaps <= rounding):
        return np.nan, bend
    return fit_slope(widths, gaps).slope, bend + slope_rounding(widths, rounding / gaps)


def slope_rounding(widths: tuple[int, ...], relative: Float[np.ndarray, " widths"]) -> float:
    """The most by which relative errors of the points can turn a fitted exponent.

        |delta a| <= sum_i |u_i - u| d_i / sum_i (u_i - u)^2,    u_i = log N_i

    Args:
        widths: N.
        relative: d_i, the relative error of each point.
    """
    u = np.log(np.asarray(widths, dtype=float))
    lever = np.abs(u - u.mean())
    return float(np.sum(lever * relative) / np.sum(lever**2))


def _rescaling(measured: Measurement) -> tuple[Claim, ...]:
    settings, found = measured.settings, []
    wide, square = (settings.widths[0], settings.depth), (settings.square, settings.square)
    for (width, depth), values in ((wide, measured.wide.rescaling[0]), (square, measured.square.rescaling)):
        average = mean(values)
        found.append(
            close(
                f"s - 1 at N = {width}, L = {depth}",
                f"The mean of s - 1 over {settings.seeds} networks is what is expected at initialisation.",
                predicted=expected_rescaling(MLP(settings.inputs, width, depth, skips=True), mupc_skips()),
                measured=average.value,
                tolerance=3 * average.standard_error + measured.tolerance.exact,
                because="three standard errors of the mean over networks, and rounding of s",
            )
        )
    return tuple(found)


def _inference(measured: Measurement) -> tuple[Claim, ...]:
    allowed, samples = measured.tolerance, measured.settings.samples
    found = [
        at_most(
            "tanh networks reach equilibrium",
            "The largest relative ||dF/dz|| that sweeps and Newton steps leave in a tanh network.",
            bound=allowed.solve,
            measured=measured.tanh,
            because="what an iterative solver can be asked for in this precision",
        ),
        at_least(
            "every sample is certified",
            f"The fraction of the {samples} samples of that network whose equilibrium has a certificate.",
            bound=1.0,
            measured=measured.certified,
            because="each sample is solved and certified by itself",
        ),
        at_most(
            "a batch is its samples",
            "Relative difference of the batch's PC gradient from the mean of its samples', each solved alone.",
            bound=allowed.gradient,
            measured=measured.samples,
            because="the device may add in another order, and both are equilibria only to the solver's tolerance",
        ),
    ]
    if measured.sharded is not None:
        found.append(
            at_most(
                "several devices equal one",
                f"Relative difference of the PC gradient on {measured.devices} devices from that on one.",
                bound=allowed.gradient,
                measured=measured.sharded,
                because="means over the batch are added in another order",
            )
        )
    return tuple(found)


def _outside(measured: Measurement) -> Claim:
    settings = measured.settings
    return fails_outside(
        at_most(
            f"PC is BP at N = L = {settings.square} too",
            f"The relative gradient error at N = L = {settings.square} is at most that at N = {settings.widths[0]}, "
            f"L = {settings.depth}.",
            bound=measured.wide.gradient[0].mean(),
            measured=measured.square.gradient.mean(),
            because="the statement needs N much larger than L",
        )
    )
