"""Pictures of inference as backpropagation iterated to self-consistency."""

import numpy as np

from pcn_lib.experiments.one_sweep_is_backpropagation import ACTIVATIONS, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours

#: Sweeps whose weight gradients are shown against width.
SHOWN = (1, 2, 3, 4)
#: Below this, distances are rounding.
FLOOR = 1e-15


@styled()
def contraction(record: Record) -> Picture:
    """The factor per sweep against ||lambda M|| (linear), and against width with its two parts (tanh)."""
    settings, wide = record.settings, record.wide
    widths = np.array(settings.widths)
    figure, (left, right) = axes_grid(1, 2, size=(10.4, 4.6))
    colours = dict(zip(sorted({width for width, _ in settings.sizes}), width_colours(_widths(record)), strict=True))
    for i, (width, depth) in enumerate(settings.sizes):
        seen = dict(linestyle="none", marker="s" if depth != settings.depth else "o", color=colours[width])
        left.plot(wide.metric[0, i, :, 0], wide.contraction[0, i].max(axis=-1), **seen)
    for outside, marker, name in ((record.narrow, "v", "narrow and deep"), (record.standard, "^", "SP")):
        left.plot(outside.metric[0], outside.contraction.max(), marker, color="C1", markersize=7, label=name)
    ends = np.array([wide.metric[0].min() / 2, 2 * max(record.narrow.metric[0], record.standard.metric[0])])
    plot_theory(left, ends, ends, label="predicted")
    left.axhspan(1, ends[1], color="C1", alpha=0.08, linewidth=0)
    left.set(xscale="log", yscale="log", xlabel=r"$\|\lambda M\|$", ylabel="contraction factor per sweep")
    left.set(title="linear: sweeps diverge in the shaded part")
    left.legend()
    for part, colour, name in ((wide.contraction, "C0", "measured"), (wide.metric, "C2", r"$\|\lambda M\|$")):
        samples = record.by_width(part)[1].reshape(len(settings.widths), -1).T
        plot_seeds(right, widths, samples, colour=colour, marker="o", label=name)
    alone = record.by_width(wide.curvature)[1].mean(axis=(1, 2))
    right.plot(widths, alone, "sC1", markersize=7, fillstyle="none", label=r"without $\lambda P^\top P$")
    right.set(xscale="log", yscale="log", xlabel="width $N$", title=f"tanh, depth $L = {settings.depth}$")
    _ticks(right, settings.widths)
    right.legend()
    return Picture(
        figure,
        _caption(
            "How much a sweep shrinks the slowest deviation from the equilibrium. Left: each network (circles: "
            f"L = {settings.depth}; squares: other depths; lighter: wider), on the prediction. Right: mean and range "
            "over samples and seeds; squares, the mean for the derivative without its first part",
            record,
        ),
        alt="Left, log-log: the measured contraction factor lies on the dashed diagonal, where it equals the norm of "
        "lambda M, for all widths and depths; the narrow deep network and the one in standard parameterisation lie "
        "on it too, above 1. Right: for tanh the measured factor falls with width about as one over N, coincides with "
        "the curvature's part, and lies several times above the norm of lambda M.",
        records=(record,),
    )


@styled()
def accuracy(record: Record) -> Picture:
    """The distance from the equilibrium over the sweeps, and the weight gradient's error against width."""
    settings, widths = record.settings, np.array(record.settings.widths)
    figure, panels = axes_grid(2, 2, size=(10.4, 8.0), sharey="col")
    for row, (name, _), over_sweeps, errors in zip(
        panels,
        ACTIVATIONS,
        record.by_width(record.wide.distance),
        record.by_width(record.wide.gradient_error),
        strict=True,
    ):
        for width, colour, seeds in zip(settings.widths, width_colours(settings.widths), over_sweeps, strict=True):
            shown = np.where(seeds > FLOOR, seeds, np.nan)
            plot_seeds(row[0], np.arange(seeds.shape[-1]), shown, colour=colour, marker="o", label=f"$N = {width}$")
        for k in SHOWN:
            seeds = errors[..., k - 1].T
            plot_seeds(row[1], widths, seeds, colour=f"C{k - 1}", marker="o", label=f"$k = {k}$")
            anchor = np.exp(np.log(seeds[:, -1]).mean())
            plot_theory(row[1], widths, anchor * (widths[-1] / widths) ** k)
        row[0].set(yscale="log", ylabel=r"$\|e^k - e^*\| \,/\, \|e^*\|$", title=f"{name}: errors over the sweeps")
        row[1].set(xscale="log", yscale="log", title=f"{name}: weight gradient of sweep $k$")
        row[1].set(ylabel="relative distance from PC's gradient")
        _ticks(row[1], settings.widths)
    _predicted_distance(panels[0, 0], record)
    panels[1, 0].set(xlabel="sweeps $k$")
    panels[1, 1].set(xlabel="width $N$")
    for axes in panels[0]:
        axes.legend(fontsize=9)
    return Picture(
        figure,
        _caption(
            f"Sweeps of networks of depth L = {settings.depth}, mean and range over seeds. Left: dashed, the bound "
            "from the largest norm of lambda M among the seeds. Right: k = 1 is backpropagation; dashed, slope -k",
            record,
        ),
        alt="Left: the distance from the equilibrium falls by the same factor at each sweep, a smaller one in wider "
        "networks, in linear networks on or below the dashed bounds. Right: the relative error of the weight gradient "
        "after one, two, three and four sweeps falls with width with slopes of about minus one, two, three and four.",
        records=(record,),
    )


def _predicted_distance(axes, record: Record) -> None:
    """The bound ||lambda M||^k, with the largest norm among each width's linear networks."""
    for metric in record.by_width(record.wide.metric)[0].max(axis=(1, 2)):
        bound = metric ** np.arange(record.settings.sweeps)
        plot_theory(axes, np.arange(record.settings.sweeps), np.where(bound > FLOOR, bound, np.nan))


def _widths(record: Record) -> list[int]:
    return sorted({width for width, _ in record.settings.sizes})


def _ticks(axes, widths: tuple[int, ...]) -> None:
    axes.set_xticks(widths, widths)
    axes.minorticks_off()


def _caption(sentence: str, record: Record) -> str:
    sizes = f"residual networks, muPC, at initialisation, K = {record.settings.outputs}, {record.settings.seeds} seeds"
    made = record.provenance
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
