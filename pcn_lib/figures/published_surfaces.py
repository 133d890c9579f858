"""Pictures of the published Figure 1 beside ours: the cosines, and how far each lies off under four pairs of rates."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pcn_lib.data import figure1
from pcn_lib.data.published import FIGURE1_ERROR, Figure1
from pcn_lib.experiments.paired_trainings import PAIRS
from pcn_lib.experiments.published_figures import FIGURE1_RUNS, Cells
from pcn_lib.experiments.published_surfaces import FITS, FITS_FROM, WORDS, Answer, answer, fits
from pcn_lib.experiments.width_depth_surfaces import Record
from pcn_lib.figures import Picture, axes_grid, caption, styled
from pcn_lib.figures.table import Table

#: Within how many standard deviations a published value counts as near, where it is drawn.
NEAR = 2
#: The pairs of trainings as formulas, for titles: predictive coding's and backpropagation's Adam rate, over eta.
TITLES = {
    "equal": "both at $(NL)^{-1/2}$",
    "BP faster": "PC at $(NL)^{-1/2}$,\nBP at $N^{-1/2}$",
    "both faster": "both at $N^{-1/2}$",
    "PC faster": "PC at $N^{-1/2}$,\nBP at $(NL)^{-1/2}$",
}


@styled()
def published(record: Record, kept: Record | None = None) -> Picture:
    """The published cosines against width, and ours where this run or the kept one holds the paper's networks."""
    paper, found = figure1(), answer((record, kept), figure1())
    figure, panels = axes_grid(1, len(paper.steps), size=(10.6, 4.5), sharey=True)
    for i, (axes, t) in enumerate(zip(panels, paper.steps, strict=True)):
        for j, depth in enumerate(paper.depths):
            if found is not None:
                _ours(axes, found, depth, t, f"C{j}")
            style = dict(mfc=f"C{j}", mec="black", mew=0.9, markersize=6, zorder=4 + 0.1 * j)
            axes.plot(paper.widths, paper.cosine[i, j], "o", label=f"published, $L = {depth}$", **style)
        axes.set(xscale="log", xlabel="width $N$", title=f"$t = {t}$")
        axes.set_xticks(paper.widths, paper.widths, fontsize=9)
        axes.minorticks_off()
    panels[0].set(ylabel="cos(BP gradient, PC gradient)", ylim=(0, 1.03))
    marks = [(line, f"$L = {depth}$") for depth in paper.depths for line in panels[0].lines
             if line.get_label() == f"published, $L = {depth}$"]  # fmt: skip
    figure.legend(*zip(*marks, strict=True), loc="outside lower center", ncols=len(paper.depths))
    return _published_picture(figure, paper, found)


def _ours(axes: Axes, found: Answer, depth: int, step: int, colour: str) -> None:
    """Means over the batches, with where the mean of three lies; dotted, at the rates of the script as it stands."""
    settings = found.record.settings
    place = (settings.depths.index(depth), slice(None), slice(None), settings.snapshots.index(step))
    draws = found.surface.draws(FITS)[place]
    known = np.isfinite(draws).all(axis=1)
    widths, draws = np.array(settings.widths)[known], draws[known]
    middle, spread = draws.mean(axis=1), NEAR * draws.std(axis=1, ddof=1) / FIGURE1_RUNS**0.5
    axes.plot(widths, middle, color=colour, label=f"ours, {WORDS[FITS]}, $L = {depth}$")
    axes.fill_between(widths, middle - spread, middle + spread, color=colour, alpha=0.25, linewidth=0)
    if step:
        equal = found.surface.draws("equal")[place][known]
        label = f"ours, {WORDS['equal']}, $L = {depth}$"
        axes.plot(widths, equal.mean(axis=1), ":", color=colour, linewidth=1.4, label=label)


def _published_picture(figure: Figure, paper: Figure1, found: Answer | None) -> Picture:
    words = (
        f"Marks, the published cosines of Figure 1, means of {FIGURE1_RUNS} runs, read to {FIGURE1_ERROR} (not visible)"
    )
    alt = (
        f"Three panels of cosines against width, before training and after {paper.steps[1]} and {paper.steps[2]} "
        "updates, one colour for each depth. The marks rise towards 1 with width and fall with depth"
    )
    if found is None:
        sentence = f"{words}, alone: neither this run nor one kept with the book holds the paper's networks on CIFAR-10"
        told = caption(sentence, data="CIFAR-10, published", sizes="linear residual networks", device="none of ours")
        return Picture(figure, told, f"{alt}.")
    sentence = (
        f"{words}, on ours. Lines, means over {_batches(found)} batches, with shades where the mean of {FIGURE1_RUNS} "
        f"lies ({NEAR} standard deviations): Adam rates over eta {WORDS[FITS]}; dotted, {WORDS['equal']}. Before "
        "training nothing depends on the rates"
    )
    alt += " and lie on the solid lines; after training the dotted lines run above most of them."
    return Picture(figure, _caption(found, sentence), alt, records=(found.record,))


