"""Pictures of lazy and rich learning: the published figure's axes, the limit, and what moves."""

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from pcn_lib.experiments.learning_regimes import PRESETS, Record
from pcn_lib.experiments.output_scales import Trainings
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table

#: Colour of backpropagation's loss, which is not a width.
BP = "#c1272d"


def _scale_colour(gamma: float) -> str:
    """One colour for each gamma_0, the same in every record; another scale than that of widths."""
    return to_hex(matplotlib.colormaps["plasma"](0.08 + 0.78 * np.clip(np.log(gamma / 0.1) / np.log(40), 0, 1)))


@styled()
def without_skips(record: Record) -> Picture:
    """Energies and losses over training for each gamma_0, with the curve at infinite width."""
    sentence = (
        "Networks without skips: energies of predictive coding (solid) and its losses (dotted) by width, the loss of "
        "the widest network under backpropagation (red), and the loss at infinite width (dashed)"
    )
    alt = (
        "One panel for each output scale gamma_0, energy or loss against the training step. In the panel of the "
        "smallest gamma_0 energies lie far below losses at every width; in the others both climb onto the dashed "
        "curve of infinite width as the width grows, and the curve falls the sooner the larger gamma_0 is."
    )
    return _curves(record, record.trained, record.settings.widths, sentence, alt)


@styled()
def with_skips(record: Record) -> Picture:
    """The same with skips, for which no limit is computed."""
    sentence = (
        "Networks with skips: energies of predictive coding (solid) and its losses (dotted) by width, and the loss of "
        "the widest network under backpropagation (red)"
    )
    alt = (
        "One panel for each output scale gamma_0, energy or loss against the training step. Energies meet losses as "
        "the width grows, except in the panel of the smallest gamma_0."
    )
    return _curves(record, record.skips, record.settings.skip_widths, sentence, alt)


