"""What the chapter on nonlinear networks asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments import published_mlp
from pcn_lib.experiments.backpropagation_rates import changes
from pcn_lib.experiments.nonlinear_networks import Record
from pcn_lib.experiments.published_curves import mlp_trainings_are_papers
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.statistics import fit_slope

#: N / L from which the rates are read off.
WIDE = 4
#: The cosine from which two gradients count as one.
ALIKE = 0.99


#: Deviations, in standard deviations, up to which a published value is reproduced and from which one is excluded.
REPRODUCED, EXCLUDED = 2.5, 5.0


def claims(
    record: Record, kept: Record | None = None, hypotheses: published_mlp.Record | None = None
) -> tuple[Claim, ...]:
    """The paper's outcome and numbers, the rates of the limit, its limits, and what a fixed count of steps does.

    Args:
        record: of this run.
        kept: the run at full size that is kept with the book, whose trainings are held against the published ones
            where this run has none on CIFAR-10.
        hypotheses: about the published picture, measured on CIFAR-10.
    """
    trained = next((one for one in (record, kept) if one is not None and mlp_trainings_are_papers(one)), None)
    return (
        *_outcome(record),
        *_rates(record),
        *_stopping_rule(record),
        *_kinks(record),
        *(_published_start(hypotheses) if published_mlp.is_papers(hypotheses) else ()),
        *(_published_trainings(trained) if trained is not None else ()),
    )


def _published_start(hypotheses: published_mlp.Record) -> tuple[Claim, ...]:
    found = published_mlp.agreements(hypotheses)
    fitting = found.pop(published_mlp.FITTING)
    # Figure 1, drawn with the same loader, is that of the authors' preparation: chapter "Width and depth".
    others = {choice: one for choice, one in found.items() if choice[2] == published_mlp.FITTING[2]}
    runner_up, next_best = next(iter(others.items()))
    return (
        at_most(
            "Figure 4a before training, width by width",
            "The published cosines at N = 8 to 512 are those of certified equilibria, squared error and the authors' "
            "preparation (largest deviation, in standard deviations of a batch and the reading).",
            bound=REPRODUCED,
            measured=fitting.largest,
            because="six widths that share one batch; an eightieth of single normal values lies further out",
            source="paper, Figure 4a",
        ),
        at_most(
            "Figure 4a before training, all widths",
            "The same with the correlation of widths that share a batch (equivalent normal deviations).",
            bound=REPRODUCED,
            measured=fitting.sigmas,
            because="Hotelling's test of six values against the draws' covariance",
            source="paper, Figure 4a",
        ),
        at_least(
            "other losses and 100 H steps are excluded",
            f"On the authors' images the nearest other hypothesis ({runner_up[0]}, {runner_up[1]}) is further away "
            "(standard errors of a batch, in the direction in which the published values lie).",
            bound=EXCLUDED,
            measured=next_best.distance,
            because="six dimensions alone give 2.4 on average, and more than 5 once in 3,000",
        ),
    )


def _published_trainings(record: Record) -> tuple[Claim, ...]:
    """How the published cosines change over training, against backpropagation at both rates."""
    found = []
    equal, faster = (changes(record.rated.cosine[..., i], record.settings.rated)[1] for i in range(2))
    for name, agreement in (("equal rates", equal), ("BP's rate sqrt(L) larger", faster)):
        found.append(
            at_most(
                f"Figure 4a over training: {name}",
                f"The published cosines change over 50 and 98 (narrow: 55) steps as with {name} "
                "(chi-squared per value).",
                bound=agreement.usual[1],
                measured=agreement.per_value,
                because="the upper end of the central 95 % where our own batches stand in for the published run",
                source="paper, Figure 4a",
            )
        )
    return fails_outside(found[0]), found[1]


def _outcome(record: Record) -> tuple[Claim, ...]:
    cosines = 1 - record.trained.one_minus_cosine.mean(axis=0)
    narrow = at_least(
        "a narrow network: one gradient",
        "In the narrowest network, too, predictive coding computes backpropagation's gradient throughout training.",
        bound=ALIKE,
        measured=cosines[0].min(),
        because="a cosine that counts as one gradient; the theorem promises it for N >> L only",
        source="paper, Figure 4a",
    )
    return (
        at_least(
            "certified equilibria",
            "Every energy and every cosine of the trainings is taken at an equilibrium with a valid certificate.",
            bound=1,
            measured=min(curves.converged.mean() for curves in (record.trained, record.wide)),
            because="the share of steps at which every sample passed; one that did not would be a gap in the argument",
        ),
        at_least(
            "the cosine rises with width",
            "At every step of training the wider of two networks has the larger cosine (the least gain is shown).",
            bound=0,
            measured=np.diff(cosines, axis=0).min(),
            because="the paper's outcome is an order, not a number",
            source="paper, Figure 4a",
        ),
        fails_outside(narrow),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    settings, start, widths = record.settings, record.start, np.array(record.all_widths)
    gap, angle = (values[..., 0].mean(axis=0) for values in (start.gap, start.one_minus_cosine))
    wide, widest = widths >= WIDE * settings.depth, settings.untrained[-1]
    size = close(
        "the energy's gap to the loss",
        f"At N = {widest} 1 - F*/Loss is (1/2B) sum g M g / Loss, the Moreau envelope's first order.",
        predicted=record.predicted_gap.mean(axis=0)[-1],
        measured=gap[record.all_widths.index(widest)],
        relative_tolerance=settings.depth / widest,
        because="the next order is smaller by a factor of about L/N",
    )
    # One width has no rate.
    if wide.sum() < 2:
        return (size,)
    m = np.array([expected_rescaling(_linear(settings.depth, width), mupc_skips()) for width in widths[wide].tolist()])
    by_gap, by_angle = (fit_slope(widths[wide], value).slope for value in (m / (1 + m), (m / (1 + m)) ** 2))
    between = f"N = {widths[wide][0]} to {widths[-1]}, before the first update"
    return (
        size,
        close(
            "energies become losses as 1/N",
            f"1 - F*/Loss falls as a linear network's m/(1 + m), N^-1 in the limit ({between}).",
            predicted=by_gap,
            measured=fit_slope(widths[wide], gap[wide]).slope,
            tolerance=0.25,
            because="one initialisation scatters by 10 to 20 %, and tanh has less gain than the identity",
        ),
        close(
            "gradients align as 1/N²",
            f"1 - cos falls as a linear network's (m/(1 + m))^2, N^-2 in the limit ({between}).",
            predicted=by_angle,
            measured=fit_slope(widths[wide], angle[wide]).slope,
            tolerance=0.4,
            because="the same scatter and the same gain, each counted twice in a square",
        ),
    )


def _linear(depth: int, width: int) -> MLP:
    return MLP(1, width, depth, skips=True)


def _stopping_rule(record: Record) -> tuple[Claim, ...]:
    settings, stopped = record.settings, record.stopped
    hidden, place = settings.depth - 1, settings.counts.index(STEPS_PER_LAYER)
    chain = skip_chain_residual(hidden, ACTIVITY_RATE, STEPS_PER_LAYER * hidden)
    places = [record.all_widths.index(width) for width in settings.published]
    certified = record.start.one_minus_cosine[:, places, 0].mean(axis=0)
    moved = np.abs(stopped.one_minus_cosine[:, :, place].mean(axis=0) / certified - 1)
    return (
        at_least(
            "100 H steps stop short of the equilibrium",
            "Gradient descent on the activities leaves at least half of what it leaves in a chain of bare skips.",
            bound=chain / 2,
            measured=stopped.residual[:, :, place].min(),
            because=f"the slowest mode of {hidden} skips decays by (1 - 0.3 mu_1)^T; in wide networks branches "
            "slow it further, in narrow ones (N < L) they move it either way",
        ),
        at_least(
            "stopping early moves the cosine",
            "At some width 1 - cos after 100 H steps differs from 1 - cos at the equilibrium by 5 % or more.",
            bound=0.05,
            measured=moved.max(),
            because="smaller than 5 % could not be seen in a figure",
        ),
    )


def _kinks(record: Record) -> tuple[Claim, ...]:
    by_gradient = fails_outside(
        at_least(
            "ReLU: equilibria where dF/dz vanishes",
            "Half of a ReLU network's samples, too, are certified by a vanishing dF/dz (share at the widest shown).",
            bound=0.5,
            measured=record.kinked.by_gradient[:, -1].mean(),
            because="the gradient's certificate assumes a smooth phi; minima of ReLU networks sit on kinks",
        )
    )
    below = at_most(
        "ReLU: where inference stands still is near a minimum",
        "Another method lowers the energy from there by a hundredth of the gap to the loss at most.",
        bound=0.01,
        measured=record.below.excess.max(),
        because="what still counts as the same energy in these figures; a certificate would say zero",
    )
    return by_gradient, below
