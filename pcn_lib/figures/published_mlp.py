"""Pictures of the published Figure 4a beside ours: before the first update, and over training."""

import numpy as np

from pcn_lib.data import figure4
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments import published_mlp
from pcn_lib.experiments.backpropagation_rates import changes
from pcn_lib.experiments.nonlinear_networks import Record
from pcn_lib.figures import Picture, axes_grid, caption, styled, width_colours
from pcn_lib.figures.table import Table

#: Hypotheses about the published figure that are drawn: the one that fits, and each with one choice changed.
SHOWN = (
    ("squared error", "equilibrium", "authors"),
    ("squared error", "equilibrium", "standardised"),
    ("cross-entropy", "equilibrium", "authors"),
    ("squared error", "100 H steps", "authors"),
)


@styled()
def published(trained: Record, hypotheses: published_mlp.Record) -> Picture:
    """The published cosines and ours: before the first update under four hypotheses, and over training.

    Args:
        trained: with backpropagation at two rates, on CIFAR-10.
        hypotheses: about the loss, inference and images.
    """
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.9))
    widths = np.array(hypotheses.settings.widths)
    for choice, colour in zip(SHOWN, ("#0072B2", "#009E73", "#D55E00", "#888888"), strict=True):
        draws = hypotheses.draws(*choice)
        middle, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1)
        left.plot(widths, middle, color=colour, label=", ".join(choice))
        left.fill_between(widths, middle - spread, middle + spread, color=colour, alpha=0.2, linewidth=0)
    values = published_mlp.published_start(hypotheses.settings.widths)
    left.errorbar(widths, values, yerr=FIGURE4_ERROR, fmt="x", color="black", markersize=8, label="published", zorder=5)
    left.set(xscale="log", xlabel="width $N$", ylabel="cos(BP gradient, PC gradient), $t = 0$")
    left.set_xticks(widths, widths)
    left.minorticks_off()
    rated = trained.settings.rated
    curves = {curve.width: curve for curve in figure4("mlp")}
    for place, (width, colour) in enumerate(zip(rated, width_colours(rated), strict=True)):
        for factor, line in enumerate((":", "-")):
            right.plot(trained.rated.cosine[:, place, :, factor].mean(axis=0), line, color=colour)
        right.plot(curves[width].steps, curves[width].cosine, "x", color=colour, markersize=5)
        right.plot([], [], color=colour, label=f"$N = {width}$")
    right.set(xlabel="training step $t$", ylabel="cos(BP gradient, PC gradient)")
    left.legend(loc="lower right", fontsize=8)
    # Between the curves of N = 8 and N = 32, where nothing is drawn.
    right.legend(loc="center right", bbox_to_anchor=(1.0, 0.36), ncols=3, fontsize=8)
    sentence = (
        "Crosses, the published Figure 4a. Left, before the first update, mean and standard deviation of a batch under "
        "four hypotheses. Right, over training, means over the batches: solid, BP at sqrt(L) times PC's rate; dotted, "
        "at PC's rate"
    )
    alt = (
        "Two panels of cosines. Left, against width: the published crosses lie on the line of certified equilibria "
        "with the squared error and the authors' images, and off the other three. Right, over training: crosses bend "
        "as the solid lines do, upwards in narrow and downwards in wide networks, where dotted lines stay flat."
    )
    return Picture(figure, _caption(trained, hypotheses, sentence), alt, records=(hypotheses, trained))


def hypotheses(record: published_mlp.Record) -> Table:
    """Every hypothesis about the published figure, the nearest first."""
    rows = []
    for choice, found in published_mlp.agreements(record).items():
        ours = (f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(found.mean, found.scatter, strict=True))
        numbers = (f"{found.largest:.1f}", f"{found.distance:.1f}", f"{found.sigmas:.1f}")
        rows.append((", ".join(choice), *ours, *numbers))
    values = published_mlp.published_start(record.settings.widths)
    rows.insert(0, ("published (± 0.003)", *(f"{value:.3f}" for value in values), "", "", ""))
    widths = (f"N = {width}" for width in record.settings.widths)
    headings = ("loss, inference, images", *widths, "largest deviation", "distance", "as one normal deviation")
    return Table(
        headings,
        tuple(rows),
        f"Cosines before the first update, mean ± standard deviation of a batch ({record.settings.batches} batches). "
        "Deviation: of a single width, in standard deviations of a batch and the reading. Distance: the same for all "
        "widths together, with the correlation of those that share a batch; about 2.4 where the settings are right.",
    )


def over_training(record: Record) -> Table:
    """How the published cosines change over training, and ours at both rates of backpropagation."""
    widths = record.settings.rated
    rows, kinds = [], ("BP at PC's rate", "BP √L faster")
    both = [changes(record.rated.cosine[..., i], widths) for i in range(2)]
    for k, width in enumerate(widths):
        last = int(next(curve.steps[-1] for curve in figure4("mlp") if curve.width == width))
        for j, t in enumerate((50, last)):
            cells = [f"{both[0][0][k, j]:+.3f}"]
            for _, found in both:
                place = 2 * k + j
                cells.append(f"{found.mean[place]:+.3f} ± {found.scatter[place]:.3f}")
            rows.append((f"N = {width}, t = {t}", *cells))
    per_value = (f"{found.per_value:.1f} (usual: {found.usual[0]:.1f} to {found.usual[1]:.1f})" for _, found in both)
    rows.append(("chi-squared per value", "", *per_value))
    return Table(("", "published", *kinds), tuple(rows), "Change of the cosine since the first step that can be read.")


def _caption(trained: Record, hypotheses: published_mlp.Record, sentence: str) -> str:
    made = hypotheses.provenance
    sizes = (
        f"tanh residual networks, H = {hypotheses.settings.depth - 1} hidden layers, muPC, squared error unless said; "
        f"{hypotheses.settings.batches} batches on the left, {trained.settings.batches} on the right"
    )
    devices = " and ".join(dict.fromkeys((made.device, trained.provenance.device)))
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{devices}, {made.dtype}")
