"""What the chapter on transformers asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, close, fails_outside
from pcn_lib.experiments.published_inference import skip_chain_residual
from pcn_lib.experiments.transformers import PUBLISHED_RATE, VARIANTS, Record
from pcn_lib.statistics import fit_slope

#: The cosine from which two gradients count as one.
ALIKE = 0.99
#: Standard deviation of every initial weight.
INITIAL_SCALE = 0.02
#: The part of the updates at the published rate over which networks are hardly trained.
EARLY = 20


def claims(record: Record) -> tuple[Claim, ...]:
    """The paper's outcome, the rates of the limit, the published protocol, and what makes inference hard."""
    return (*_outcome(record), *_rates(record), _published(record), *_hardness(record))


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
    return (
        at_least(
            "certified equilibria",
            "Every energy and every cosine of the published network is taken at an equilibrium with a certificate.",
            bound=1,
            measured=min(curves.converged.mean() for curves in (record.trained, record.learning)),
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


def _rates(record: Record) -> tuple[Claim, ...]:
    settings, widths, trained = record.settings, record.settings.widths, record.trained
    # ||softmax - one-hot||^2 of outputs that know nothing yet.
    slope = 1 - 1 / record.characters
    return (
        close(
            "the gap to the loss falls as 1/N",
            "Before the first update 1 - F*/Loss falls as N^-1.",
            predicted=-1,
            measured=fit_slope(widths, trained.gap[..., 0].mean(axis=0)).slope,
            tolerance=0.25,
            because="weights of one draw scatter, and float32 carries a gap of 1e-5 to a few per cent",
        ),
        close(
            "gradients align as 1/N²",
            "Before the first update 1 - cos falls as N^-2.",
            predicted=-2,
            measured=fit_slope(widths, trained.one_minus_cosine[..., 0].mean(axis=0)).slope,
            tolerance=0.4,
            because="the same scatter, counted twice in a square; at N = 8 activities move by a third of their size",
        ),
        close(
            "the size of the gap",
            "Before the first update the narrowest one's gap is sigma^2 H ||g||^2 / (2 N Loss), ||g||^2 = 1 - 1/V.",
            predicted=INITIAL_SCALE**2 * settings.hidden * slope / (2 * widths[0] * trained.pc_loss[:, 0, 0].mean()),
            measured=trained.gap[:, 0, 0].mean(),
            relative_tolerance=0.25,
            because="the readout's rows scatter by N^-1/2, averaged over the characters that occur",
        ),
        close(
            "how far activities move",
            "Before the first update the widest one's top activities move by ||g|| H / (2^(1/2) N) of their size.",
            predicted=np.sqrt(slope / 2) * settings.hidden / widths[-1],
            measured=trained.displacement[:, -1, 0].mean(),
            relative_tolerance=0.15,
            because="weights of one draw scatter, and branches add a few per cent",
        ),
    )


def _published(record: Record) -> Claim:
    settings, fewest = record.settings, min(record.settings.counts)
    return close(
        "the published protocol diffuses along the skips",
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
    place = [name for name, *_ in VARIANTS].index("layer norm") * rows
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
