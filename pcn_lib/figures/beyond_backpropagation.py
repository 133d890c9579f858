"""Pictures of predictive coding that stays different from backpropagation."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.beyond_backpropagation import EXPONENTS, Curves, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours


def _picture(figure, record: Record, sentence: str, alt: str) -> Picture:
    settings, made = record.settings, record.provenance
    sizes = (
        f"linear residual networks, muPC, L = {settings.depth}, gamma_0 = {settings.gamma_0:g}, widths "
        f"{', '.join(map(str, settings.widths))}, {settings.seeds} seeds"
    )
    text = caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
    return Picture(figure, text, alt, records=(record,))


@styled()
def angle(record: Record) -> Picture:
    """1 - cos at initialisation over width, for several precisions, with the limiting formula."""
    widths = np.array(record.settings.widths)
    figure, axes = axes_grid(size=(7.2, 4.0))
    for p, found, limit in zip(EXPONENTS, record.one_minus_cosine, record.limit, strict=True):
        colour = f"C{EXPONENTS.index(p)}"
        label = {0.0: r"$\lambda = \gamma_0^2$", 1.0: r"$\lambda = \gamma_0^2 N/L$"}.get(
            p, rf"$\lambda = \gamma_0^2 (N/L)^{{{p:g}}}$"
        )
        plot_seeds(axes, widths, found.T, colour=colour, label=label, marker="o")
        plot_theory(axes, widths, limit, label="theory" if p == EXPONENTS[-1] else None)
    axes.set(xscale="log", yscale="log", xlabel="width $N$", ylabel="$1 - \\cos$ of PC's and BP's gradient")
    axes.set_xticks(widths, widths)
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    sentence = (
        "Angle between the gradients at initialisation for four output precisions; dashed the infinite-width formula "
        "with nothing fitted, lines means and shades ranges over seeds"
    )
    alt = (
        "One minus the cosine against width, on logarithmic axes, one line for each precision. It falls as N to the -2 "
        "at precision 1, more slowly in between, and stays flat from precision N over L on; dashed theory close by."
    )
    return _picture(figure, record, sentence, alt)


@styled()
def training(record: Record) -> Picture:
    """Loss curves, angle, lambda M and movement in training: lambda = 1 on the left, gamma_0^2 N / L on the right."""
    figure, axes = axes_grid(4, 2, size=(8.4, 10.4), sharex=True, sharey="row")
    _column(axes[:, 0], record, record.alike)
    _column(axes[:, 1], record, record.different)
    for panel, title in zip(axes[0], (r"$\lambda = 1$", r"$\lambda = \gamma_0^2 N/L$"), strict=True):
        panel.set_title(title)
    for panel, name in zip(
        axes[:, 0], ("loss", "$1 - \\cos$", "$\\lambda M$", "movement of a hidden unit"), strict=True
    ):
        panel.set_ylabel(name)
    for panel in axes[-1]:
        panel.set_xlabel("step")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    sentence = (
        "Training at one rate for all widths: lambda = 1 on the left, lambda = gamma_0^2 N / L on the right. Solid: PC "
        "by width; dotted: BP at the same rate; dash-dotted: BP at the rate over 1 + kappa"
    )
    alt = (
        "Two columns of four panels against training steps. Left, at precision 1, the loss curves of predictive coding "
        "approach backpropagation's as the width grows, and one minus the cosine and lambda M fall with width. Right, "
        "at precision N over L, the curves of different widths lie together, apart from backpropagation's, and one "
        "minus the cosine and lambda M do not fall with width. The movement of hidden units hardly depends on width."
    )
    return _picture(figure, record, sentence, alt)


def _column(panels: np.ndarray, record: Record, curves: Curves) -> None:
    steps = np.arange(record.settings.steps)
    colours = width_colours(record.settings.widths)
    for panel, values in zip(panels, (curves.loss, curves.one_minus_cosine, curves.metric, curves.moved), strict=True):
        for width, found, colour in zip(record.settings.widths, values, colours, strict=True):
            plot_seeds(panel, steps, found, colour=colour, label=f"$N = {width}$")
    _references(panels[0], record)
    panels[1].set_yscale("log")
    panels[2].set_yscale("log")


def _references(axes: Axes, record: Record) -> None:
    """Backpropagation's loss of the widest network, at both rates."""
    axes.plot(record.bp_loss[-1].mean(axis=0), color="#222222", linestyle=":", label="BP")
    axes.plot(record.slow_bp_loss[-1].mean(axis=0), color="#D55E00", linestyle="-.", label="BP, smaller rate")
