"""What the chapter on learning regimes asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.learning_regimes import Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope

#: gamma_0 from which the widths of this study count as wide: gamma_0^2 N >> L.
WIDE_FROM = 0.5


def claims(record: Record) -> tuple[Claim, ...]:
    """The limit, how fast networks reach it, what makes learning lazy or rich, and where the widths do not suffice."""
    return (*_limit(record), *_regimes(record), *_widths(record), *_energies(record))


def _limit(record: Record) -> tuple[Claim, ...]:
    return (
        at_most(
            "equilibria are certified",
            "The largest relative ||dF/dz|| of all steps of all networks.",
            bound=tolerance("float64").gradient,
            measured=max(record.trained.residual.max(), record.skips.residual.max()),
            because="the closed form is exact up to rounding, which grows as residuals vanish",
        ),
        at_most(
            "the limit solves its equations",
            "The largest difference between two layers' account of the output at infinite width.",
            bound=tolerance("float64").exact,
            measured=record.disagreement,
            because="rounding in float64",
        ),
        close(
            "lazy limit",
            "As gamma_0 falls, the curve approaches kernel regression with the kernel L Kx as gamma_0^2.",
            predicted=2,
            measured=fit_slope(record.settings.lazy, record.lazy_distance).slope,
            tolerance=0.05,
            because="the next order is smaller by gamma_0^2, at most 0.01",
        ),
        close(
            "features of a lazy network",
            "The features move in proportion to gamma_0.",
            predicted=1,
            measured=fit_slope(record.settings.lazy, record.lazy_moved).slope,
            tolerance=0.05,
            because="the next order is smaller by gamma_0^2, at most 0.01",
        ),
    )


def _regimes(record: Record) -> tuple[Claim, ...]:
    wide, width = _wide(record), record.settings.widths[-1]
    moved = record.trained.bp_moved[-1].mean(axis=0)[wide, -1] / record.limit_moved[wide, -1]
    losses = np.stack([record.trained.pc_loss[-1].mean(axis=0), record.trained.bp_loss[-1].mean(axis=0)])[:, wide, -1]
    features = close(
        "features move as at infinite width",
        f"Movement at the last step over its predicted value, nothing fitted (N = {width}, the farthest gamma_0).",
        predicted=1,
        measured=moved[np.argmax(np.abs(moved - 1))],
        tolerance=3 / np.sqrt(width),
        because="finite networks scatter by N^-1/2",
    )
    if wide.size == 1:
        # One scale has no order.
        return (features,)
    return (
        features,
        at_least(
            "rich networks learn faster",
            f"The larger gamma_0, the smaller the last loss of PC and BP (N = {width}, the least gain is shown).",
            bound=0,
            measured=(losses[:, :-1] - losses[:, 1:]).min(),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure A.3",
        ),
    )


def _widths(record: Record) -> tuple[Claim, ...]:
    widths, wide, trained = record.settings.widths, _wide(record), record.trained
    found = []
    for method, values, allowed in (("BP", trained.bp_distance, 0.2), ("PC", trained.pc_distance, 0.25)):
        distance = np.sqrt(np.mean(values[:, :, wide] ** 2, axis=(1, 2, 3)))
        found.append(
            close(
                f"{method} reaches the limit as N^-1/2",
                f"Distance of {method}'s outputs from those at infinite width (exponent, gamma_0 >= {WIDE_FROM}).",
                predicted=-0.5,
                measured=fit_slope(widths, distance).slope,
                tolerance=allowed,
                because="few initialisations scatter, and narrow networks bend the line by the next order, 1/N",
            )
        )
    apart = np.abs(trained.pc_loss - trained.bp_loss)[:, :, wide].max(axis=-1).mean(axis=(1, 2))
    found.append(
        close(
            "PC and BP meet as 1/N",
            "The largest difference between their losses falls as N^-1: sooner than either reaches the limit.",
            predicted=-1,
            measured=fit_slope(widths[-2:], apart[-2:]).slope,
            tolerance=0.3,
            because="two widths of few seeds; rich networks have s - 1 far from 0 while they learn",
        )
    )
    return tuple(found)


def _energies(record: Record) -> tuple[Claim, ...]:
    s, wide, width = record.settings, _wide(record), record.settings.widths[-1]
    first = record.trained.gap[-1, ..., 0]
    ratio = np.mean(first / (1 - first), axis=0) * np.array(s.gammas) ** 2 * width / (s.depth - 1)
    gap = record.trained.gap[:, :, wide].max(axis=-1).mean(axis=(1, 2))
    skips = record.skips.gap[:, :, wide].max(axis=-1).mean(axis=(1, 2))
    found = [
        close(
            "size of s - 1",
            f"Before the first update (Loss/F* - 1) gamma_0^2 N / (L - 1), for the farthest gamma_0 (N = {width}).",
            predicted=1,
            measured=ratio[np.argmax(np.abs(ratio - 1))],
            tolerance=4 * np.sqrt(2 / (width * s.seeds)),
            because="squared norms of N Gaussian numbers scatter by sqrt(2/N)",
        )
    ]
    for name, widths, values in (("without skips", s.widths, gap), ("with skips", s.skip_widths, skips)):
        found.append(
            close(
                f"energies become losses, {name}",
                f"The largest 1 - F*/Loss of the training falls as N^-1 (exponent, gamma_0 >= {WIDE_FROM}).",
                source="paper, Figures A.3 and A.22; the rate is ours",
                predicted=-1,
                measured=fit_slope(widths[-2:], values[-2:]).slope,
                tolerance=0.3,
                because="1 - 1/s bends where s - 1 is not small, in rich and narrow networks",
            )
        )
    expected = (s.depth - 1) / s.gammas[0] ** 2 / width
    lazy = at_most(
        "a lazy network: energy is loss",
        f"At gamma_0 = {s.gammas[0]:g} and N = {width}, too, 1 - F*/Loss is at most a tenth before the first update.",
        bound=0.1,
        measured=first[:, 0].mean(),
        because=f"a gap one would not see; s - 1 = (L - 1) / (gamma_0^2 N) = {expected:.2f}",
        source="paper, Figure A.3",
    )
    return (*found, fails_outside(lazy))


def _wide(record: Record) -> np.ndarray:
    return np.flatnonzero(np.array(record.settings.gammas) >= WIDE_FROM)
