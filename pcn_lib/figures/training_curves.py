"""Pictures of predictive coding and backpropagation in training: the published figures' axes, and the rescaling."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.linear_trainings import Curves
from pcn_lib.experiments.training_curves import PRESETS, PUBLISHED_RATE, Record, expected
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table

#: Losses and energies outside this range are not drawn: a training that diverges leaves through the top.
SHOWN = (1e-4, 3.0)


@styled()
def curves(record: Record, rate: float) -> Picture:
    """F* and Loss, their ratio, and the cosine over training at one rate: the axes of the published figures.

    Raises:
        ValueError: a rate that was not run.
    """
    place = _place(record, rate)
    figure, panels = axes_grid(2, 3, size=(10.5, 6.6), sharex=True)
    for (kind, all_rates), row in zip(record.kinds, panels, strict=True):
        _row(row, record, all_rates[place])
        row[0].set(ylabel=f"{kind}\nenergy or loss", yscale="log", ylim=SHOWN)
        row[1].set(ylabel=r"$\mathcal{F}^*/\mathcal{L}$", ylim=(-0.03, 1.05))
        row[2].set(ylabel=r"cos(BP, PC)", ylim=(-1.05, 1.05))
    for axes in panels[-1]:
        axes.set(xlabel="training step $t$")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(record.settings.widths)
    )
    sentence = (
        f"Trained at rate {rate:g}: F* (solid) and backpropagation's loss (dotted); F*/Loss and the cosine of both "
        "gradients on predictive coding's weights. Curves that leave the frame diverge"
    )
    alt = (
        "Two rows of three panels over the training step, above without and below with skips, one colour for each "
        "width. Energies lie below losses; the ratio and the cosine are nearer to 1 for wider networks at the start, "
        "and the ratio falls during training."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _row(row: np.ndarray, record: Record, trained: Curves) -> None:
    widths = record.settings.widths
    steps = np.arange(trained.energy.shape[-1])
    for i, (width, colour) in enumerate(zip(widths, width_colours(widths), strict=True)):
        one = trained[i]
        plot_seeds(row[0], steps, _visible(one.energy), colour=colour, label=rf"$\mathcal{{F}}^*$, $N = {width}$")
        row[0].plot(steps, _visible(one.bp_loss).mean(axis=0), color=colour, linestyle=":", label=f"BP, $N = {width}$")
        alive = np.isfinite(_visible(one.pc_loss))
        plot_seeds(row[1], steps, np.where(alive, 1 - one.gap, np.nan), colour=colour)
        plot_seeds(row[2], steps, np.where(alive, 1 - one.same_weights, np.nan), colour=colour)


def _visible(values: np.ndarray) -> np.ndarray:
    """What has not diverged: from the step at which a training leaves the frame for good, nothing."""
    with np.errstate(invalid="ignore"):
        outside = ~(values < 1e3)
    return np.where(np.logical_or.accumulate(outside, axis=-1), np.nan, values)


@styled()
def rescaling(record: Record) -> Picture:
    """(s - 1) N / L over training at the smallest rate: one curve for all widths that are large enough."""
    settings = record.settings
    figure, panels = axes_grid(1, 2, size=(10.2, 4.2))
    for axes, (kind, all_rates), skips in zip(panels, record.kinds, (False, True), strict=True):
        slow = all_rates[0]
        steps = np.arange(slow.energy.shape[-1])
        for i, (width, colour) in enumerate(zip(settings.widths, width_colours(settings.widths), strict=True)):
            scale = width / settings.depth
            plot_seeds(axes, steps, scale * slow.rescaling[i], colour=colour, label=f"$N = {width}$")
        limit = expected(settings, skips=skips)[-1] * settings.widths[-1] / settings.depth
        plot_theory(axes, steps[[0, -1]], np.array([limit, limit]), label="expected at $t = 0$")
        axes.set(xlabel="training step $t$", ylabel="$(s - 1)\\,N/L$", yscale="log", title=kind)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    sentence = (
        f"The rescaling in units of L/N while predictive coding learns at rate {settings.rates[0]:g}; mean and range "
        "over seeds, dashed its expectation at initialisation"
    )
    alt = (
        "Two panels on a logarithmic axis over the training step, without and with skips. Every curve starts near the "
        "dashed expectation and rises as the network learns, without skips by far more."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def late(record: Record) -> Picture:
    """1 - cos and 1 - F*/Loss against the loss, at the largest rate, with skips."""
    settings = record.settings
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.2), sharex=True)
    for i, (width, colour) in enumerate(zip(settings.widths, width_colours(settings.widths), strict=True)):
        one = record.skips[-1, i]
        for seed in range(settings.seeds):
            label = f"$N = {width}$" if seed == 0 else None
            left.plot(one.pc_loss[seed], one.same_weights[seed], color=colour, label=label)
            right.plot(one.pc_loss[seed], one.gap[seed], color=colour)
    line = np.array([1e-6, 0.1])
    plot_theory(left, line, 0.6 * line, label=r"slope 1")
    left.set(
        xscale="log",
        yscale="log",
        xlim=(1, 1e-7),
        ylim=(1e-7, 3),
        ylabel="$1 - \\cos$",
        xlabel=r"loss $\mathcal{L}$ of PC (falls to the right)",
    )
    right.set(
        ylabel=r"$1 - \mathcal{F}^*/\mathcal{L}$",
        ylim=(0, 1.03),
        xlabel=r"loss $\mathcal{L}$ of PC (falls to the right)",
    )
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    sentence = (
        f"With skips at rate {settings.rates[-1]:g}, against the loss; one line for each seed. "
        "The direction returns to backpropagation's as the loss vanishes, the length does not"
    )
    alt = (
        "Two panels against the loss on a logarithmic axis that decreases to the right. Left, one minus the cosine "
        "falls in proportion to the loss. Right, one minus F*/Loss rises during training and stays high."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def widths(record: Record, larger: Record | None = None) -> Picture:
    """1 - F*/Loss against width before and after training at the smallest rate, beside a recorded larger run."""
    figure, panels = axes_grid(1, 2, size=(10.2, 4.2), sharey=True)
    for axes, (kind, all_rates), skips in zip(panels, record.kinds, (False, True), strict=True):
        _against_width(axes, record, all_rates)
        if larger is not None:
            other = dict(larger.kinds)[kind]
            for place, colour in ((0, "#0072B2"), (-1, "#D55E00")):
                gap = other.gap[0, :, :, place].mean(axis=1)
                axes.plot(larger.settings.widths, gap, "o", mfc="none", color=colour, markersize=10)
            axes.plot([], [], "o", mfc="none", color="#555555", markersize=10, label=f"recorded: full size, seeds: "
                      f"{larger.settings.seeds}")  # fmt: skip
        settings = record.settings if larger is None else larger.settings
        s = 1 + np.array(expected(settings, skips=skips))
        plot_theory(axes, np.array(settings.widths), 1 - 1 / s, label="expected at $t = 0$")
        axes.set(xscale="log", yscale="log", xlabel="width $N$", title=kind)
        axes.set_xticks(settings.widths, settings.widths)
        axes.minorticks_off()
    panels[0].set(ylabel=r"$1 - \mathcal{F}^*/\mathcal{L}$")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    rate = record.settings.rates[0]
    sentence = (
        f"The energy's gap to the loss against width, before and after training at rate {rate:g}; dashed, 1 - 1/E[s]"
    )
    alt = (
        "Two panels on logarithmic axes against the width, without and with skips. Before training the gap falls with "
        "width along the dashed expectation; after training it is larger at every width and falls more slowly."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, larger))


def _against_width(axes: Axes, record: Record, all_rates: Curves) -> None:
    steps = record.settings.steps
    for place, colour, label in ((0, "#0072B2", "$t = 0$"), (-1, "#D55E00", f"$t = {steps}$")):
        gap = all_rates.gap[0, :, :, place].T
        plot_seeds(axes, np.array(record.settings.widths), gap, colour=colour, marker="o", label=label)


def _place(record: Record, rate: float) -> int:
    if rate not in record.settings.rates:
        raise ValueError(f"rate {rate} given; the record holds {record.settings.rates}: choose one of these")
    return record.settings.rates.index(rate)


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear networks, H = {settings.depth - 1} hidden layers, muPC, gradient descent, seeds: {settings.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper, same = record.settings, PRESETS["paper"], "–"
    published = ", ".join(map(str, paper.widths))
    given = ", ".join(map(str, s.widths))
    rows = (
        ("data", "toy task, D = 40, 20 samples", record.provenance.data_set, same),
        ("hidden layers H", "15", str(s.depth - 1), same if s.depth == paper.depth else "time"),
        ("widths N", published, given, same if given == published else "time; the trend is in the rate"),
        ("parameterisation", "muPC, gamma_0 = 1", "muPC, gamma_0 = 1", same),
        (
            "rate",
            f"{PUBLISHED_RATE:g} (scaled)",
            ", ".join(f"{rate:g}" for rate in s.rates) + " (scaled)",
            "a rate at which every network is stable stands beside the published one",
        ),
        ("training steps", "100", str(s.steps), same if s.steps == paper.steps else "time"),
        ("inference", "exact equilibrium", "exact equilibrium, certified", same),
        ("seeds", "not stated to us", str(s.seeds), "to show the spread"),
        (
            "loss",
            "squared error",
            "half the squared error, mean over the batch",
            "stated, since it sets the rate's unit",
        ),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")