def _curves(record: Record, trained: Trainings, widths: tuple[int, ...], sentence: str, alt: str) -> Picture:
    gammas = record.settings.gammas
    columns = min(3, len(gammas))
    rows = -(-len(gammas) // columns)
    figure, panels = axes_grid(rows, columns, size=(3.4 * columns, 2.7 * rows + 0.9), sharex=True, sharey=True)
    panels = np.ravel(panels)
    steps = np.arange(trained.energy.shape[-1])
    for i, (axes, gamma) in enumerate(zip(panels, gammas, strict=False)):
        for width, colour, one in zip(widths, width_colours(widths), range(len(widths)), strict=True):
            plot_seeds(
                axes, steps, trained.energy[one, :, i], colour=colour, label=rf"$\mathcal{{F}}^*$, $N = {width}$"
            )
            axes.plot(steps, trained.pc_loss[one, :, i].mean(axis=0), color=colour, linestyle=":", linewidth=1.3)
        plot_seeds(
            axes, steps, trained.bp_loss[-1, :, i], colour=BP, label=rf"$\mathcal{{L}}$ (BP), $N = {widths[-1]}$"
        )
        if trained is record.trained:
            plot_theory(axes, steps, record.limit_loss[i], label=r"$\mathcal{L}$, $N = \infty$")
        axes.set(title=rf"$\gamma_0 = {gamma:g}$", ylim=(0, 0.72))
    for axes in panels[len(gammas) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel("energy or loss")
    for axes in panels[-columns:]:
        axes.set_xlabel("training step $t$")
    handles, labels = panels[0].get_legend_handles_labels()
    handles.append(panels[0].plot([], [], color="#888888", linestyle=":", linewidth=1.3)[0])
    figure.legend(handles, [*labels, r"$\mathcal{L}$ (PC), same width"], loc="outside lower center", ncols=4)
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def movement(record: Record) -> Picture:
    """How far features move, over training and against gamma_0: the measure of laziness."""
    settings, trained = record.settings, record.trained
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.2))
    steps = np.arange(trained.bp_moved.shape[-1])
    for i, gamma in enumerate(settings.gammas):
        plot_seeds(
            left, steps, trained.pc_moved[-1, :, i], colour=_scale_colour(gamma), label=rf"$\gamma_0 = {gamma:g}$"
        )
        plot_theory(left, steps, record.limit_moved[i])
    left.set(xlabel="training step $t$", ylabel=r"$\|h(t) - h(0)\| / \|h(0)\|$")
    left.legend(fontsize="small")
    for width, colour, pc, bp in zip(
        settings.widths, width_colours(settings.widths), trained.pc_moved, trained.bp_moved, strict=True
    ):
        plot_seeds(right, np.array(settings.gammas), pc[..., -1], colour=colour, marker="o", label=f"PC, $N = {width}$")
        right.plot(settings.gammas, bp[..., -1].mean(axis=0), "x", color=colour, markersize=8)
    right.plot([], [], "x", color="#888888", markersize=8, label="BP, same width")
    gammas = np.unique([*settings.lazy, *settings.gammas])
    known = dict(zip(settings.lazy, record.lazy_moved, strict=True))
    known |= dict(zip(settings.gammas, record.limit_moved[:, -1], strict=True))
    plot_theory(right, gammas, [known[gamma] for gamma in gammas], label=r"$N = \infty$")
    right.plot(gammas, known[gammas[0]] * gammas / gammas[0], color="#888888", linewidth=1, label=r"$\propto \gamma_0$")
    right.set(xscale="log", yscale="log", xlabel=r"output scale $\gamma_0$", ylabel=r"the same at the last step")
    right.legend()
    sentence = (
        f"Movement of the last hidden layer, dashed at infinite width. Left, over training (PC, N = "
        f"{settings.widths[-1]}); right, at the last step against gamma_0"
    )
    alt = (
        "Left, relative movement of the features against the step: near zero for the smallest gamma_0, above one for "
        "the largest, on the dashed curves. Right, the last value against gamma_0 on logarithmic axes: it rises in "
        "proportion to gamma_0 where that is small, faster from about one half on, and levels off beyond two. PC in "
        "networks that are not wide lies below the line at the smallest gamma_0, BP above it."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def widths(record: Record, kept: Record | None = None) -> Picture:
    """Three distances against width: to the limit, between PC and BP, and between energy and loss."""
    figure, panels = axes_grid(1, 3, size=(10.2, 4.2))
    _distances(panels, record, kept=False)
    if kept is not None:
        _distances(panels, kept, kept=True)
    N = np.unique([*record.settings.widths, *(kept.settings.widths if kept else ())])
    for axes, power in zip(panels, (-0.5, -1, -1), strict=True):
        middle = axes.get_lines()[len(record.settings.gammas) // 2]
        plot_theory(axes, N, middle.get_ydata()[-1] * (N / middle.get_xdata()[-1]) ** power, label="predicted rate")
        axes.set(xscale="log", yscale="log", xlabel="width $N$")
        axes.set_xticks(N, N)
        axes.minorticks_off()
    panels[0].set_title("outputs to those of $N = \\infty$")
    panels[1].set_title("losses of PC and BP")
    panels[2].set_title(r"$1 - \mathcal{F}^*/\mathcal{L}$, largest")
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return Picture(
        figure,
        _caption(
            record, "Distances against width, one line for each gamma_0, means over seeds; dashed, predicted rates"
        ),
        alt="Three log-log panels against width. Distances to infinite width fall with slope -1/2; the difference "
        "between the losses of predictive coding and backpropagation and the gap between energy and loss fall with "
        "slope -1. For the smallest gamma_0 all of them are larger and bend.",
        records=(record, kept),
    )


def _distances(panels: np.ndarray, record: Record, kept: bool) -> None:
    settings, trained = record.settings, record.trained
    quantities = (
        np.sqrt(np.mean(trained.bp_distance**2, axis=(1, 3))),
        np.abs(trained.pc_loss - trained.bp_loss).max(axis=-1).mean(axis=1),
        trained.gap.max(axis=-1).mean(axis=1),
    )
    for axes, values in zip(panels, quantities, strict=True):
        for i, gamma in enumerate(settings.gammas):
            colour = _scale_colour(gamma)
            if kept:
                axes.plot(settings.widths, values[:, i], "s", color=colour, markerfacecolor="none", markersize=10)
            else:
                axes.plot(settings.widths, values[:, i], marker="o", color=colour, label=rf"$\gamma_0 = {gamma:g}$")
        if kept:
            label = f"recorded: full size, N to {settings.widths[-1]}"
            axes.plot([], [], "s", color="#888888", markerfacecolor="none", markersize=10, label=label)


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper = record.settings, PRESETS["paper"]
    same, smaller = "–", "time; the rate in N says what a wider network would do"
    rows = (
        ("data", "toy task, D = 40, 20 samples", record.provenance.data_set, "another draw"),
        ("hidden layers H", "4", str(s.depth - 1), same),
        ("output scales", _list(paper.gammas), _list(s.gammas), same if s.gammas == paper.gammas else "time"),
        ("widths, no skips", "2048", _list(s.widths), "several, for the rate" if 2048 in s.widths else smaller),
        ("widths, skips", "2048", _list(s.skip_widths), "several, for the rate" if 2048 in s.skip_widths else smaller),
        ("rate eta", "0.5 in the paper's other toy experiments", f"{s.rate:g}", "0.5 diverges from gamma_0 = 2 on"),
        ("steps", "100", str(s.steps), same if s.steps == 100 else "time"),
        ("inference", "exact", "exact, certified", same),
        (
            "infinite width",
            "iterated equations, gradient flow",
            "one march, discrete steps",
            "exact for the steps taken",
        ),
        ("seeds", "1", str(s.seeds), same if s.seeds == 1 else "to show the spread"),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear networks, H = {settings.depth - 1}, muPC, rate {settings.rate:g} (scaled), seeds: {settings.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def _list(sizes: tuple[int | float, ...]) -> str:
    return ", ".join(f"{size:g}" for size in sizes)
