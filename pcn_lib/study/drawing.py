"""Marks for labelled arrays: colour by width, dashed theory, shade over seeds, published numbers, heat maps.

And whole figures that several chapters draw: rows of named ways, hypotheses, inference stopped by count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from pcn_lib.data.published import Curve
from pcn_lib.study.style import axes_grid, plot_seeds, plot_theory, styled, width_colours

#: Colour of what the paper published, in every figure; and of backpropagation's loss, which is not a width.
PUBLISHED, BP = "#b3261e", "#c1272d"
#: Colours of what was measured, and of where it usually lies.
MEASURED, USUAL = "#0072B2", "#c8c8c8"
#: Over how wide a range numbers of a row are drawn on a logarithmic axis.
THOUSANDFOLD = 1000


def draw(axes: Axes, values: Any, x: str, *, colour: str, label: str | None = None, marker: str = "") -> None:
    """A labelled array as a line over its axis ``x``: the mean over ``seed``, and the seeds' range as a shade.

    Raises:
        ValueError: the array has other axes than ``x`` and ``seed``.
    """
    if set(values.dims) - {"seed"} != {x}:
        raise ValueError(f"axes {list(values.dims)} given; {x!r}, with or without 'seed', is drawn: select or average")
    seeds = values if "seed" in values.dims else values.expand_dims("seed")
    plot_seeds(axes, _sizes(values, x), seeds.transpose("seed", x), colour=colour, label=label, marker=marker)


def draw_by(axes: Axes, values: Any, x: str, *, by: str = "width", label: str = "$N = {}$", marker: str = "") -> None:
    """One line over ``x`` for each size along ``by``, dark to light as the size grows (see :func:`draw`)."""
    sizes = values[by].to_numpy()
    for size, colour in zip(sizes, width_colours(sizes), strict=True):
        draw(axes, values.sel({by: size}), x, colour=colour, label=label.format(size), marker=marker)


def draw_theory(axes: Axes, values: Any, x: str, *, colour: str = "#222222", label: str | None = None) -> None:
    """A prediction over its axis ``x``, dashed."""
    plot_theory(axes, _sizes(values, x), values.transpose(x), colour=colour, label=label)


def draw_rate(axes: Axes, values: Any, x: str, power: int) -> None:
    """A power of the size, dashed, through the mean of an array at the largest size that has one."""
    values = values.dropna(x, how="all")
    sizes, last = _sizes(values, x).astype(float), float(values.isel({x: -1}).mean())
    plot_theory(axes, sizes, last * (sizes / sizes[-1]) ** power, label=f"$N^{{{power}}}$")


@styled()
def draw_trainings(trained: Any, *, unit: str = "", script: Any = None, published: Iterable[Curve] = ()) -> Figure:
    """The axes of the paper's Figure 4: energies and losses over training on the left, cosines on the right.

    Args:
        trained: variables of :func:`~pcn_lib.study.curves` with the axes ``width`` and ``step``, or ``seed`` as well.
        unit: what energies and losses are counted for, such as ``per character``.
        script: the same of some of the widths by another protocol, whose cosines are dotted.
        published: the paper's own cosines, as crosses over the widths that are here.
    """
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.3), sharex=True)
    widths = trained["width"].to_numpy().tolist()
    colours = dict(zip(widths, width_colours(widths), strict=True))
    widest, *others = reversed(colours)
    label = f"$\\mathcal{{L}}$ (BP), $N = {widest}$"
    draw(left, trained["bp_loss"].sel(width=widest), "step", colour=BP, label=label)
    for width in (widest, *others):
        named = dict(colour=colours[width], label=f"$\\mathcal{{F}}^*$ (PC), $N = {width}$")
        draw(left, trained["energy"].sel(width=width), "step", **named)
        draw(right, 1 - trained["one_minus_cosine"].sel(width=width), "step", colour=colours[width])
    for width in () if script is None else script["width"].to_numpy().tolist():
        cosine = 1 - script["one_minus_cosine"].sel(width=width)
        cosine = cosine.mean("seed") if "seed" in cosine.dims else cosine
        right.plot(_sizes(cosine, "step"), cosine, color=colours[width], linestyle=":")
    for curve in (curve for curve in published if curve.width in colours):
        marks = dict(color=colours[curve.width], fmt="x", markersize=4, elinewidth=0.8)
        right.errorbar(curve.steps, curve.cosine, yerr=curve.error, **marks)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="training step $t$", ylabel=f"energy or loss {unit}".strip())
    right.set(xlabel="training step $t$", ylabel="cos(BP gradient, PC gradient)")
    right.axhline(1, color="#888888", linewidth=0.8)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def published(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    label: str | None = "published",
    colour: str = PUBLISHED,
) -> None:
    """What the paper published, as hollow marks with the error of reading it off the picture; [n] against [n]."""
    mark = dict(marker="D", markersize=6, markerfacecolor="none", markeredgewidth=1.3, linestyle="none")
    axes.errorbar(x, y, yerr=error, color=colour, elinewidth=1.1, label=label, zorder=4, **mark)


def heat_map(axes: Axes, values: Any, x: str, y: str, *, norm: Normalize | None = None, number: str = "") -> QuadMesh:
    """A labelled array over two sizes as cells on logarithmic axes, whose ticks are the sizes.

    Args:
        values: with the axes ``x`` and ``y`` and no other.
        number: how each cell's number is written on it, such as ``".2g"``; by default it is not.

    Returns:
        The cells, for a colour bar.
    """
    values = values.transpose(y, x)
    across, up = _sizes(values, x), _sizes(values, y)
    cells = axes.pcolormesh(_edges(across), _edges(up), values.to_numpy(), norm=norm, edgecolors="white", linewidth=0.6)
    # Cells stand for sizes: these, and not the cells' middles, go into the figure's data.
    cells.pcn_sizes = (across, up)
    size_axis(axes, across, "x")
    size_axis(axes, up, "y")
    axes.grid(False)
    for (i, j), value in np.ndenumerate(values.to_numpy() if number else np.empty((0, 0))):
        if np.isfinite(value):
            shade = "black" if cells.norm(value) > 0.6 else "white"
            shown = f"{value:{number}}".replace("-", "−")
            axes.text(across[j], up[i], shown, ha="center", va="center", fontsize=8, color=shade)
    return cells


def size_axis(axes: Axes, sizes: Sequence[int] | np.ndarray, which: str = "x") -> None:
    """A logarithmic axis with the sizes themselves as ticks."""
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    {"x": axes.set_xscale, "y": axes.set_yscale}[which]("log", base=2)
    axis.set_ticks(np.asarray(sizes), [f"{size:g}" for size in sizes])
    axis.set_minor_locator(NullLocator())


def _sizes(values: Any, x: str) -> np.ndarray:
    """The coordinates of an axis; counted from 0 where it has none."""
    return np.asarray(values[x].to_numpy())


def _edges(sizes: np.ndarray) -> np.ndarray:
    """Where one cell ends and the next begins: at geometric means, as wide outside as inside."""
    logs = np.log(sizes.astype(float))
    middles = (logs[1:] + logs[:-1]) / 2 if len(logs) > 1 else logs[:1] + np.log(2) / 2
    first, last = 2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]
    return np.exp(np.concatenate([[first], middles, [last]] if len(logs) > 1 else [[first], middles]))


@styled()
def draw_rows(columns: Mapping[str, Any], along: str, theirs: Mapping[str, Sequence[float]] | None = None) -> Figure:
    """Numbers of a few named things: a row for each of these, a panel for each number, a dot for each seed.

    Args:
        columns: labelled arrays by what they are, with the axis ``along``, whose coordinates are names, and others,
            whose values share a row.
        along: the axis of the names.
        theirs: published numbers by name, hollow, in the order of the columns; those of the last ones may be missing.
    """
    names = [str(name) for name in next(iter(columns.values()))[along].values]
    figure, panels = axes_grid(1, len(columns), size=(10.2, 1.3 + 0.42 * len(names)), sharey=True, squeeze=False)
    for place, (axes, (heading, values)) in enumerate(zip(panels.flat, columns.items(), strict=True)):
        for row, name in enumerate(names):
            numbers = np.ravel(values.isel({along: row}))
            axes.plot(numbers, np.full(numbers.shape, row), "o", color=MEASURED, alpha=0.7, label=name)
            for number in (theirs or {}).get(name, ())[place : place + 1]:
                published(axes, [number], [row], label=f"{name}, published")
        smallest, largest = float(values.min()), float(values.max())
        axes.set(xlabel=heading, xscale="log" if 0 < THOUSANDFOLD * smallest < largest else "linear")
    _name_rows(panels[0, 0], names)
    return figure


@styled()
def draw_hypotheses(found: Any) -> Figure:
    """How far published values lie from draws under each setting, beside how far they usually would.

    Args:
        found: a table of :func:`pcn_lib.study.hypotheses`.
    """
    stages = list(dict.fromkeys(found.stage.values))
    tables = [found.isel(hypothesis=found.stage.values == stage) for stage in stages]
    heights = [table.sizes["hypothesis"] + 1 for table in tables]
    figure, panels = axes_grid(
        len(stages), 1, size=(10.2, 1.4 + 0.36 * sum(heights)), sharex=True, squeeze=False, height_ratios=heights
    )
    for axes, stage, table in zip(panels.flat, stages, tables, strict=True):
        names = [str(name) for name in table.settings.values]
        for row, name in enumerate(names):
            one = table.isel(hypothesis=row)
            ends = float(one.usual_low), float(one.usual_high)
            (usual,) = axes.plot(ends, [row, row], color=USUAL, linewidth=9, label=f"{name}: usual")
            usual.set_solid_capstyle("butt")
            (measured,) = axes.plot([float(one.per_value)], [row], "o", color=MEASURED, label=name)
        axes.set(xscale="log", title=stage)
        _name_rows(axes, names)
    panels[-1, 0].set(xlabel="mean square deviation of a published value")
    words = ["the published values", "where one of our own draws would usually lie"]
    figure.legend([measured, usual], words, loc="outside lower center", ncols=2)
    return figure


@styled()
def draw_stopped(stopped: Any, equilibrium: Any, *, chain: Callable[[int], float], tolerance: float) -> Figure:
    """Inference stopped after a number of steps: on the left the residual that is left, on the right the cosine.

    Dashed is the residual that a chain of bare skips would leave, dash-dotted the cosine at the certified equilibrium.

    Args:
        stopped: ``residual`` and ``one_minus_cosine`` with the axes ``width`` and ``count``, the number of steps.
        equilibrium: one minus the cosine at the certified equilibrium, with the axis ``width``.
        chain: what bare skips leave after so many steps, such as :func:`pcn_lib.spectrum.skip_chain_residual`.
        tolerance: of the certificate; the residuals' axis ends a little below it.
    """
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0), sharex=True)
    widths = stopped.width.to_numpy().tolist()
    for width, colour in zip(widths, width_colours(widths), strict=True):
        one, marked = stopped.sel(width=width), dict(colour=colour, marker="s")
        draw(left, one.residual, "count", label=f"$N = {width}$", **marked)
        draw(right, 1 - one.one_minus_cosine, "count", **marked)
        right.axhline(1 - float(equilibrium.sel(width=width)), color=colour, linestyle="-.")
    counts = stopped["count"].to_numpy()
    at = np.unique(np.geomspace(counts[0], 10 * counts[-1], 60).astype(int))
    plot_theory(left, at, [chain(int(count)) for count in at], label="skips alone")
    left.set(xscale="log", yscale="log", ylim=(tolerance / 3, 1.5), xlabel="inference steps $T$")
    left.set(ylabel="relative norm of $\\partial\\mathcal{F}/\\partial z$")
    right.set(xlabel="inference steps $T$", ylabel="cos(BP gradient, PC gradient)")
    left.legend(loc="lower left")
    return figure


def _name_rows(axes: Axes, names: list[str]) -> None:
    """The names as ticks, the first one at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
