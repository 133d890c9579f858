"""Cosines of the paper's Figure 4 beside ours, width by width: what a page of the paper's numbers is filled from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcn_lib.data import published
from pcn_lib.data.published import FIGURE4_ERROR

CURVES = {kind: {curve.width: curve for curve in published.figure4(kind)} for kind in ("cnn", "transformer")}
#: Where the curves of Figure 4 begin, t = 0, by architecture and width: (value, error).
START: dict[str, dict[int, tuple[float, float]]] = {
    kind: {
        width: (float(curve.cosine[0]), FIGURE4_ERROR)
        for width, curve in curves.items()
        if curve.steps[0] == 0 and curve.error[0] == FIGURE4_ERROR
    }
    for kind, curves in CURVES.items()
}
#: Widths whose curves lie on each other: only the band that holds all of them can be read, (lower, upper).
BANDS: dict[str, dict[int, tuple[float, float]]] = {
    kind: {
        width: (float(curve.cosine[0] - curve.error[0]), float(curve.cosine[0] + curve.error[0]))
        for width, curve in curves.items()
        if curve.error[0] > FIGURE4_ERROR
    }
    for kind, curves in CURVES.items()
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
    if width in CURVES[architecture] and (bands or width not in BANDS[architecture]):
        curve = CURVES[architecture][width]
        yield from zip(curve.steps.tolist(), curve.cosine.tolist(), curve.error.tolist(), strict=True)
