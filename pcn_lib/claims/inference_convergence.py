"""What the chapter on the convergence of inference asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.inference_convergence import (
    FAMILIES,
    RATE_SHARE,
    WITH_SKIPS,
    Record,
    late_factor,
    slowest_possible,
)
from pcn_lib.experiments.published_inference import ACTIVITY_RATE

#: Residual above which a decay is read off: rounding stops it near 1e-15.
FLOOR = 1e-12
#: Decay of the slowest mode, in powers of e, that a run needs before its late rate can be read.
LATE = 5.0
SP, MUPC = range(2)


def claims(record: Record) -> tuple[Claim, ...]:
    """The late rate, what the condition number depends on, and where the script's rate is not stable."""
    return (*_rates(record), *_bounds(record), *_widths(record), *_directions(record), _published(record))


def predicted_decay(record: Record) -> np.ndarray:
    """-log of the slowest factor by which a step shrinks dF/dz; axes [families, hidden].

    With one hidden layer and one output only P_1's own direction moves, with mu_max; else the slower of both ends.
    """
    slowest = late_factor(record.rate, record.followed_smallest, record.followed_largest)
    alone = np.array(record.settings.hidden) == 1
    return -np.log(np.where(alone[None], abs(1 - RATE_SHARE), slowest))


def measured_decay(record: Record) -> np.ndarray:
    """-log of the factor of a late step on dF/dz, axes [families, hidden]; NaN where the run is too short."""
    decays = np.full(record.followed_smallest.shape, np.nan)
    for place in np.ndindex(decays.shape):
        residual = record.descent.residual[place]
        above = residual > FLOOR
        counts, logs = record.counts[above], np.log(residual[above])
        late = counts >= counts[-1] / 2
        if late.sum() >= 2 and predicted_decay(record)[place] * counts[-1] >= LATE:
            decays[place] = -np.polyfit(counts[late], logs[late], 1)[0]
    return decays


def _rates(record: Record) -> tuple[Claim, ...]:
    made = []
    predicted, measured = predicted_decay(record), measured_decay(record)
    for i, family in enumerate(WITH_SKIPS):
        for j, hidden in enumerate(record.settings.hidden):
            if np.isfinite(measured[i, j]):
                made.append(
                    close(
                        f"late rate, {family.name}, H = {hidden}",
                        f"With H = {hidden} a late step shrinks dF/dz by the factor of the slowest mode.",
                        predicted=predicted[i, j],
                        measured=measured[i, j],
                        relative_tolerance=0.15,
                        because="neighbouring modes die out slowly: they add about 3/(4T) to the rate after T steps",
                    )
                )
    return tuple(made)


def _bounds(record: Record) -> tuple[Claim, ...]:
    condition, deepest = record.condition[:, :, -1], record.settings.hidden[-1]
    bound = slowest_possible(deepest, FAMILIES[SP])
    return (
        at_most(
            "SP: the smallest curvature",
            f"Under SP with skips and H = {deepest}, mu_min is at most 1/(2^H - 1) at every width.",
            bound=bound,
            measured=record.smallest[SP, :, -1].max(),
            because="the mean square growth of H - 1 layers I + W; the least eigenvector does better than the mean",
        ),
        at_least(
            "the condition number is at least the bound",
            f"For H = {deepest}, kappa is at least sum_l G^(l-1) in every family, at every width (least ratio shown).",
            bound=1,
            measured=min((condition[i] * slowest_possible(deepest, family)).min() for i, family in enumerate(FAMILIES)),
            because="a bound of the limit N -> infinity, from mu_max >= 1; mu_max is several times that",
        ),
        at_least(
            "SP is conditioned worse than muPC",
            f"With skips and H = {deepest}, kappa is larger under SP by the ratio of the two bounds on mu_min.",
            bound=_bound_ratio(deepest),
            measured=(condition[SP] / condition[MUPC]).min(),
            because="(2^H - 1) / (L ((1 + 1/L)^H - 1)), a yardstick: the ratio of two bounds is no bound of the ratio",
        ),
    )


def _widths(record: Record) -> tuple[Claim, ...]:
    condition, deepest = record.condition[:, :, -1], record.settings.hidden[-1]
    return (
        close(
            "the condition number does not depend on width",
            f"Under muPC with skips and H = {deepest}, the two widest networks have the same condition number.",
            predicted=1,
            measured=condition[MUPC, -1] / condition[MUPC, -2],
            tolerance=0.15,
            because="one draw of weights each; a finite-width edge of the spectrum moves by N^(-2/3)",
        ),
        close(
            "without skips there is nothing to choose",
            "Without skips SP and muPC have the same condition number in the widest network.",
            predicted=1,
            measured=condition[2, -1] / condition[3, -1],
            tolerance=0.1,
            because="they differ in the readout, which adds one direction per output to a Hessian of N H",
        ),
    )


def _bound_ratio(hidden: int) -> float:
    return slowest_possible(hidden, FAMILIES[MUPC]) / slowest_possible(hidden, FAMILIES[SP])


def _directions(record: Record) -> tuple[Claim, ...]:
    deepest, bound = record.settings.hidden[-1], np.exp(-2 * predicted_decay(record)[MUPC, -1] * record.counts[-1])
    reached = record.descent.from_exact[:, -1, -1]
    common = dict(bound=bound, because="the slowest mode of muPC's network after T steps, squared as 1 - cos is")
    return (
        at_most(
            "muPC reaches the exact gradient",
            f"Under muPC and H = {deepest}, 1 - cos from the exact gradient has decayed with the slowest mode.",
            measured=reached[MUPC],
            **common,
        ),
        fails_outside(
            at_most(
                "SP reaches the exact gradient",
                f"Under SP and H = {deepest}, too, 1 - cos from the exact gradient has fallen as far in as many steps.",
                measured=reached[SP],
                **common,
            )
        ),
    )


def _published(record: Record) -> Claim:
    mu = record.followed_largest[SP, -1]
    return close(
        "the script's rate is not stable under SP",
        f"Under SP a step at rate {ACTIVITY_RATE} multiplies the fastest mode by 1 - 0.3 mu_max < -1 (log shown).",
        predicted=np.log(abs(1 - ACTIVITY_RATE * mu)),
        measured=np.diff(np.log(record.published[SP, -1]))[-5:].mean(),
        relative_tolerance=0.15,
        because="read off after some tens of steps, when neighbouring modes still grow beside it",
    )
