"""What the chapter on nonlinear networks asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.nonlinear_networks import Record
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER, skip_chain_residual
from pcn_lib.statistics import fit_slope

#: N / L from which the rates are read off.
WIDE = 4
#: The cosine from which two gradients count as one.
ALIKE = 0.99


def claims(record: Record) -> tuple[Claim, ...]:
    """The paper's outcome, the rates of the limit, its limits, and what the published stopping rule does."""
    return (*_outcome(record), *_rates(record), *_stopping_rule(record), *_kinks(record))


def _outcome(record: Record) -> tuple[Claim, ...]:
    cosines = 1 - record.trained.one_minus_cosine.mean(axis=0)
    narrow = at_least(
        "a narrow network: one gradient",
        "In the narrowest network, too, predictive coding computes backpropagation's gradient throughout training.",
        bound=ALIKE,
        measured=cosines[0].min(),
        because="a cosine that counts as one gradient; the theorem promises it for N >> L only",
        source="paper, Figure 4a",
    )
    return (
        at_least(
            "certified equilibria",
            "Every energy and every cosine of the trainings is taken at an equilibrium with a valid certificate.",
            bound=1,
            measured=min(curves.converged.mean() for curves in (record.trained, record.wide)),
            because="the share of steps at which every sample passed; one that did not would be a gap in the argument",
        ),
        at_least(
            "the cosine rises with width",
            "At every step of training the wider of two networks has the larger cosine (the least gain is shown).",
            bound=0,
            measured=np.diff(cosines, axis=0).min(),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure 4a",
        ),
        fails_outside(narrow),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    settings, start, widths = record.settings, record.start, np.array(record.all_widths)
    gap, angle = (values[..., 0].mean(axis=0) for values in (start.gap, start.one_minus_cosine))
    wide, widest = widths >= WIDE * settings.depth, settings.untrained[-1]
    size = close(
        "the energy's gap to the loss",
        f"At N = {widest} 1 - F*/Loss is (1/2B) sum g M g / Loss, the Moreau envelope's first order.",
        predicted=record.predicted_gap.mean(axis=0)[-1],
        measured=gap[record.all_widths.index(widest)],
        relative_tolerance=settings.depth / widest,
        because="the next order is smaller by a factor of about L/N",
    )
    # One width has no rate.
    if wide.sum() < 2:
        return (size,)
    return (
        size,
        close(
            "energies become losses as 1/N",
            f"1 - F*/Loss falls as N^-1 at fixed depth (N >= {WIDE} L, before the first update).",
            predicted=-1,
            measured=fit_slope(widths[wide], gap[wide]).slope,
            tolerance=0.25,
            because="one initialisation scatters by 10 to 20 %; at N = 4 L the next order is a quarter of the first",
        ),
        close(
            "gradients align as 1/N²",
            f"1 - cos falls as N^-2 at fixed depth (N >= {WIDE} L, before the first update).",
            predicted=-2,
            measured=fit_slope(widths[wide], angle[wide]).slope,
            tolerance=0.4,
            because="the same scatter and the same next order, each counted twice in a square",
        ),
    )


def _stopping_rule(record: Record) -> tuple[Claim, ...]:
    settings, stopped = record.settings, record.stopped
    hidden, place = settings.depth - 1, settings.counts.index(STEPS_PER_LAYER)
    chain = skip_chain_residual(hidden, ACTIVITY_RATE, STEPS_PER_LAYER * hidden)
    places = [record.all_widths.index(width) for width in settings.published]
    certified = record.start.one_minus_cosine[:, places, 0].mean(axis=0)
    moved = np.abs(stopped.one_minus_cosine[:, :, place].mean(axis=0) / certified - 1)
    return (
        at_least(
            "100 H steps stop short of the equilibrium",
            "Gradient descent on the activities leaves at least half of what it leaves in a chain of bare skips.",
            bound=chain / 2,
            measured=stopped.residual[:, :, place].min(),
            because=f"the slowest mode of {hidden} skips decays by (1 - 0.3 mu_1)^T; in wide networks branches "
            "slow it further, in narrow ones (N < L) they move it either way",
        ),
        at_least(
            "stopping early moves the cosine",
            "At some width 1 - cos at the published stop differs from 1 - cos at the equilibrium by 5 % or more.",
            bound=0.05,
            measured=moved.max(),
            because="smaller than 5 % would be read as the same value in the published figure",
        ),
    )


def _kinks(record: Record) -> tuple[Claim, ...]:
    by_gradient = fails_outside(
        at_least(
            "ReLU: equilibria where dF/dz vanishes",
            "Half of a ReLU network's samples, too, are certified by a vanishing dF/dz (share at the widest shown).",
            bound=0.5,
            measured=record.kinked.by_gradient[:, -1].mean(),
            because="the gradient's certificate assumes a smooth phi; minima of ReLU networks sit on kinks",
        )
    )
    below = at_most(
        "ReLU: where inference stands still is near a minimum",
        "Another method lowers the energy from there by a hundredth of the gap to the loss at most.",
        bound=0.01,
        measured=record.below.excess.max(),
        because="what still counts as the same energy in these figures; a certificate would say zero",
    )
    return by_gradient, below
