"""Pictures of narrow networks: trainings side by side, escape times, and their growth towards the saddle."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pcn_lib.experiments.saddle_to_saddle import PRESETS, STARTS, Record, Times, median
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled
from pcn_lib.figures.table import Table, listed

#: Colours and names of the three quantities, as in every picture here.
QUANTITIES = {
    "energy": ("#0072B2", r"$\mathcal{F}^*$ (PC)"),
    "pc_loss": ("#56B4E9", r"$\mathcal{L}$ (PC)"),
    "bp_loss": ("#c1272d", r"$\mathcal{L}$ (BP)"),
}
#: Points of a curve, at most.
POINTS = 300
#: One for each width.
MARKERS = ("o", "s", "^", "v", "D", "P")


@styled()
def curves(record: Record, hidden: int) -> Picture:
    """Energy and losses of one seed over training, start by start and width by width, for networks of one depth."""
    settings = record.settings
    place = settings.hidden.index(hidden)
    columns = len(settings.widths)
    figure, panels = axes_grid(
        len(STARTS), columns, size=(3.4 * columns, 2.3 * len(STARTS) + 0.8), sharex=True, sharey=True, squeeze=False
    )
    # More points than a panel has pixels would only fill the page's file.
    steps = np.arange(0, settings.steps, -(-settings.steps // POINTS))
    for i, start in enumerate(STARTS):
        for j, width in enumerate(settings.widths):
            for name, (colour, label) in QUANTITIES.items():
                values = getattr(record.curves, name)[i, j, place, steps]
                panels[i, j].plot(steps, values, color=colour, linestyle=":" if name == "pc_loss" else "-", label=label)
            panels[i, j].axhline(0.25, color="#888888", linewidth=0.8)
            panels[i, j].set(ylim=(0, 0.75), title=f"{start.name}, $N = {width}$")
            panels[i, j].title.set_fontsize("small")
    for axes in panels[:, 0]:
        axes.set_ylabel("energy or loss")
    for axes in panels[-1]:
        axes.set_xlabel("training step $t$")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    sentence = f"One seed, H = {hidden}; the grey line is half the value at the origin, which defines an escape"
    alt = (
        "A grid of panels, energy or loss against the training step; rows are starts, columns widths. The energy of "
        "predictive coding falls at once in every panel. From published weights its loss falls later than "
        "backpropagation's; from a tenth of them the loss of backpropagation stays at one half, and that of "
        "predictive coding falls where the network is wider than one unit."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def escapes(record: Record) -> Picture:
    """Escape times of predictive coding against backpropagation's, a point for each network."""
    settings = record.settings
    figure, panels = axes_grid(1, len(STARTS), size=(10.4, 4.4), sharex=True, sharey=True)
    never = 5.0 * settings.steps
    for i, (axes, start) in enumerate(zip(panels, STARTS, strict=True)):
        bp = _shown(record.times.bp_loss[i], never)
        for name in ("pc_loss", "energy"):
            values = _shown(getattr(record.times, name)[i], never)
            for marker, across, up in zip(MARKERS, bp, values, strict=False):
                style = dict(color=QUANTITIES[name][0], linestyle="none", alpha=0.55, markersize=5)
                axes.plot(across.ravel(), up.ravel(), marker=marker, **style)
        line = np.array([1, settings.steps])
        axes.plot(line, line, color="#888888", linewidth=1)
        axes.set(title=start.name, xlabel=r"escape of $\mathcal{L}$ (BP), step", xscale="log", yscale="log")
        ticks = [10.0**k for k in range(int(np.log10(settings.steps)) + 1)]
        axes.set_xticks([*ticks, never], [*(f"{tick:g}" for tick in ticks), "never"])
        axes.set_yticks([*ticks, never], [*(f"{tick:g}" for tick in ticks), "never"])
        axes.minorticks_off()
    panels[0].set_ylabel("escape of PC, step")
    _legend(figure, panels[0], record)
    sentence = (
        "Escape times, a point for each seed, width and depth; below the line predictive coding is first. A time t is "
        "drawn at t + 1; 'never', not within the steps taken"
    )
    alt = (
        "Three panels, one for each start: escape times of predictive coding against those of backpropagation. "
        "Energies lie below the diagonal. Losses lie above it for published weights, with and without skips, and "
        "below it for a tenth of them, where backpropagation mostly never escapes."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _shown(times: np.ndarray, never: float) -> np.ndarray:
    return np.where(np.isnan(times), never, times + 1)


def _legend(figure: Figure, axes: Axes, record: Record) -> None:
    """Colour is the quantity, shape the width."""
    handles = [
        axes.plot([], [], "o", color=QUANTITIES[name][0], label=QUANTITIES[name][1])[0]
        for name in ("energy", "pc_loss")
    ]
    for width, marker in zip(record.settings.widths, MARKERS, strict=False):
        handles.append(axes.plot([], [], marker, color="#888888", label=f"$N = {width}$")[0])
    figure.legend(handles=handles, loc="outside lower center", ncols=5)


@styled()
def approach(record: Record, kept: Record | None = None) -> Picture:
    """Median escape times against the size of the initial weights, with the predicted laws."""
    settings = record.settings
    figure, panels = axes_grid(1, len(settings.approach_hidden), size=(9.0, 4.4), sharey=True, squeeze=False)
    for i, (axes, hidden) in enumerate(zip(panels[0], settings.approach_hidden, strict=True)):
        for name, (colour, label) in QUANTITIES.items():
            axes.plot(settings.factors, _medians(record.approach, name, i), marker="o", color=colour, label=label)
            if kept is not None and hidden in kept.settings.approach_hidden:
                values = _medians(kept.approach, name, kept.settings.approach_hidden.index(hidden))
                axes.plot(kept.settings.factors, values, "s", color=colour, markerfacecolor="none", markersize=10)
        every = np.unique([*settings.factors, *(kept.settings.factors if kept else ())])
        times, factor = _medians(record.approach, "bp_loss", i), settings.factors[0]
        plot_theory(axes, every, times[0] * (factor / every) ** (hidden - 1), label="predicted growth")
        delay = np.log(factor / every) / np.log1p(settings.rate / settings.approach_width)
        plot_theory(axes, every, _medians(record.approach, "energy", i)[0] + delay)
        axes.set(title=f"$L = {hidden + 1}$", xscale="log", yscale="log", xlabel="factor on the initial weights")
        axes.set_xticks(every, [f"{value:g}" for value in every])
        axes.minorticks_off()
    panels[0, 0].set_ylabel("median escape step")
    if kept is not None:
        panels[0, 0].plot(
            [], [], "s", color="#888888", markerfacecolor="none", markersize=10, label="recorded: full size"
        )
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    sentence = (
        f"Escape times towards the saddle, N = {settings.approach_width}; dashed, the power 2 - L for "
        "backpropagation's loss and the logarithm for the energy, both through the first point"
    )
    alt = (
        "One panel for each depth, escape time against the size of the initial weights on logarithmic axes. "
        "Backpropagation's time grows as a power that steepens with depth, the times of predictive coding's energy and "
        "loss hardly grow."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, kept))


