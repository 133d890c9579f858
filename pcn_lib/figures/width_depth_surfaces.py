"""Pictures of surfaces over width and depth: heat maps with the predicted contours, and lines at their rates."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from pcn_lib.experiments.published_figures import FIGURE1_RUNS
from pcn_lib.experiments.width_depth_surfaces import PRESETS, Record, Settings, Surface, predict_start
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled
from pcn_lib.figures.table import Table, listed

#: Quantities of the published figure: rows of the heat maps.
LABELS = (r"$\|S\|_2 - 1$", r"$\mathcal{F}^*/\mathcal{L}$", r"cos(BP, PC)")
#: Where contours of ||S||_2 - 1 are drawn.
LEVELS = (0.01, 0.1, 1.0, 10.0)


@styled()
def heat(record: Record, surface: Surface) -> Picture:
    """The rescaling, F*/Loss and the cosine over width and depth, at every snapshot of one data set."""
    snapshots = record.settings.snapshots
    figure, panels = axes_grid(3, len(snapshots), size=(3.0 * len(snapshots) + 1.2, 8.6), sharex=True, sharey=True)
    curves = surface.curves
    norms = (LogNorm(0.01, 30), Normalize(0, 1), Normalize(0, 1))
    quantities = (curves.rescaling, 1 - curves.gap, 1 - curves.one_minus_cosine)
    for row, label, norm, values in zip(panels, LABELS, norms, quantities, strict=True):
        for axes, snapshot, grid in zip(row, snapshots, np.moveaxis(values.mean(axis=2), -1, 0), strict=True):
            mesh = axes.pcolormesh(grid, norm=norm, cmap="viridis", edgecolors="white", linewidth=0.6)
            _write(axes, grid, norm)
            axes.set_title(f"$t = {snapshot}$")
        figure.colorbar(mesh, ax=row, label=label, aspect=14)
    _contours(panels[0, 0], record, surface)
    _sizes_as_ticks(figure, panels, record)
    sentence = (
        "Means over the batches after t updates: the rescaling's norm with its predicted contours before training "
        "(dashed, where the network is wide enough to predict it), the energy over the loss, and the cosine between "
        "predictive coding's and backpropagation's gradients, each on its own training's weights, both at the rate "
        "(N L)^-1/2"
    )
    if len(record.settings.widths_trained) < len(record.settings.widths):
        sentence += "; grey, not trained"
    alt = (
        "Three rows of heat maps over width and depth. The rescaling falls with width and rises with depth along the "
        "dashed contours; the ratio of energy to loss and the cosine approach 1 for wide and shallow networks. Maps "
        "hardly change over training."
    )
    return Picture(figure, _caption(record, surface, sentence), alt, records=(record,))


def _write(axes: Axes, grid: np.ndarray, norm: Normalize) -> None:
    """Each cell's number low on it, clear of contours, dark on light colours; networks not trained stay grey."""
    axes.set_facecolor("#e4e4e4")
    for (i, j), value in np.ndenumerate(grid):
        if np.isnan(value):
            continue
        shade = "black" if norm(value) > 0.6 else "white"
        axes.text(j + 0.5, i + 0.22, f"{value:.2g}", ha="center", va="center", fontsize=8, color=shade)


def _contours(axes: Axes, record: Record, surface: Surface) -> None:
    """Where the predicted ||S||_2 - 1 takes round values, in the cells' coordinates."""
    widths, depths = record.settings.widths, record.settings.depths
    dense = np.unique(np.geomspace(widths[0], widths[-1], 60).astype(int))
    predicted = predict_start(surface, tuple(dense.tolist()), depths).rescaling
    centres = np.interp(np.log(dense), np.log(widths), np.arange(len(widths)) + 0.5)
    for level in LEVELS:
        places = np.array([_crossing(level, row, centres) for row in predicted])
        known = np.flatnonzero(np.isfinite(places))
        if len(known) > 1:
            axes.plot(places, np.arange(len(depths)) + 0.5, color="white", linewidth=3.2)
            axes.plot(places, np.arange(len(depths)) + 0.5, color="black", linestyle="--", linewidth=1.6)
            top, style = known[-1], dict(boxstyle="square,pad=0.15", facecolor="white", edgecolor="none")
            axes.text(places[top], top + 0.78, f"{level:g}", ha="center", va="center", fontsize=8, bbox=style)


def _crossing(level: float, row: np.ndarray, centres: np.ndarray) -> float:
    """Where a quantity that falls with the width passes a level; NaN where it does not, or is not known."""
    known = np.isfinite(row)
    # np.interp wants rising values, so they are read backwards.
    return float(np.interp(level, row[known][::-1], centres[known][::-1], left=np.nan, right=np.nan))


def _sizes_as_ticks(figure: Figure, panels: np.ndarray, record: Record) -> None:
    widths, depths = record.settings.widths, record.settings.depths
    for axes in panels.flat:
        axes.grid(False)
        axes.set_xticks(np.arange(len(widths)) + 0.5, widths)
        axes.set_yticks(np.arange(len(depths)) + 0.5, depths)
        axes.tick_params(length=0)
    for axes in panels[-1]:
        axes.set(xlabel="width $N$")
    for axes in panels[:, 0]:
        axes.set(ylabel="depth $L$")


