"""What the landing page asserts of its picture."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.overview import Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope

#: N / L from which the rate is read off, and from which the two gradients count as one.
WIDE, VERY_WIDE = 16, 64
#: The cosine from which two gradients count as one.
ALIKE = 0.99


def claims(record: Record) -> tuple[Claim, ...]:
    """The limit, its rate, and the corner where it does not hold."""
    cosines = 1 - record.one_minus_cosine.mean(axis=0)
    wide = record.widths_per_layer >= VERY_WIDE
    return (
        at_most(
            "every network is at its equilibrium",
            "The relative norm of dF/dz is at rounding for every network.",
            bound=tolerance(record.provenance.dtype, "cpu").exact,
            measured=record.residual.max(),
            because="the tolerance of an exact solution in this number type",
        ),
        at_least(
            "wide networks: one gradient",
            f"Where N >= {VERY_WIDE} L, predictive coding computes backpropagation's gradient: cos >= {ALIKE}.",
            bound=ALIKE,
            measured=cosines[wide].min() if wide.any() else np.nan,
            because=f"1 - cos is about 10 (L/N)^2, or 0.0025 at N = {VERY_WIDE} L; the bound allows four times that",
            source="paper, Figure 1",
        ),
        close(
            "the rate",
            f"1 - cos falls as N^-2 at fixed depth (N >= {WIDE} L).",
            predicted=-2,
            measured=_slope(record),
            tolerance=0.3,
            because="means over a few seeds are uncertain by 10 to 20 %, and at N = 16 L the next order counts for 0.1",
        ),
        fails_outside(
            at_least(
                "narrow and deep: one gradient",
                "In the narrowest and deepest network, too, predictive coding computes backpropagation's gradient.",
                bound=ALIKE,
                measured=cosines[-1, 0],
                because="the same bound, outside N >> L",
                source="paper, Figure 1",
            )
        ),
    )


def _slope(record: Record) -> float:
    """The exponent of 1 - cos in N, of the depth where it lies farthest from theory."""
    widths, gaps = np.array(record.settings.widths), record.one_minus_cosine.mean(axis=0)
    rows = zip(record.widths_per_layer >= WIDE, gaps, strict=True)
    slopes = [fit_slope(widths[wide], gap[wide]).slope for wide, gap in rows if wide.sum() > 1]
    return max(slopes, key=lambda slope: abs(slope + 2), default=np.nan)
