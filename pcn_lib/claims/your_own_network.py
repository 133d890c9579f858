"""What the tutorial asserts of a network that is not the book's own."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.your_own_network import Record
from pcn_lib.statistics import fit_slope

#: N / L from which a network counts as wide, and the cosine from which two gradients count as one.
WIDE, ALIKE = 8, 0.98


def claims(record: Record) -> tuple[Claim, ...]:
    """The book's conclusions, for gated layers of Flax on wines."""
    settings = record.settings
    start = (record.gap, record.predicted_gap, record.one_minus_cosine)
    gap, predicted, angle = (values[:, :, 0].mean(axis=0) for values in start)
    certified = at_most(
        "equilibria are certified",
        "The relative norm of dF/dz is within the tolerance, before and during training, for every sample.",
        bound=settings.tolerance,
        measured=record.residual.max(),
        because="the tolerance asked of inference",
    )
    energy = close(
        "the rescaling predicts the energy",
        "1 - F*/Loss of the widest network is what S gives on the feedforward pass.",
        predicted=predicted[-1],
        measured=gap[-1],
        relative_tolerance=0.1,
        because="the next order is of relative size L/N, here below a tenth",
    )
    return (certified, *_gradients(np.array(settings.widths), settings.depth, angle), energy, _narrow(angle[0]))


def _gradients(widths: np.ndarray, depth: int, angle: np.ndarray) -> tuple[Claim, Claim]:
    """That the gradients of wide networks agree, and how fast."""
    wide = widths >= WIDE * depth
    slope = fit_slope(widths[wide], angle[wide]).slope if wide.sum() > 1 else np.nan
    return (
        at_least(
            "wide: one gradient",
            f"In the widest network PC's gradient is BP's: cos >= {ALIKE}.",
            bound=ALIKE,
            measured=1 - angle[-1],
            because="1 - cos is about 10 (L/N)^2 or less where N is many times L",
        ),
        close(
            "the rate",
            f"1 - cos falls as N^-2 where N >= {WIDE} L.",
            predicted=-2,
            measured=slope,
            tolerance=0.4,
            because="one or two initialisations scatter by 10 to 20 %, and at N = 8 L the next order counts for 0.2",
        ),
    )


def _narrow(angle: float) -> Claim:
    return fails_outside(
        at_least(
            "narrow: one gradient",
            "In the narrowest network, too, PC's gradient is BP's.",
            bound=ALIKE,
            measured=1 - angle,
            because="the same bound, outside N >> L",
        )
    )