@styled()
def deviations(record: Record, kept: Record | None = None) -> Picture | None:
    """How far every published cosine lies from ours, under each pair of rates; None where no run can say."""
    found = answer((record, kept), figure1())
    if found is None:
        return None
    figure, panels = axes_grid(1, 1 + len(PAIRS), size=(11.4, 4.4), sharey=True)
    _dots(panels[0], found, found.start())
    panels[0].set_title("before training\n(any rates)", fontsize=10)
    order = sorted(PAIRS, key=lambda pair: pair != FITS)
    for axes, pair in zip(panels[1:], order, strict=True):
        _dots(axes, found, found.trained(pair))
        axes.set_title(f"after training\n{TITLES[pair]}", fontsize=10)
    panels[0].set(ylabel="deviation of the published cosine\n(standard deviations)")
    marks = [Line2D([], [], marker="o", linestyle="", color=f"C{j}") for j in range(len(found.paper.depths))]
    marks.append(Line2D([], [], marker="o", linestyle="", color="#444444", mfc="none"))
    words = [*(f"$L = {depth}$" for depth in found.paper.depths), f"$t = {found.paper.steps[-1]}$"]
    figure.legend(marks, words, loc="outside lower center", ncols=len(words))
    sentence = (
        "Published minus our mean cosine, in standard deviations of that difference, cell by cell below the top "
        f"colour; after training from N = {FITS_FROM} on, full marks t = {found.paper.steps[1]} and open ones "
        f"t = {found.paper.steps[2]}; grey, within {NEAR}. Each column of panels is a pair of Adam rates over eta, "
        "predictive coding's (PC) and backpropagation's (BP)"
    )
    alt = (
        "Five panels of dots against width. Before training, and after it with both trainings at the rate N^-1/2, "
        "nearly all dots lie in the grey band; under the three other pairs of rates they leave it, below it where a "
        "rate is too small and above it where predictive coding alone is fast."
    )
    return Picture(figure, _caption(found, sentence), alt, records=(found.record,))


def _dots(axes: Axes, found: Answer, cells: Cells) -> None:
    """Deviations against width, one colour for each depth, the last snapshot with open marks."""
    depths = found.paper.depths
    axes.axhspan(-NEAR, NEAR, color="#e8e8e8", zorder=0)
    axes.axhline(0, color="#888888", linewidth=0.8)
    for j, depth in enumerate(depths):
        for t in found.paper.steps:
            mine = [i for i, place in enumerate(cells.places) if place[:2] == (t, depth)]
            style = dict(color=f"C{j}", mfc="none" if t == found.paper.steps[-1] else f"C{j}", mew=1.4, markersize=6)
            at = [cells.places[i][2] for i in mine]
            axes.plot(at, cells.agreement.deviations[mine], "o", label=f"$L = {depth}$, $t = {t}$", **style)
    shown = [width for width in found.paper.widths if width in {place[2] for place in cells.places}]
    axes.set(xscale="log", xlabel="width $N$", xlim=(shown[0] / 2, shown[-1] * 2))
    axes.set_xticks(shown, shown, fontsize=9)
    axes.minorticks_off()


def settings_found(record: Record, kept: Record | None = None) -> Table | None:
    """Which rates the published cosines after training allow; None where no run can say."""
    found = answer((record, kept), figure1())
    if found is None:
        return None
    tried = [("before training (any rates)", found.start())]
    tried += [(f"after training, {WORDS[pair]}", cells) for pair, cells in fits(found).items()]
    rows = []
    for words, cells in tried:
        agreed = cells.agreement
        low, high = agreed.usual
        verdict = "agrees" if agreed.per_value <= high else "excluded"
        numbers = (f"{agreed.per_value:.2f}", f"{low:.2f} to {high:.2f}", f"{agreed.largest:.1f}")
        rows.append((words, str(len(cells.places)), *numbers, verdict))
    headings = ("Adam rates over η", "cosines", "χ² per cosine", "usual (95 %)", "largest deviation", "verdict")
    return Table(
        headings,
        tuple(rows),
        f"The published cosines below the top colour, after training from N = {FITS_FROM} on, against ours "
        f"({_batches(found)} batches). Usual: where three of our own batches stand in for the published ones.",
    )


def _batches(found: Answer) -> int:
    return found.surface.curves.energy.shape[2]


def _caption(found: Answer, sentence: str) -> str:
    made = found.record.provenance
    settings = found.record.settings
    sizes = f"linear residual networks, muPC, squared error, Adam {settings.rate:g}, {settings.samples} images a batch"
    return caption(sentence, data=found.surface.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
