"""What the chapter on transformers asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.comparison import BANDS, START
from pcn_lib.experiments.transformers import PUBLISHED_RATE, Record, as_published, layer_list
from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.statistics import Agreement, agreement, fit_slope

#: The cosine from which two gradients count as one.
ALIKE = 0.99
#: Standard deviation of every initial weight.
INITIAL_SCALE = 0.02
#: The part of the updates at the published rate over which networks are hardly trained.
EARLY = 20
#: Standard deviations of one passage and initialisation within which a published value counts as reproduced.
REPRODUCED = 2.5


def claims(record: Record) -> tuple[Claim, ...]:
    """The paper's outcome, its numbers, the rates of the limit, the script's protocol, and what makes inference hard.

    The numbers are claimed of a record of the published network, batch and text only.
    """
    published = _figure(record) if as_published(record) else ()
    return (*_outcome(record), *published, *_rates(record), _script(record), *_hardness(record))


def _outcome(record: Record) -> tuple[Claim, ...]:
    cosines = 1 - record.trained.one_minus_cosine.mean(axis=0)[:, :EARLY]
    narrow = at_least(
        "a narrow transformer: one gradient",
        "In the narrowest transformer, too, predictive coding computes backpropagation's gradient throughout training.",
        bound=ALIKE,
        measured=cosines[0].min(),
        because="a cosine that counts as one gradient; the limit promises it for wide networks only",
        source="paper, Figure 4c",
    )
    measured = (record.trained, record.start, record.other_list, record.learning)
    return (
        at_least(
            "certified equilibria",
            "Every energy and every cosine without a layer norm is taken at an equilibrium with a certificate.",
            bound=1,
            measured=min(curves.converged.mean() for curves in measured),
            because="the share of steps at which every sample passed; one that did not would be a gap in the argument",
        ),
        at_least(
            "the cosine rises with width",
            f"In the first {EARLY} steps the wider of two transformers has the larger cosine (the least gain).",
            bound=0,
            measured=np.diff(cosines, axis=0).min(),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure 4c",
        ),
        fails_outside(narrow),
    )


def figure_agreements(record: Record) -> dict[str, Agreement]:
    """The published values at t = 0 against our draws, for each list of layers, at the widths that both have.

    Raises:
        ValueError: fewer draws than a scatter wants.
    """
    settings, readings = record.settings, START["transformer"]
    shared = [width for width in settings.other_list if width in readings]
    values = [readings[width][0] for width in shared]
    measured = (
        (settings.identity_layer, record.start, settings.all_widths),
        (not settings.identity_layer, record.other_list, settings.other_list),
    )
    return {
        layer_list(identity): agreement(
            values,
            1 - curves.one_minus_cosine[:, [widths.index(width) for width in shared], 0],
            error=readings[shared[0]][1],
        )
        for identity, curves, widths in measured
    }


def _figure(record: Record) -> tuple[Claim, ...]:
    found = figure_agreements(record)
    name, best = min(found.items(), key=lambda item: item[1].per_value)
    widths = record.settings.all_widths
    cosines = 1 - record.start.one_minus_cosine[..., 0].mean(axis=0)
    banded = [cosines[widths.index(width)] for width in BANDS["transformer"] if width in widths]
    lowest = min(lower for lower, _ in BANDS["transformer"].values())
    return (
        at_most(
            "Figure 4c before the first update",
            f"Every published cosine is that of a draw (largest deviation), prediction errors in: {name}.",
            bound=REPRODUCED,
            measured=best.largest,
            because="standard deviations of one passage and initialisation: the published curve is one run",
            source="paper, Figure 4c",
        ),
        *(
            (
                at_least(
                    "Figure 4c, the widest",
                    f"The widths whose published curves lie on each other have cosines from {lowest:g} on.",
                    bound=lowest,
                    measured=min(banded),
                    because="the band in which the picture shows them",
                    source="paper, Figure 4c",
                ),
            )
            if banded
            else ()
        ),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    settings, start, widest = record.settings, record.start, record.settings.widths[-1]
    narrowest = settings.all_widths[0]
    # ||softmax - one-hot||^2 of outputs that know nothing yet.
    slope = 1 - 1 / record.characters
    loss = start.pc_loss[:, 0, 0].mean()
    return (
        *_exponents(record),
        close(
            "the size of the gap",
            "Before the first update the narrowest one's gap is sigma^2 H ||g||^2 / (2 N Loss), ||g||^2 = 1 - 1/V.",
            predicted=INITIAL_SCALE**2 * settings.hidden * slope / (2 * narrowest * loss),
            measured=start.gap[:, 0, 0].mean(),
            relative_tolerance=0.25,
            because="the readout's rows scatter by N^-1/2, averaged over the characters that occur",
        ),
        close(
            "how far activities move",
            f"Before the first update top activities move by ||g|| H / (2^(1/2) N) of their size (N = {widest}).",
            predicted=np.sqrt(slope / 2) * settings.hidden / widest,
            measured=record.trained.displacement[:, -1, 0].mean(),
            relative_tolerance=0.15,
            because="weights of one draw scatter, and branches add a few per cent",
        ),
    )


def _exponents(record: Record) -> tuple[Claim, ...]:
    """The rates, of widths at which activities move by a small part of their size; one such width has none."""
    settings, start = record.settings, record.start
    places = [i for i, width in enumerate(settings.all_widths) if width >= 2 * settings.hidden]
    if len(places) < 2:
        return ()
    widths = np.array(settings.all_widths)[places]
    gap, angle = (values[:, places, 0].mean(axis=0) for values in (start.gap, start.one_minus_cosine))
    return (
        close(
            "the gap to the loss falls as 1/N",
            "Before the first update 1 - F*/Loss falls as N^-1 (N >= 2 H).",
            predicted=-1,
            measured=fit_slope(widths, gap).slope,
            tolerance=0.25,
            because="weights of one draw scatter, and float32 carries a gap of 1e-5 to a few per cent",
        ),
        close(
            "gradients align as 1/N²",
            "Before the first update 1 - cos falls as N^-2 (N >= 2 H).",
            predicted=-2,
            measured=fit_slope(widths, angle).slope,
            tolerance=0.4,
            because="the same scatter, counted twice in a square; at N = 2 H activities still move by a third",
        ),
    )


def _script(record: Record) -> Claim:
    settings, fewest = record.settings, min(record.settings.counts)
    return close(
        "the script's protocol diffuses along the skips",
        f"After {fewest} gradient-descent steps the residual is that of a chain of {settings.hidden} bare skips.",
        predicted=skip_chain_residual(settings.hidden, PUBLISHED_RATE, fewest),
        measured=record.stopped.residual[:, -1, settings.counts.index(fewest)].mean(),
        relative_tolerance=0.15,
        because="branches start so small (weights 0.02, multiplier 1/blocks) that the skips alone decide",
    )


def _hardness(record: Record) -> tuple[Claim, ...]:
    strength = np.abs(record.learning.contraction).mean(axis=0)
    steps = record.learning.inference_steps.mean(axis=0)
    rows = len(record.settings.variant_widths)
    place = record.settings.variants.index("layer norm") * rows
    return (
        at_least(
            "learning weakens the contraction",
            "While a transformer learns, a sweep's contraction factor grows a hundredfold or more.",
            bound=100,
            measured=(strength[:, -1] / strength[:, 0]).min(),
            because="it is quadratic in the readout, whose weights grow from 0.02 to the order of 1",
        ),
        at_least(
            "a weaker contraction costs steps",
            "Where the contraction is weakest inference takes at least twice the steps it took at the start.",
            bound=2,
            measured=(steps[:, -1] / steps[:, 0]).min(),
            because="the number of sweeps is inverse to the logarithm of the factor",
        ),
        at_least(
            "layer norm undoes the contraction",
            "With layer norm a sweep multiplies what is left by more than 1 before the first update: sweeps diverge.",
            bound=1,
            measured=np.abs(record.variants.contraction[:, place, 0]).mean(),
            because="a layer norm of activities of size 0.03 multiplies every Jacobian by about 35",
        ),
    )
