"""Pictures of surfaces over width and depth: heat maps with the predicted contours, and lines at their rates."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from pcn_lib.experiments.width_depth_surfaces import PRESETS, Record, Surface, predict_start
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled
from pcn_lib.figures.table import Table, listed
from pcn_lib.figures.turntable import Turntable

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
        "Means over the seeds after t updates: the rescaling's norm with its predicted contours before training "
        "(dashed, where the network is wide enough to predict it), the energy over the loss, and the cosine between "
        "predictive coding's and backpropagation's gradients, each on its own training's weights"
    )
    alt = (
        "Three rows of heat maps over width and depth. The rescaling falls with width and rises with depth along the "
        "dashed contours; the ratio of energy to loss and the cosine approach 1 for wide and shallow networks. Maps "
        "hardly change over training."
    )
    return Picture(figure, _caption(record, surface, sentence), alt, records=(record,))


def _write(axes: Axes, grid: np.ndarray, norm: Normalize) -> None:
    """Each cell's number on it, dark on light colours."""
    for (i, j), value in np.ndenumerate(grid):
        shade = "black" if norm(value) > 0.6 else "white"
        axes.text(j + 0.5, i + 0.5, f"{value:.2g}", ha="center", va="center", fontsize=8, color=shade)


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
def landscape(record: Record, larger: Record | None = None) -> Turntable:
    """The published figure's surfaces, before training, to be turned.

    Args:
        record: this run, whose seed means are the black marks.
        larger: the run at full size that is kept with the book, drawn as the surface; None to draw this run's.
    """
    figure, panels = axes_grid(1, 3, size=(10.2, 3.7), subplot_kw=dict(projection="3d", azim=-130, elev=24))
    beneath = record if larger is None else larger
    labels = (r"$\log_{10} \|S\|_2$", *LABELS[1:])
    for axes, label, below, marks in zip(panels, labels, _published(beneath), _published(record), strict=True):
        axes.plot_surface(*_grid(beneath), below, cmap="viridis", edgecolor="white", linewidth=0.5, alpha=0.85)
        axes.plot(*map(np.ravel, (*_grid(record), marks)), "o", color="black", markersize=3.5, label="this run")
        if larger is not None:
            x, y = map(np.ravel, _grid(larger))
            axes.plot(x, y, below.ravel(), ".", color="#777777", markersize=2, label="recorded: full size")
        axes.set(xlabel="width $\\log_2 N$", ylabel="depth $\\log_2 L$", title=label)
    panels[0].set_zlim(0)
    sentence = (
        "Before training, means over the seeds, to be turned with the slider: the norm of the rescaling, the energy "
        "over the loss, and the cosine between the two gradients"
    )
    if larger is not None:
        sentence += f"; surface, the recorded run at full size on {_name(larger)}, marks, this run"
    alt = (
        "Three surfaces over the logarithms of width and depth. The rescaling is a mountain over narrow and deep "
        "networks and a plain near zero over wide ones; the ratio of energy to loss and the cosine are a high plain at "
        "1 over wide and shallow networks and fall towards narrow and deep ones."
    )
    return Turntable(figure, _caption(record, record.surfaces[0], sentence), alt, records=(record, larger))


def _grid(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """log2 of width and depth, [depths, widths] each."""
    return np.meshgrid(np.log2(record.settings.widths), np.log2(record.settings.depths))


def _published(record: Record) -> tuple[np.ndarray, ...]:
    """log10 of ||S||, F*/Loss and the cosine, [depths, widths] each."""
    rescaling, gap, angle = (values.mean(axis=-1) for values in _at_start(record.surfaces[0]))
    return np.log10(1 + rescaling), 1 - gap, 1 - angle


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
    sentence = "Before the first update, mean and range over seeds; dashed, predicted with nothing fitted"
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
    settings, made = record.settings, record.provenance
    sizes = f"linear residual networks, muPC, squared error, Adam {settings.rate:g} (scaled), seeds: {settings.seeds}"
    return caption(sentence, data=surface.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper, same = record.settings, PRESETS["paper"], "–"

    rows = (
        ("data", "CIFAR-10; appendix: Fashion-MNIST; 64 images", record.provenance.data_set, "what this machine has"),
        ("widths N", listed(paper.widths), listed(s.widths), same if s.widths == paper.widths else "time"),
        ("depths L = H + 1", listed(paper.depths), listed(s.depths), same if s.depths == paper.depths else "time"),
        (
            "loss",
            "squared error for PC; the published command leaves cross-entropy for BP",
            "squared error for both",
            "two losses have two gradients: no limit would make them one",
        ),
        ("optimiser", "Adam 0.001, scaled by (N L)^-1/2", f"Adam {s.rate:g}, scaled alike", same),
        ("training steps", "0, 50, 100", listed(s.snapshots), same if s.snapshots == paper.snapshots else "time"),
        ("inference", "exact equilibrium", "exact equilibrium, certified", same),
        ("seeds", "3", str(s.seeds), same if s.seeds == paper.seeds else "time"),
        (
            "precision",
            "float64 only where several widths and depths are swept together",
            record.provenance.dtype,
            "1 - cos of nearly equal gradients needs it",
        ),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")
