"""Cosines of the paper's Figure 4 beside ours, width by width: what a page of the paper's numbers is filled from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcn_lib.data import published
from pcn_lib.data.published import FIGURE4_ERROR

#: Where the curves of Figure 4 begin, t = 0, by architecture and width.  Source: the same pictures; (value, error).
START: dict[str, dict[int, tuple[float, float]]] = {
    "transformer": {
        8: (0.34, FIGURE4_ERROR),
        16: (0.655, FIGURE4_ERROR),
        32: (0.862, FIGURE4_ERROR),
        64: (0.961, FIGURE4_ERROR),
        128: (0.99, FIGURE4_ERROR),
    },
    "cnn": {2: (-0.19, FIGURE4_ERROR)},
}
#: Widths whose curves lie on each other: only the band that holds all of them can be read, (lower, upper).
BANDS: dict[str, dict[int, tuple[float, float]]] = {
    "transformer": {256: (0.99, 1.0), 512: (0.99, 1.0)},
    "cnn": {8: (0.97, 1.0), 16: (0.97, 1.0), 32: (0.97, 1.0)},
}
PANELS = {"cnn": "4b", "transformer": "4c"}


@dataclass(frozen=True)
class Compared:
    """One published cosine beside ours.

    Attributes:
        figure: panel of the paper, such as ``4c``.
        architecture: ``cnn`` or ``transformer``.
        width: N, or channels.
        step: t, weight updates.
        published: the cosine in the picture; the middle of the band where curves lie on each other.
        reading_error: half the width of the interval in which the reading may lie.
        mean: of our runs.
        scatter: standard deviation of one run; NaN where there is a single one.
        runs: initialisations, each with data of its own.
        protocol: how inference was done, and on which network.
    """

    figure: str
    architecture: str
    width: int
    step: int
    published: float
    reading_error: float
    mean: float
    scatter: float
    runs: int
    protocol: str

    @property
    def deviations(self) -> float:
        """(published - mean) in standard deviations of one run, reading included; NaN without a scatter."""
        return float((self.published - self.mean) / np.hypot(self.scatter, self.reading_error / 3**0.5))


def compared(
    architecture: str,
    widths: Sequence[int],
    cosines: Float[np.ndarray, "runs widths steps"],
    protocol: str,
    *,
    bands: bool = True,
) -> tuple[Compared, ...]:
    """Every published value of an architecture at the widths and steps that were measured.

    Args:
        architecture: ``cnn`` or ``transformer``.
        widths: of the middle axis.
        cosines: ours, from t = 0 on.
        protocol: how inference was done, and on which network.
        bands: whether widths are named that only a band is known of.
    """
    runs, _, steps = cosines.shape
    rows = []
    for place, width in enumerate(widths):
        for step, value, error in _readings(architecture, width, bands):
            if step < steps:
                ours = cosines[:, place, step]
                scatter = float(ours.std(ddof=1)) if runs > 1 else float("nan")
                mean, panel = float(ours.mean()), PANELS[architecture]
                rows.append(Compared(panel, architecture, width, step, value, error, mean, scatter, runs, protocol))
    return tuple(rows)


def _readings(architecture: str, width: int, bands: bool) -> Iterable[tuple[int, float, float]]:
    """(t, cosine, reading error) of one curve."""
    if width in START[architecture]:
        yield 0, *START[architecture][width]
    if bands and width in BANDS[architecture]:
        lower, upper = BANDS[architecture][width]
        yield 0, (lower + upper) / 2, (upper - lower) / 2
    for curve in published.figure4(architecture):
        if curve.width == width:
            yield from ((int(t), float(c), FIGURE4_ERROR) for t, c in zip(curve.steps, curve.cosine, strict=True))