def _medians(times: Times, name: str, place: int) -> np.ndarray:
    values = median(getattr(times, name)[place])
    # Where half the seeds never escape there is no median to draw.
    return np.where(np.isfinite(values), values, np.nan)


def times(record: Record) -> Table:
    """Median escape times from the published weights and from a tenth of them."""
    settings = record.settings
    rows = []
    for j, width in enumerate(settings.widths):
        for k, hidden in enumerate(settings.hidden):
            cells = [
                _median_text(getattr(record.times, name)[i, j, k], settings.steps)
                for i in (0, 1)
                for name in QUANTITIES
            ]
            rows.append((f"N = {width}, H = {hidden}", *cells))
    names = ("energy", "PC loss", "BP loss")
    headings = ("", *names, *(f"{name}, a tenth" for name in names))
    return Table(
        headings,
        tuple(rows),
        f"Median step of escape over {settings.seeds} seeds, and in brackets how many escape within {settings.steps} "
        "steps; first from the published weights, then from a tenth of them.",
    )


def _median_text(times: np.ndarray, steps: int) -> str:
    middle, escaped = float(median(times)), int(np.isfinite(times).sum())
    return f"{middle:.0f} ({escaped})" if np.isfinite(middle) else f"> {steps} ({escaped})"


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper = record.settings, PRESETS["paper"]
    same = "–"

    rows = (
        ("data", "toy task, D = 40, 20 samples", record.provenance.data_set, "another draw"),
        ("widths", "1, 4, 8", listed(s.widths), same if s.widths == paper.widths else "time"),
        ("hidden layers H", "1, 3, 5, 7", listed(s.hidden), same if s.hidden == paper.hidden else "time"),
        ("steps", "1000", str(s.steps), same if s.steps == 1000 else "time"),
        ("rate eta", "0.5 in the paper's other toy experiments", f"{s.rate:g}", "at 0.5 some BP trainings diverge"),
        ("initial weights", "N(0, 1)", "N(0, 1), and small multiples", "to be near the saddle that theory speaks of"),
        ("inference", "exact", "exact, certified", same),
        ("seeds", "1", str(s.seeds), "escape times scatter widely"),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear networks, muPC, rate {settings.rate:g} (scaled), seeds: {settings.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