@styled()
def rates(record: Record, larger: Record | None = None) -> Picture:
    """||S||_2 - 1, 1 - F*/Loss and 1 - cos against width before training, with theory and a recorded larger run."""
    figure, panels = axes_grid(1, 3, size=(10.4, 4.4))
    surface = record.surfaces[0]
    _lines(panels, record, surface, marker="o")
    shown = record.settings
    if larger is not None:
        shown = larger.settings
        for axes, values in zip(panels, _at_start(larger.surfaces[0]), strict=True):
            for i, depth in enumerate(shown.depths):
                colour = f"C{record.settings.depths.index(depth)}" if depth in record.settings.depths else "#777777"
                axes.plot(shown.widths, values[i].mean(axis=-1), "o", mfc="none", color=colour, markersize=9)
        label = f"recorded: full size, {_name(larger)}"
        panels[0].plot([], [], "o", mfc="none", color="#555555", markersize=9, label=label)
    plot_theory(panels[0], [], [], label="predicted")
    for axes, label in zip(panels, (LABELS[0], r"$1 - \mathcal{F}^*/\mathcal{L}$", r"$1 - \cos$"), strict=True):
        axes.set(xscale="log", yscale="log", xlabel="width $N$", title=label)
        axes.set_xticks(shown.widths, shown.widths)
        axes.minorticks_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    sentence = "Before the first update, mean and range over batches; dashed, predicted with nothing fitted"
    alt = (
        "Three panels on logarithmic axes against the width, one line for each depth. The rescaling and the gap "
        "fall with slope -1 and one minus the cosine with slope -2 where the width exceeds the depth, on dashed lines."
    )
    return Picture(figure, _caption(record, surface, sentence), alt, records=(record, larger))


def _at_start(surface: Surface) -> tuple[np.ndarray, ...]:
    curves = surface.curves[..., 0]
    return curves.rescaling, curves.gap, curves.one_minus_cosine


def _lines(panels: np.ndarray, record: Record, surface: Surface, marker: str) -> None:
    settings = record.settings
    theory = predict_start(surface, settings.widths, settings.depths)
    for axes, values, predicted in zip(
        panels, _at_start(surface), (theory.rescaling, theory.gap, theory.angle), strict=True
    ):
        for i, depth in enumerate(settings.depths):
            plot_seeds(
                axes, np.array(settings.widths), values[i].T, colour=f"C{i}", marker=marker, label=f"$L = {depth}$"
            )
            wide = np.array(settings.widths) >= depth
            plot_theory(axes, np.array(settings.widths)[wide], predicted[i][wide])


def _name(record: Record) -> str:
    """The first data set, in words, without where it was found."""
    return record.surfaces[0].data_set.partition(" (")[0]


def _caption(record: Record, surface: Surface, sentence: str) -> str:
    settings, made, batches = record.settings, record.provenance, surface.curves.energy.shape[2]
    sizes = (
        f"linear residual networks, muPC, squared error, Adam {settings.rate:g} (scaled), batches of "
        f"{settings.samples} images, each with its initialisation: {batches}"
    )
    return caption(sentence, data=surface.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper, same = record.settings, PRESETS["paper"], "–"
    ours = "as the authors prepare them" if s.preparation == "authors" else f"prepared otherwise: {s.preparation}"

    rows = (
        ("data", "CIFAR-10; appendix: Fashion-MNIST; 64 images", record.provenance.data_set, "what this machine has"),
        (
            "preparation",
            "pixels in [-1, 1], cropped, flipped, turned; the first 64 of a shuffled epoch",
            ours,
            same if s.preparation == "authors" else "asked for",
        ),
        ("widths N", listed(paper.widths), listed(s.widths), same if s.widths == paper.widths else "time"),
        ("depths L = H + 1", listed(paper.depths), listed(s.depths), same if s.depths == paper.depths else "time"),
        (
            "loss",
            "not said; the figure agrees with the squared error on both sides",
            "squared error for both",
            "the script's present default would leave cross-entropy for BP",
        ),
        (
            "optimiser",
            "Adam 0.001, scaled by (N L)^-1/2; the figure agrees with N^-1/2",
            f"Adam {s.rate:g}, each training at both",
            "to let the figure tell",
        ),
        ("training steps", "0, 50, 100", _trained(s), same if s.trained >= s.widths[-1] else "time"),
        ("inference", "exact equilibrium", "exact equilibrium, certified", same),
        ("batches", f"{FIGURE1_RUNS} runs", str(s.seeds), "a scatter to hold the means against"),
        (
            "precision",
            "float64 only where several widths and depths are swept together",
            record.provenance.dtype,
            "1 - cos of nearly equal gradients needs it",
        ),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")


def _trained(settings: Settings) -> str:
    widest = "" if settings.trained >= settings.widths[-1] else f" (N to {settings.widths_trained[-1]})"
    return f"{listed(settings.snapshots)}{widest}"
