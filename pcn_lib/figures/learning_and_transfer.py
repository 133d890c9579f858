"""Pictures of learning: losses against the base rate, best rates over width and depth, and test accuracies."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.claims.learning_and_transfer import losses, transfer_cost
from pcn_lib.experiments.learning_and_transfer import PRESETS, Record
from pcn_lib.experiments.learning_rates import Sweep
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed

#: Colours of predictive coding and of backpropagation.
COLOURS = {"PC": "#0072B2", "BP": "#c1272d"}
TABLES = ("muPC", "SP")


@styled()
def rates(record: Record) -> Picture:
    """Training loss against the base rate, one line for each width; PC above, BP below, muPC left, SP right."""
    figure, grid = axes_grid(2, 2, size=(10.2, 7.0), sharey=True, sharex="col")
    widths = record.settings.widths
    for j, (table, sweep) in enumerate(zip(TABLES, (record.mupc_widths, record.sp_widths), strict=True)):
        for i, (rule, values) in enumerate(losses(sweep).items()):
            axes = grid[i, j]
            for k, (width, colour) in enumerate(zip(widths, width_colours(widths), strict=True)):
                shown = np.minimum(values[k].T, 1e3)
                plot_seeds(axes, 2**sweep.exponents, shown, colour=colour, marker="o", label=f"$N = {width}$")
                axes.axvline(sweep.best(values)[k], color=colour, linewidth=1, linestyle=":")
            axes.set(title=f"{rule} under {table}", yscale="log", ylim=_limits(record))
            axes.set_xscale("log", base=2)
    for axes in grid[1]:
        axes.set_xlabel("base rate $\\eta$")
    for axes in grid[:, 0]:
        axes.set_ylabel("training loss")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(widths))
    sentence = (
        f"Training loss after {record.settings.steps} steps (mean of the last quarter) against the base rate; "
        "dotted, each width's best rate"
    )
    alt = (
        "Four panels, loss against base rate on logarithmic axes. Under muPC the minima of all widths lie at one rate; "
        "under SP they move to smaller rates as the width grows. Predictive coding and backpropagation look alike."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _limits(record: Record) -> tuple[float, float]:
    sweeps = (record.mupc_widths, record.sp_widths)
    lowest = min(values.min() for sweep in sweeps for values in losses(sweep).values())
    return 0.7 * lowest, 5.0


@styled()
def best(record: Record, recorded: Record | None = None) -> Picture:
    """Best base rates against width and against depth, with the tangent kernel's prediction dashed."""
    figure, panels = axes_grid(1, 2, size=(10.2, 4.5))
    for axes, sizes, sweeps in zip(panels, *_by_size(record), strict=True):
        for (table, mark), sweep in zip(zip(TABLES, ("o", "s"), strict=True), sweeps, strict=True):
            for rule, values in losses(sweep).items():
                axes.plot(sizes, sweep.best(values), color=COLOURS[rule], marker=mark, label=f"{rule}, {table}")
            _foretold(axes, np.array(sizes), sweep)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
    if recorded is not None:
        for axes, sizes, sweeps in zip(panels, *_by_size(recorded), strict=True):
            for sweep in sweeps:
                for rule, values in losses(sweep).items():
                    axes.plot(sizes, sweep.best(values), color=COLOURS[rule], linewidth=5, alpha=0.25)
            ticks = sorted({*axes.get_xticks().astype(int), *sizes})
            axes.set_xticks(ticks, ticks)
    panels[0].set(xlabel="width $N$", ylabel="best base rate $\\eta$")
    panels[1].set(xlabel="depth $L$")
    handles, labels = panels[0].get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    figure.legend(kept.values(), kept.keys(), loc="outside lower center", ncols=5)
    sentence = (
        f"Best base rate against width (left, L = {record.settings.depth}) and depth (right, N = "
        f"{record.settings.width}); dashed, inverse to the tangent kernel before training, through BP's first point"
    )
    if recorded is not None:
        sentence += f"; broad pale lines, the recorded run at full size, {recorded.provenance.data_set}"
    alt = (
        "Two panels on logarithmic axes. The upper lines, under muPC, are flat in width and in depth. The lower ones, "
        "under SP, fall with width and with depth."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


def _by_size(record: Record) -> tuple[tuple, tuple]:
    sizes = (record.settings.widths, record.settings.depths)
    return sizes, ((record.mupc_widths, record.sp_widths), (record.mupc_depths, record.sp_depths))


def _foretold(axes: Axes, sizes: np.ndarray, sweep: Sweep) -> None:
    kernel = sweep.kernel.mean(axis=-1)
    plot_theory(axes, sizes, sweep.best(sweep.bp_loss)[0] * kernel[0] / kernel, label="1 / kernel")


@styled()
def accuracies(record: Record) -> Picture:
    """Test accuracy against width, one panel for each depth."""
    depths = record.settings.learned_depths
    figure, panels = axes_grid(1, len(depths), size=(max(5.4 * len(depths), 6.0), 4.4), sharey=True)
    for j, (axes, depth) in enumerate(zip(np.atleast_1d(panels), depths, strict=True)):
        for rule, values in (("PC", record.accuracies.pc), ("BP", record.accuracies.bp)):
            where = np.array(record.settings.learned_widths)
            plot_seeds(axes, where, values[:, j].T, colour=COLOURS[rule], marker="o", label=rule)
        axes.axhline(record.class_means, color="#777777", linewidth=1, linestyle=":", label="nearest class mean")
        axes.set(xscale="log", xlabel="width $N$", title=f"$L = {depth}$")
        widths = record.settings.learned_widths
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
        axes.legend(loc="lower right")
    np.atleast_1d(panels)[0].set(ylabel="test accuracy")
    sentence = (
        f"Test accuracy after {record.settings.learned_steps} steps under muPC, all sizes at the one base rate "
        f"2^{record.settings.learned_rate}; dotted, the nearest class mean"
    )
    alt = (
        "Test accuracy rises with the width for both rules. In the shallow network the two lines meet; in the deep and "
        "narrow one they differ, and the seeds scatter widely."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def summary(record: Record) -> Table:
    """Best rates and what a transferred rate costs, by parameterisation and rule."""
    rows = []
    for table, over_width, over_depth in (
        ("muPC", record.mupc_widths, record.mupc_depths),
        ("SP", record.sp_widths, record.sp_depths),
    ):
        for rule in COLOURS:
            wide, deep = (losses(sweep)[rule] for sweep in (over_width, over_depth))
            cells = (
                _exponents(over_width.best(wide)),
                f"{transfer_cost(over_width, wide):.2f}",
                _exponents(over_depth.best(deep)),
                f"{transfer_cost(over_depth, deep):.2f}",
                f"{over_width.certified.min():.0%}" if rule == "PC" else "–",
            )
            rows.append((f"{rule}, {table}", *cells))
    s = record.settings
    headings = (
        "", f"log2 of the best rate at N = {listed(s.widths)}", "cost of transfer in width",
        f"log2 of the best rate at L = {listed(s.depths)}", "cost of transfer in depth", "certified, least of any rate",
    )  # fmt: skip
    return Table(
        headings,
        tuple(rows),
        "Cost of transfer: loss of the largest size at the smallest one's best rate, over its own lowest loss.",
    )


def against_paper(record: Record) -> Table:
    """There is no published figure: the sizes a GPU would use, and this run's."""
    s, paper = record.settings, PRESETS["paper"]
    smaller = "time"
    rows = (
        ("published figure", "none; the parameterisation's promise", "this chapter's own", "–"),
        ("data", "Fashion-MNIST, all 60,000", record.provenance.data_set, "this run's size"),
        (
            "pixels averaged in the sweeps",
            f"{paper.pool} x {paper.pool}",
            f"{s.pool} x {s.pool}",
            "fewer inputs than units",
        ),
        ("widths, best rate", listed(paper.widths), listed(s.widths), smaller),
        ("depths, best rate", listed(paper.depths), listed(s.depths), smaller),
        ("steps at each rate", str(paper.steps), str(s.steps), smaller),
        ("steps for accuracy", str(paper.learned_steps), str(s.learned_steps), smaller),
        ("batch", str(paper.batch), str(s.batch), smaller),
        ("inference, rates", f"sweeps to {paper.tolerance:g}", f"sweeps to {s.tolerance:g}", "loose, and certified"),
        ("inference, accuracy", "then Newton's method", "then Newton's method", "–"),
        ("seeds", str(paper.seeds), str(s.seeds), smaller),
        ("precision", "float32", record.provenance.dtype, "–"),
    )
    return Table(("", "profile paper, for a GPU", "this run", "difference and why"), rows, "Sizes.")


def _exponents(values: np.ndarray) -> str:
    return ", ".join(f"{value:.1f}" for value in np.log2(values))


def _caption(record: Record, sentence: str) -> str:
    s, made = record.settings, record.provenance
    sizes = f"tanh residual networks, cross-entropy, minibatches of {s.batch}, seeds: {s.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
