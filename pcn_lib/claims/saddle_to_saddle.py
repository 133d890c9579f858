"""What the chapter on narrow networks asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.saddle_to_saddle import Record, median
from pcn_lib.statistics import fit_slope

#: Places in STARTS.
PUBLISHED, NEAR = 0, 1


def claims(record: Record) -> tuple[Claim, ...]:
    """Times near the saddle, what the paper's networks do, and where energy and loss part."""
    return (*_exact(record), *_near(record), *_layers(record), *_published(record))


def _exact(record: Record) -> tuple[Claim, ...]:
    return (
        at_most(
            "equilibria are certified",
            "The largest relative ||dF/dz|| of all steps of the grid.",
            bound=1e-6,
            measured=record.residual,
            because="the closed form's tolerance; rounding grows with s and as residuals vanish",
        ),
        at_most(
            "no training diverges",
            "Trainings whose loss is not finite, of both methods.",
            bound=0,
            measured=record.diverged.sum(),
            because="an escape time of a training that diverges would mean nothing",
        ),
    )


def _near(record: Record) -> tuple[Claim, ...]:
    s = record.settings
    large, *_, small = s.tiny
    predicted = np.log(large / small) / np.log1p(s.rate / s.approach_width)
    found = [
        close(
            "the energy leaves exponentially",
            f"Weights {large / small:.0f} times smaller delay the energy's escape by ln({large / small:.0f}) / "
            f"ln(1 + eta/N) steps (N = {s.approach_width}, median over seeds).",
            predicted=predicted,
            measured=np.median(record.tiny.energy[-1] - record.tiny.energy[0]),
            tolerance=2,
            because="times are whole steps, and the next order in the weights adds a fraction of one",
        )
    ]
    for i, hidden in enumerate(s.approach_hidden):
        # A median that is infinite has no exponent: the claim then says that it was not measured.
        times = [median(t[i]) for t in (record.approach.bp_loss, record.approach.pc_loss)]
        bp, pc = (-fit_slope(s.factors, t).slope if np.all(np.isfinite(t)) else np.nan for t in times)
        found += [
            close(
                f"BP waits, L = {hidden + 1}",
                f"BP's escape time grows as the initial weights' size to the power {1 - hidden} (median over seeds).",
                predicted=hidden - 1,
                measured=bp,
                tolerance=0.15 * (hidden - 1),
                because="the scaling is exact for small weights and small steps",
            ),
            at_most(
                f"PC waits less, L = {hidden + 1}",
                "The same exponent of PC's loss; a logarithm has exponent 0 in the limit.",
                bound=(hidden - 1) / 2 + 0.1,
                measured=pc,
                because="half of BP's, with room for a logarithm at weights that are not yet very small",
            ),
        ]
    return tuple(found)


def _layers(record: Record) -> tuple[Claim, ...]:
    """What the energy leaves by: the readout alone, past no other saddle."""
    s, leaving = record.settings, record.leaving
    large, *_, small = s.tiny
    growth = np.median(np.log(leaving.growth[-1] / leaving.growth[0]), axis=0) / np.log(large / small)
    energy, ratio = leaving.energy[-1], leaving.energy[-1] / leaving.loss[-1]
    return (
        close(
            "the readout leaves first",
            "At half the energy the readout has grown as 1/eps, eps the initial weights' size (median over seeds).",
            predicted=1,
            measured=growth[-1],
            tolerance=0.05,
            because="times are whole steps: the size at the first step beyond half the energy varies by a few per cent",
        ),
        close(
            "the layers below stay O(eps)",
            "The layers below it have grown by a factor that eps does not change (exponent, the farthest layer).",
            predicted=0,
            measured=growth[:-1][np.argmax(np.abs(growth[:-1]))],
            tolerance=0.05,
            because="what moves them is the readout's size, order 1 for a number of steps that eps does not change",
        ),
        close(
            "no saddle where the readout has grown",
            "At half the energy W_L . dF*/dW_L is not 0: over -2 F* (1 - F*/Loss) it is 1 (mean over seeds).",
            predicted=1,
            measured=np.mean(leaving.slope[-1] / (-2 * energy * (1 - ratio))),
            tolerance=1e-3,
            because=f"the outputs, which the formula takes as 0, are of order eps^{s.approach_hidden[-1]}",
        ),
    )


def _published(record: Record) -> tuple[Claim, ...]:
    s = record.settings
    deep, wide = np.array(s.hidden) >= 3, np.array(s.widths) >= 4
    loss_first = at_least(
        "PC's loss leaves first, too",
        "From the published weights (H >= 3), the share of networks whose PC loss escapes before BP's loss.",
        bound=0.5,
        measured=_first(record.times.pc_loss, record.times.bp_loss)[PUBLISHED][:, deep].mean(),
        because="more often than not; the weights are of order 1, far from the origin",
        source="not the paper's: what its energies might be taken to say",
    )
    energy = _first(record.times.energy, record.times.bp_loss)[:, :, deep]
    pc, bp = (t[NEAR][wide][:, deep] for t in (record.times.pc_loss, record.times.bp_loss))
    escaped = np.isfinite(pc) | np.isfinite(bp)
    near = _first(pc, bp)[escaped].mean() if escaped.any() else np.nan
    return (
        at_least(
            "the energy leaves before BP's loss",
            "From all starts (H >= 3), the share of networks whose energy escapes before BP's loss.",
            bound=0.9,
            measured=energy.mean(),
            because="the paper's outcome is an order; a lucky BP run may start below the level",
            source="paper, Figures A.4 and A.23",
        ),
        at_least(
            "near the saddle PC's loss leaves first",
            "From a tenth of the published weights (H >= 3, N >= 4), the share of PC first where any loss escapes.",
            bound=0.9,
            measured=near,
            because="theory has a logarithm against a power; single seeds may still deviate",
        ),
        fails_outside(loss_first),
    )


def _first(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where ``one`` escapes before ``other``; an escape is before none, and two that never escape are no evidence."""
    one, other = (np.where(np.isnan(times), np.inf, times) for times in (one, other))
    return one < other
