"""What the chapter on training curves asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.linear_trainings import Curves
from pcn_lib.experiments.training_curves import Record, expected, network
from pcn_lib.statistics import fit_slope
from pcn_lib.wishart import relative_scatter

#: Losses between which closed forms are compared: below, y - f cancels; above, the training has diverged.
READABLE = (1e-6, 1e3)
#: A training has left its loss behind when the loss exceeds this many times its first value.
DIVERGED = 2.0
#: Ratio of widths from which their order is asserted: nearer ones are within the seeds' scatter.
APART = 4
#: The cosine from which two gradients count as one.
ALIKE = 0.9


def claims(record: Record) -> tuple[Claim, ...]:
    """Identities, the start, the paper's order in width, what training does to it, and where it breaks."""
    return (*_identities(record), *_start(record), *_outcome(record), *_late(record), *_outside(record))


def _identities(record: Record) -> tuple[Claim, ...]:
    readable = [_readable(curves) for _, curves in record.kinds]
    products = [
        np.abs((1 + curves.rescaling[mask]) * curves.energy[mask] / curves.pc_loss[mask] - 1)
        for (_, curves), mask in zip(record.kinds, readable, strict=True)
    ]
    residuals = [curves.residual[mask] for (_, curves), mask in zip(record.kinds, readable, strict=True)]
    return (
        at_most(
            "equilibria are certified",
            "The largest relative norm of dF/dz before any update of any training that has not diverged.",
            bound=1e-6,
            measured=max(values.max() for values in residuals),
            because="what the exact solver's certificate asks for",
        ),
        at_most(
            "F* = Loss / s throughout training",
            "The largest |s F*/Loss - 1| before any update, for losses from 1e-6 to 1e3.",
            source="paper; Innocenti et al. 2024",
            bound=1e-8,
            measured=max(values.max() for values in products),
            because="rounding in float64, magnified where y - f cancels",
        ),
    )


def _readable(curves: Curves) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (curves.pc_loss > READABLE[0]) & (curves.pc_loss < READABLE[1])


def _start(record: Record) -> tuple[Claim, ...]:
    settings, found = record.settings, []
    for (kind, curves), skips in zip(record.kinds, (False, True), strict=True):
        predicted = expected(settings, skips=skips)[-1]
        scatter = relative_scatter(*network(settings, settings.widths[-1], skips=skips))
        found.append(
            close(
                f"the rescaling before training, {kind}",
                f"s - 1 at initialisation is its expected value (N = {settings.widths[-1]}, mean of the seeds).",
                predicted=predicted,
                measured=curves.rescaling[0, -1, :, 0].mean(),
                relative_tolerance=3 * scatter / settings.seeds**0.5,
                because="three standard deviations of the mean, (2 / (nu seeds))^1/2 each by theory",
            )
        )
    return tuple(found)


def _outcome(record: Record) -> tuple[Claim, ...]:
    """The paper's order, at the rate at which every training is stable."""
    found = []
    for kind, curves in record.kinds:
        slow = curves[0]
        found.append(
            at_least(
                f"energies approach losses with width, {kind}",
                f"At every step, of two widths {APART} times apart the larger has the larger F*/Loss "
                f"(eta = {record.settings.rates[0]:g}; "
                "least gain shown).",
                bound=0,
                measured=_least_gain(record, 1 - slow.gap.mean(axis=1)),
                because="the paper's outcome is an order, not a number",
                source="paper, Figures 2 and A.17",
            )
        )
    cosines = 1 - record.skips[0].same_weights.mean(axis=1)
    found.append(
        at_least(
            "gradients align with width",
            f"With skips, averaged over training, the larger of two widths {APART} times apart has the larger cosine "
            "(least gain shown).",
            bound=0,
            measured=_least_gain(record, cosines.mean(axis=1)),
            because="the paper's outcome is an order, not a number",
            source="paper, Figures 2 and A.17",
        )
    )
    return tuple(found)


def _least_gain(record: Record, values: np.ndarray) -> float:
    """The least difference between a width and one that is :data:`APART` times smaller or less; axes [widths, ...]."""
    widths = record.settings.widths
    pairs = [(i, j) for i, small in enumerate(widths) for j, large in enumerate(widths) if large >= APART * small]
    return min((values[j] - values[i]).min() for i, j in pairs) if pairs else np.nan


def _late(record: Record) -> tuple[Claim, ...]:
    """What learning does to the rescaling and to the angle: the widest network with skips, at the largest rate."""
    curves = record.skips[-1, -1]
    s = curves.rescaling.mean(axis=0)
    loss, angle = curves.pc_loss, curves.same_weights
    late = (loss < 0.2 * loss[:, :1]) & (loss > READABLE[0])
    slopes = [fit_slope(loss[i, late[i]], angle[i, late[i]]).slope for i in range(len(loss)) if late[i].sum() > 1]
    return (
        at_least(
            "learning multiplies the rescaling",
            "s - 1 after training over s - 1 before it, widest network with skips.",
            bound=3,
            measured=s[-1] / s[0],
            because="the output follows the target only if the Jacobians grow; three is far outside the seeds' spread",
        ),
        close(
            "the direction returns as the loss vanishes",
            "1 - cos is of the order of the loss, no less: late in training it falls as the first power (fitted "
            "exponent, mean of the seeds).",
            predicted=1,
            measured=np.mean(slopes) if slopes else np.nan,
            tolerance=0.25,
            because="grad s and the residuals' direction, which set the constant, still drift while the loss falls",
        ),
    )


def _outside(record: Record) -> tuple[Claim, ...]:
    narrow = 1 - record.no_skips[0, 0].same_weights.mean()
    final = record.skips.gap[-1, -1, :, -1].mean()
    widths, rate = record.settings.widths, record.settings.rates[-1]
    start = record.no_skips.bp_loss[-1, ..., :1]
    with np.errstate(invalid="ignore"):
        left = ~(record.no_skips.bp_loss[-1] <= DIVERGED * start)
    return (
        fails_outside(
            at_least(
                "narrow and deep: one gradient",
                f"Without skips, predictive coding's gradient is backpropagation's at N = {widths[0]} (mean cosine).",
                bound=ALIKE,
                measured=narrow,
                because="the theorem needs N >> L",
            )
        ),
        fails_outside(
            at_most(
                "after learning, F* is the loss",
                f"1 - F*/Loss is small at the end of training, with skips (N = {widths[-1]}, eta = {rate:g}).",
                bound=0.1,
                measured=final,
                because="N >> L at the start is not enough: learning multiplies s - 1",
            )
        ),
        fails_outside(
            at_most(
                "the published rate is stable without skips",
                f"The share of backpropagation's trainings whose loss leaves {DIVERGED:g} times its first value "
                f"(eta = {rate:g}).",
                bound=0.1,
                measured=left.any(axis=-1).mean(),
                because="muPC without skips is stable in width, not in depth",
            )
        ),
    )
