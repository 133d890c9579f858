"""What the chapter on convolutional networks asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.comparison import START
from pcn_lib.experiments.convolutional_networks import PUBLISHED_STEPS, Record
from pcn_lib.statistics import fit_slope

#: Channels from which the rates are read off and the goal for the sweeps is stated.
WIDE = 16
#: Sweeps within which the equilibrium should be reached.
SWEEPS = 5
#: The cosine from which two gradients count as one.
ALIKE = 0.99


def claims(record: Record) -> tuple[Claim, ...]:
    """The paper's outcome, the rates of the limit, the closed form, and both protocols.

    What concerns images of the published size is claimed of records that have them only.
    """
    figure = _figure(record) if record.large.published else ()
    return (*_outcome(record), *_rates(record), *_closed_form(record), *_protocols(record), *figure)


def _outcome(record: Record) -> tuple[Claim, ...]:
    cosines = 1 - record.trained.one_minus_cosine.mean(axis=0)
    narrow = at_least(
        "a narrow network: one gradient",
        "In the narrowest network, too, predictive coding computes backpropagation's gradient throughout training.",
        bound=ALIKE,
        measured=cosines[0].min(),
        because="a cosine that counts as one gradient; the theorem promises it for N >> L only",
        source="paper, Figure 4b",
    )
    measured = (record.trained, record.wide, record.enlarged, record.large.certified, record.large.trained)
    return (
        at_least(
            "certified equilibria",
            "Every energy and every cosine of the trainings is taken at an equilibrium with a valid certificate.",
            bound=1,
            measured=min(curves.converged.mean() for curves in measured),
            because="the share of steps at which every sample passed; one that did not would be a gap in the argument",
        ),
        at_least(
            "the cosine rises with width",
            "At every step of training the wider of two networks has the larger cosine (the least gain is shown).",
            bound=0,
            measured=np.diff(cosines, axis=0).min(),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure 4b",
        ),
        # On large images a network of two channels is wide already: its rescaling is that of a wide one.
        *((fails_outside(narrow),) if _narrow(record) else ()),
    )


def _narrow(record: Record) -> bool:
    """Whether the narrowest network lies outside the theorem's conditions: its rescaling is not small."""
    width = record.settings.widths[0]
    return float(record.enlarged_rescaling[0]) * record.settings.enlarged_width / width > 0.2


def _rates(record: Record) -> tuple[Claim, ...]:
    widths, start, widest = np.array(record.all_widths), record.start, record.settings.untrained[-1]
    gap, angle = (values[..., 0].mean(axis=0) for values in (start.gap, start.one_minus_cosine))
    wide = widths >= WIDE
    size = close(
        "the energy's gap to the loss",
        f"At N = {widest} 1 - F*/Loss is (1/2B) sum g M g / Loss, the first order.",
        predicted=record.predicted_gap.mean(axis=0)[-1],
        measured=gap[record.all_widths.index(widest)],
        relative_tolerance=0.1,
        because="the next order is smaller by about the rescaling, a few per cent, and F* is certified to 1e-4",
    )
    # One width has no rate.
    if wide.sum() < 2:
        return (size,)
    return (
        size,
        close(
            "energies become losses as 1/N",
            f"1 - F*/Loss falls as N^-1 (N >= {WIDE}, before the first update).",
            predicted=-1,
            measured=fit_slope(widths[wide], gap[wide]).slope,
            tolerance=0.25,
            because="one initialisation scatters by 10 to 20 %, and the narrowest width counted still bends",
        ),
        close(
            "gradients align as 1/N²",
            f"1 - cos falls as N^-2 (N >= {WIDE}, before the first update).",
            predicted=-2,
            measured=fit_slope(widths[wide], angle[wide]).slope,
            tolerance=0.5,
            because="the same scatter and the same bend, each counted twice in a square",
        ),
    )


