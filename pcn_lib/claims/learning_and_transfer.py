"""What the chapter on learning and transfer asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.learning_and_transfer import Record
from pcn_lib.experiments.learning_rates import Sweep
from pcn_lib.statistics import fit_slope

#: How many times the best loss a rate taken over from another size may cost and still count as good.
COST = 1.5
#: N / L from which a network counts as wide.
WIDE = 16


def claims(record: Record) -> tuple[Claim, ...]:
    """The best rate over width and depth, accuracies of both rules, and the certificate."""
    return (*_transfer(record), *_kernel(record), *_learning(record), *_certificates(record))


def losses(sweep: Sweep) -> dict[str, np.ndarray]:
    """Predictive coding's and backpropagation's losses by name."""
    return {"PC": sweep.pc_loss, "BP": sweep.bp_loss}


def transfer_cost(sweep: Sweep, values: np.ndarray) -> float:
    """Loss of the last size at the first size's best rate, over the loss at its own best rate (of those tried)."""
    means = values.mean(axis=-1)
    return float(means[-1, means[0].argmin()] / means[-1].min())


def _transfer(record: Record) -> tuple[Claim, ...]:
    made, widths = [], np.array(record.settings.widths)
    # Backpropagation's limit is in N alone; predictive coding shares its rates where it shares its gradients.
    alike = {"PC": widths >= WIDE * record.settings.depth, "BP": widths > 0}
    for rule, values in losses(record.mupc_widths).items():
        where = alike[rule]
        # One width has nowhere to move to.
        if where.sum() > 1:
            best = np.log2(record.mupc_widths.best(values)[where])
            made.append(
                close(
                    f"{rule} under muPC: the best rate does not move with width",
                    f"log2 of the best base rate at N = {widths[-1]} over that at N = {widths[where][0]}.",
                    predicted=0,
                    measured=best[-1] - best[0],
                    tolerance=1,
                    because="a factor of two: losses are flat about their minima, and seeds are few",
                    source="paper, on stable parameterisations; that PC shares them with BP is version 1's abstract",
                )
            )
        made.append(
            at_most(
                f"{rule} under muPC: a rate found in a narrow network serves a wide one",
                "Loss of the widest network at the narrowest one's best rate, relative to its own best.",
                bound=COST,
                measured=transfer_cost(record.mupc_widths, values),
                because="a minimum of the loss that is a factor of two wide on either side costs less than this",
            )
        )
    for rule, values in losses(record.sp_widths).items():
        best = np.log2(record.sp_widths.best(values))
        stays = at_least(
            f"{rule} under SP: the best rate does not fall with width",
            "log2 of the best base rate in the widest network over that in the narrowest is -1/2 or more.",
            bound=-0.5,
            measured=best[-1] - best[0],
            because="half of the factor of two that muPC is allowed",
        )
        made.append(fails_outside(stays))
    return tuple(made)


def _kernel(record: Record) -> tuple[Claim, ...]:
    """Backpropagation's best rates against the tangent kernel before training."""
    made = []
    for name, sweep in (("muPC", record.mupc_widths), ("SP", record.sp_widths)):
        widths = record.settings.widths
        made.append(
            close(
                f"{name}: the tangent kernel foretells the best rate",
                f"The exponent of BP's best rate in N under {name} is minus that of the kernel before training.",
                predicted=-fit_slope(widths, sweep.kernel.mean(axis=-1)).slope,
                measured=fit_slope(widths, sweep.best(sweep.bp_loss)).slope,
                tolerance=0.3,
                because="best rates come from a grid of factors of two or more, over a factor of 8 or more in width",
            )
        )
    return tuple(made)


def _learning(record: Record) -> tuple[Claim, ...]:
    found, settings = record.accuracies, record.settings
    wide, shallow = settings.learned_widths[-1], settings.learned_depths[0]
    difference = found.pc[-1, 0] - found.bp[-1, 0]
    # What seeds scatter, and what a test set of so many images leaves open.
    right = found.bp[-1, 0].mean()
    variance = difference.var(ddof=1) + 2 * right * (1 - right) / settings.test_samples
    allowed = 3 * np.sqrt(variance / difference.size)
    return (
        close(
            "PC and BP learn equally well where N >> L",
            f"Test accuracy of PC less that of BP at N = {wide}, L = {shallow}, mean over seeds.",
            predicted=0,
            measured=difference.mean(),
            tolerance=allowed,
            because="three standard errors: the scatter over seeds, and the finite number of test images",
        ),
        at_least(
            "networks learn more than class means",
            f"Test accuracy of PC at N = {wide}, L = {shallow} against that of the nearest class mean.",
            bound=record.class_means,
            measured=found.pc[-1, 0].mean(),
            because="the simplest classifier, computed from the same images without any training",
        ),
        fails_outside(
            at_most(
                "PC and BP have one loss where N < 4 L",
                f"At N = {settings.learned_widths[0]}, L = {settings.learned_depths[-1]} training losses differ by "
                "2 % or less.",
                bound=0.02,
                measured=_largest_gap(found.pc_loss[0, -1], found.bp_loss[0, -1]),
                because="what counts as one curve; the theorem promises it for N >> L only",
            )
        ),
    )


def _largest_gap(pc: np.ndarray, bp: np.ndarray) -> float:
    """The largest relative gap between two loss curves, seeds averaged."""
    return float(np.max(np.abs(pc.mean(axis=0) / bp.mean(axis=0) - 1)))


def _certificates(record: Record) -> tuple[Claim, ...]:
    settings, found = record.settings, record.accuracies
    sizes = np.array(settings.learned_widths)[:, None] / np.array(settings.learned_depths)[None]
    wide = sizes >= WIDE
    return (
        at_least(
            "equilibria of wide networks are certified",
            f"Share of samples, over the whole training, certified at N >= {WIDE} L (the least shown).",
            bound=0.95,
            measured=found.certified[wide].min() if wide.any() else np.nan,
            because="sweeps and Newton steps are limited: at a large rate a batch in passing may need more",
        ),
        at_least(
            "the rates tried hold the best one",
            "Share of sizes under muPC whose lowest loss lies inside the range of rates tried.",
            bound=1,
            measured=np.mean([record.mupc_widths.inside(v) for v in losses(record.mupc_widths).values()]),
            because="a minimum at the end of a range is none",
        ),
    )
