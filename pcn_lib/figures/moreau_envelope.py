"""Pictures of the Moreau envelope."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.moreau_envelope import LOSSES, PLANE_SIZE, Record
from pcn_lib.experiments.two_classes import HAND_METRIC
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled
from pcn_lib.statistics import fit_slope

COLOURS = ("#0072B2", "#D55E00", "#009E73")


@styled()
def envelope(record: Record) -> Picture:
    """Loss, envelope and proximal point for two classes: along a line, and in the plane of two outputs."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.4))
    _line(left, record)
    _plane(right, record)
    width, depth = PLANE_SIZE
    return Picture(
        figure,
        caption(
            f"Left, one output, M = {HAND_METRIC:g}, y = 1: the envelope is the least value of loss plus parabola, "
            "taken at the proximal point u*. Right, two outputs: each sample's output f, BP's explicit step "
            "f - M grad ell(f), and where inference takes it; circles are the theorem's u*. Thin lines: equal loss",
            data=record.provenance.data_set,
            sizes=f"left by formula; right a linear network under SP, N = {width}, L = {depth}",
            device=record.provenance.device,
        ),
        alt="Left: the logistic loss falls from 8 to 0 as the output grows; its envelope lies below it everywhere and "
        "meets it far out on the right. Loss plus the parabola about f = -2.5 is least at u = 0, "
        "and its value there is the envelope's at f. Right: outputs of a network as points of the plane; from each a "
        "line leads towards its own class's side and ends in the circle that the theorem predicts; explicit steps "
        "go further.",
        records=(record,),
    )


def _line(axes: Axes, record: Record) -> None:
    shown = record.two_classes
    axes.plot(shown.f, shown.losses, color=COLOURS[0], label=r"loss $\ell(f)$, BP")
    axes.plot(shown.f, shown.envelopes, color=COLOURS[1], label=r"envelope $F^*(f)$, PC")
    f, u = -2.5, np.linspace(-5, 3, 81)
    axes.plot(u, np.logaddexp(0, -u) + (u - f) ** 2 / (2 * HAND_METRIC), color="#444444", linestyle=":",
              label=r"$\ell(u) + (u - f)^2 / 2M$")  # fmt: skip
    least = np.log(2) + 5 / 8
    axes.plot([f, f], [least, np.logaddexp(0, -f)], color="#444444", linewidth=1)
    axes.plot([f, 0], [least, least], color="#444444", linewidth=1)
    axes.plot([f, f, 0], [np.logaddexp(0, -f), least, least], "o", color="#444444")
    axes.annotate("$f$", (f, np.logaddexp(0, -f)), xytext=(6, 6), textcoords="offset points")
    axes.annotate("$u^*$", (0, least), xytext=(4, 8), textcoords="offset points")
    axes.set(xlabel="output $f$ (or $u$)", ylabel="loss or energy", title="loss, envelope and proximal point")
    axes.set(xlim=(-6, 5), ylim=(0, 6.5))
    axes.legend()


def _plane(axes: Axes, record: Record) -> None:
    shown = record.two_classes
    ends = np.concatenate([shown.plane, shown.moved, shown.stepped])
    low, high = ends.min() - 0.3, ends.max() + 0.3
    grid = np.linspace(low, high, 80)
    first, second = np.meshgrid(grid, grid)
    axes.contour(first, second, np.logaddexp(0, first - second), levels=8, colors="#cccccc", linewidths=0.8, zorder=0)
    for label, colour in enumerate(COLOURS[:2]):
        mine = shown.labels == label
        start, end, step = shown.plane[mine], shown.reached[mine], shown.stepped[mine]
        axes.plot(*np.stack([start, step], axis=-1).transpose(1, 2, 0), color=colour, alpha=0.35, linestyle=":")
        axes.plot(*np.stack([start, end], axis=-1).transpose(1, 2, 0), color=colour)
        axes.plot(*start.T, ".", color=colour, label=f"class {label}: $f$")
        axes.plot(*step.T, "x", color=colour, alpha=0.6, label="explicit step")
        axes.plot(*shown.moved[mine].T, "o", color=colour, markerfacecolor="white", label="$u^*$")
    axes.set(xlabel="output of class 0", ylabel="output of class 1", title="outputs before and after inference")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.grid(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


@styled()
def widths(record: Record) -> Picture:
    """1 - F*/Loss of linear networks, and the linearised envelope's error for tanh, against width."""
    settings = record.settings
    linear, tanh = np.array(settings.widths), np.array(settings.tanh_widths)
    figure, (left, right) = axes_grid(1, 2, size=(9.6, 3.8))
    for i, (name, colour) in enumerate(zip(LOSSES, COLOURS, strict=False)):
        plot_seeds(left, linear, record.drop[i].T, colour=colour, label=name, marker="o")
        predicted = record.first_order[i].mean(axis=-1)
        plot_theory(left, linear, predicted, label="first order" if i else None)
    plot_seeds(right, tanh, record.tanh_error.T, colour=COLOURS[1], label="cross-entropy", marker="o")
    fit = fit_slope(tanh, record.tanh_error.mean(axis=-1))
    plot_theory(right, tanh, fit(tanh), label=f"fit $N^{{{fit.slope:.1f}}}$")
    left.set(title="linear: distance of $F^*$ from the loss", ylabel="$1 - F^* / \\mathcal{L}$")
    right.set(title="tanh: error of the linearised envelope", ylabel="relative error of $F^*$")
    for axes, sizes in ((left, linear), (right, tanh)):
        axes.set(xscale="log", yscale="log", xlabel="width $N$")
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
        axes.legend()
    return Picture(
        figure,
        caption(
            "Left, dashed: the first-order prediction from the expected metric, nothing fitted. Right, dashed: the "
            "fitted power of N. Lines are means, shades the range over seeds",
            data=record.provenance.data_set,
            sizes=f"muPC with skips, L = {settings.depth}, K = {settings.outputs}, {settings.seeds} seeds",
            device=record.provenance.device,
        ),
        alt="Two panels on logarithmic axes against width. Left: the distance of the energy from the loss falls as one "
        "over the width for both losses, on the dashed predictions. Right: for tanh the error of the linearised "
        f"envelope falls about as N to the {fit.slope:.1f}.",
        records=(record,),
    )