def _closed_form(record: Record) -> tuple[Claim, ...]:
    linear = record.linear
    last = float(linear.rescaling[:, -1].mean())
    error = float(linear.rescaling[:, -1].std()) / len(linear.rescaling) ** 0.5
    small, large = record.enlarged_rescaling[[0, -1]]
    gaps = record.enlarged.gap[..., 0].mean(axis=0)
    return (
        at_most(
            "the closed form is the equilibrium",
            "In a linear CNN the closed form's activities are those of certified inference (relative difference).",
            bound=1e-10,
            measured=linear.difference,
            because="float64; the iterative equilibrium is certified to 1e-11",
        ),
        close(
            "rescaling of a linear CNN",
            "At initialisation trace(S)/K - 1 has the expected value that follows the mean squares down the layers.",
            predicted=linear.expected[-1],
            measured=last,
            tolerance=4 * error,
            because="four standard errors of a mean over initialisations",
        ),
        close(
            "larger images bring predictive coding closer to backpropagation",
            "The gap 1 - F*/Loss shrinks from the smallest to the largest images as the linear rescaling does.",
            predicted=large / small,
            measured=gaps[-1] / gaps[0],
            relative_tolerance=0.5,
            because="a tanh network and one initialisation against the mean of linear ones",
        ),
    )


def _protocols(record: Record) -> tuple[Claim, ...]:
    settings = record.settings
    widths, sweeps = np.array(record.all_widths), record.start.inference_steps[..., 0]
    place = settings.counts.index(PUBLISHED_STEPS)
    shared = [i for i, width in enumerate(settings.published) if width >= WIDE]
    certified = record.start.gap[:, [record.all_widths.index(settings.published[i]) for i in shared], 0].mean(axis=0)
    stopped = record.stopped.gap[:, shared, place].mean(axis=0)
    return (
        at_most(
            "a few sweeps are enough",
            f"At initialisation every sample reaches {settings.tolerance:g} in at most {SWEEPS} sweeps (N >= {WIDE}).",
            bound=SWEEPS,
            measured=sweeps[:, widths >= WIDE].max(),
            because="each sweep shrinks the gradient by about the rescaling, which is small there",
        ),
        *((_stops(stopped / certified),) if shared else ()),
    )


def _stops(ratios: np.ndarray) -> Claim:
    return at_most(
        "200 steps come close in a shallow network",
        f"After the script's steps the gap 1 - F/Loss is that of the equilibrium to 1 % (N >= {WIDE}).",
        bound=0.01,
        measured=np.abs(ratios - 1).max(),
        because="200 steps exceed H² = 81, the time of diffusion through 9 layers; what is left enters squared",
    )


def _figure(record: Record) -> tuple[Claim, ...]:
    """What the published curves of Figure 4b are, on images of their size."""
    large, widths = record.large, np.array(record.settings.large_widths)
    script, certified = (curves.one_minus_cosine[..., 0] for curves in (large.stopped, large.certified))
    found = [
        at_least(
            "large images: one gradient at any width",
            "At the certified equilibrium every draw of every width has a cosine that counts as one gradient.",
            bound=ALIKE,
            measured=1 - certified.max(),
            because="the rescaling of the linear network, m, is a few thousandths at 224 pixels even with one channel",
        )
    ]
    narrow = int(widths.argmin())
    diverges = large.stopped.residual[:, narrow, 0] > 1
    cosines = 1 - script[diverges, narrow]
    if diverges.any():
        found.append(
            at_most(
                "a descent that diverges has no gradient to show",
                f"N = {widths[narrow]}: the largest cosine among draws whose residual grows over the script's steps.",
                bound=0.5,
                measured=cosines.max(),
                because="its activities are at no equilibrium, so its gradient is not predictive coding's",
            )
        )
    if diverges.sum() > 2 and widths[narrow] in START["cnn"]:
        value, error = START["cnn"][int(widths[narrow])]
        found.append(
            close(
                "the published curve of two channels",
                "It begins where the draws begin whose descent diverges.",
                predicted=value,
                measured=cosines.mean(),
                tolerance=float(2.5 * np.hypot(cosines.std(ddof=1), error)),
                because="2.5 standard deviations of one such draw: the published curve is one run",
                source="paper, Figure 4b",
            )
        )
    return (*found, *_counted(widths, script, certified, large.stopped.residual[..., 0] <= 1))


def _counted(widths: np.ndarray, script: np.ndarray, certified: np.ndarray, calm: np.ndarray) -> tuple[Claim, ...]:
    """Where the descent is stable, what is left of the angle is what stopping left."""
    shared = (widths >= WIDE) & calm.all(axis=0)
    if not shared.any():
        return ()
    ratio = script[:, shared].mean(axis=0) / certified[:, shared].mean(axis=0)
    return (
        at_least(
            "in wide networks on large images the count is what shows",
            f"1 - cos after the script's steps over that at the equilibrium, the least ratio (N >= {WIDE}).",
            bound=10,
            measured=ratio.min(),
            because="an order of magnitude: the wider, the less the width leaves and the more of it is the stopping's",
        ),
    )
