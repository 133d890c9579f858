"""What the chapter on training curves under the standard parameterisation asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.standard_parameterisation import Kind, Record
from pcn_lib.statistics import fit_slope, mean


def claims(record: Record) -> tuple[Claim, ...]:
    """The rescaling of both draws, the first step against width, and what remains of the theorem: nothing."""
    return (*_rescaling(record), *_training(record), *_vanishing(record), *_outside(record))


def _rescaling(record: Record) -> tuple[Claim, ...]:
    depth, width = record.settings.depths[-1], record.settings.widths[-1]
    found = []
    for kind in record.kinds:
        sampled = mean(kind.sampled[-1])
        found.append(
            close(
                f"the rescaling, {kind.name}",
                f"s - 1 at initialisation is its expected value (N = {width}, L = {depth}, mean of the draws).",
                predicted=kind.expected[-1],
                measured=sampled.value,
                tolerance=3 * sampled.standard_error + 0.05 * kind.expected[-1],
                because="three standard errors, and 5 % for draws with a long tail, which a sample misses",
            )
        )
    return tuple(found)


def _training(record: Record) -> tuple[Claim, ...]:
    residuals = [kind.trained.residual[np.isfinite(kind.trained.residual)] for kind in record.kinds]
    slopes = [_first_step(record, kind) for kind in record.kinds if kind.rate < record.settings.base_rate]
    exploding = _named(record, "variance 1/N, with skips")
    start = exploding.trained[-1]
    return (
        at_most(
            "equilibria are certified",
            "The largest relative norm of dF/dz of every training that has not diverged.",
            bound=1e-6,
            measured=max(values.max() for values in residuals),
            because="what the exact solver's certificate asks for",
        ),
        close(
            "the first step grows with width",
            "By how much a first step of backpropagation moves the output, over the residual, grows as N at one rate "
            "(fitted exponent, mean of the kinds that learn).",
            predicted=1,
            measured=np.mean(slopes) if slopes else np.nan,
            tolerance=0.5,
            because="few draws with long tails, and at the largest widths a step too large to be of first order",
            source="paper (camera-ready abstract): the output explodes with width",
        ),
        at_most(
            "with skips, predictive coding stands still",
            "Its first step over backpropagation's, at the rate that backpropagation needs (variance 1/N, widest).",
            bound=0.01,
            measured=np.median(start.pc_moved[:, 1] / start.bp_moved[:, 1]),
            because="its residual is divided by s, expected to be 2^(L-1)",
        ),
    )


def _first_step(record: Record, kind: Kind) -> float:
    trained = kind.trained
    moved = trained.bp_moved[..., 1] / np.sqrt(2 * trained.bp_loss[..., 0])
    return fit_slope(record.settings.widths, moved.mean(axis=1)).slope


def _vanishing(record: Record) -> tuple[Claim, ...]:
    """The authors' draw without skips, where the output is of order 3^-L/2 and learning is at the mercy of grad s."""
    dead = _named(record, "variance 1/3N, without skips").trained[-1]
    return (
        at_most(
            "without signal, backpropagation stands still",
            "How far backpropagation moves the output in the whole run (variance 1/3N without skips, widest).",
            bound=0.01,
            measured=dead.bp_moved[:, -1].max(),
            because="targets are 1 in size; a hundredth is nothing learned",
        ),
        at_least(
            "without signal, predictive coding raises s",
            "s - 1 after the run over s - 1 before it, the same networks.",
            bound=1.2,
            measured=(dead.rescaling[:, -1] / dead.rescaling[:, 0]).min(),
            because="grad F* = (grad Loss - (Loss/s) grad s)/s, and the second term does not vanish with the output",
        ),
    )


def _outside(record: Record) -> tuple[Claim, ...]:
    width = record.settings.widths[-1]
    start = [kind.trained[-1, :, 0] for kind in record.kinds]
    aligned = [1 - kind.trained.same_weights[-1, :, 0].mean() for kind in record.kinds]
    return (
        fails_outside(
            at_most(
                "wide networks: S is the identity",
                f"s - 1 is small at N = {width}, for both draws, with skips or without (least of the means).",
                bound=0.1,
                measured=min(one.rescaling.mean() for one in start),
                because="the theorem needs an output scale d > 0, as in muPC: under SP s - 1 does not fall with N",
            )
        ),
        fails_outside(
            at_most(
                "wide networks: F* is the loss",
                f"1 - F*/Loss is small at N = {width} (least of the means).",
                bound=0.1,
                measured=min(one.gap.mean() for one in start),
                because="the theorem needs d > 0, as in muPC",
            )
        ),
        fails_outside(
            at_least(
                "wide networks: one gradient",
                f"The gradients have one direction at N = {width} (least cosine of the four kinds).",
                bound=0.9,
                measured=min(aligned),
                because="the theorem needs d > 0, as in muPC",
                source="paper, Figures A.18 and A.19: PC is not BP",
            )
        ),
    )


def _named(record: Record, name: str) -> Kind:
    """The kind of this name."""
    return next(kind for kind in record.kinds if kind.name == name)
