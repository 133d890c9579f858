"""What the chapter on keeping predictive coding different from backpropagation asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.beyond_backpropagation import EXPONENTS, Record, limiting_metric
from pcn_lib.statistics import fit_slope, mean

#: A difference that does not vanish is at least this part of what it is in the narrowest network.
KEPT = 0.5
CONJECTURE = "ours, measured only"


def claims(record: Record) -> tuple[Claim, ...]:
    """What theory gives at initialisation, and what was measured in training."""
    return (*_initialisation(record), *_rates(record), *_stability(record), *_differences(record))


def _initialisation(record: Record) -> tuple[Claim, ...]:
    settings, widths = record.settings, record.settings.widths
    metric = mean(record.metric / limiting_metric(settings.depth))
    order_one = EXPONENTS.index(1.0)
    widest = mean(record.one_minus_cosine[order_one, -1])
    return (
        at_most(
            "every network is at its equilibrium",
            "The relative norm of dF/dz of the batch, in all trainings and at both precisions.",
            bound=1e-11,
            measured=record.residual,
            because="the exact solution, up to rounding over the output errors that training leaves",
        ),
        close(
            "lambda M at initialisation",
            "lambda M over (1 + 1/L)^(L-1) - 1, all widths together.",
            predicted=1.0,
            measured=metric.value,
            tolerance=3 * metric.standard_error,
            because=f"its expected value at every width; three standard errors over {metric.samples} networks",
        ),
        close(
            "angle at infinite width",
            f"1 - cos at lambda = gamma_0^2 N / L, N = {widths[-1]}, is that of the limit.",
            predicted=record.limit[order_one, -1],
            measured=widest.value,
            tolerance=3 * widest.standard_error + widths[-1] ** -0.5,
            because=f"three standard errors over {widest.samples} networks, and corrections of order N^-1/2",
        ),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    widths, found = record.settings.widths, []
    for exponent, measured in zip(EXPONENTS[:3], record.one_minus_cosine, strict=False):
        # The formula at the same widths: near lambda M = 1 the power law bends.
        i = EXPONENTS.index(exponent)
        found.append(
            close(
                f"rate at lambda = (N/L)^{exponent:g}",
                "The exponent of 1 - cos in N is that of the limiting formula at the same widths.",
                predicted=fit_slope(widths, record.limit[i]).slope,
                measured=fit_slope(widths, measured.mean(axis=-1)).slope,
                tolerance=0.25,
                because="means over a few seeds; corrections of order N^-1/2",
            )
        )
    return tuple(found)


def _difference(losses: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Largest distance of two mean loss curves, relative to the initial loss; axes [widths]."""
    gap = np.abs(losses.mean(axis=1) - reference.mean(axis=1)).max(axis=-1)
    return gap / reference[:, :, 0].mean(axis=-1)


def _stability(record: Record) -> tuple[Claim, ...]:
    moved = record.different.moved[:, :, -1].mean(axis=-1)
    return (
        at_most(
            "stable at every width",
            "At lambda = gamma_0^2 N / L the loss never exceeds its initial value by more than a tenth.",
            bound=1.1,
            measured=(record.different.loss / record.different.loss[:, :, :1]).max(),
            because="one rate for all widths; a tenth is allowed for the first steps",
            source=CONJECTURE,
        ),
        close(
            "features move alike at every width",
            "The movement of a hidden unit has width exponent 0.",
            predicted=0.0,
            measured=fit_slope(record.settings.widths, moved).slope,
            tolerance=0.2,
            because="narrow networks scatter; a lazy network would show -1/2",
            source=CONJECTURE,
        ),
    )


def _differences(record: Record) -> tuple[Claim, ...]:
    """Distances from BP at the widest network, over those at the narrowest."""
    apart, alike, slow = (
        _difference(losses, reference)
        for losses, reference in (
            (record.different.loss, record.bp_loss),
            (record.alike.loss, record.bp_loss),
            (record.different.loss, record.slow_bp_loss),
        )
    )
    cosine = record.different.one_minus_cosine.min(axis=-1).mean(axis=-1)
    return (
        _kept(
            "loss curves stay apart",
            "The distance of PC's loss curve from BP's at the widest, over that at the narrowest.",
            apart,
            "it would be about N_min / N_max if the difference vanished",
        ),
        _kept(
            "not a smaller rate",
            "The distance from BP at the rate divided by 1 + kappa, widest over narrowest.",
            slow,
            "the limit of lambda M alone would only rescale the rate",
        ),
        _kept(
            "gradients stay apart in training",
            "The smallest 1 - cos on the way, widest over narrowest.",
            cosine,
            "it would be about (N_min / N_max)^2 if the difference vanished",
        ),
        fails_outside(
            _kept(
                "loss curves stay apart, lambda = 1",
                "The same distance at lambda = 1, widest over narrowest.",
                alike,
                "there PC converges to BP",
            )
        ),
    )


def _kept(name: str, statement: str, over_widths: np.ndarray, because: str) -> Claim:
    measured = over_widths[-1] / over_widths[0]
    return at_least(name, statement, bound=KEPT, measured=measured, because=because, source=CONJECTURE)
