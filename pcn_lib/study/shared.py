"""Figures that several chapters draw: a row for each way or setting, and inference stopped after a number of steps."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.study.drawing import draw, published
from pcn_lib.study.style import axes_grid, plot_theory, styled, width_colours
from pcn_lib.study.table import Table

#: Colours of what was measured, and of where it usually lies.
MEASURED, USUAL = "#0072B2", "#c8c8c8"
#: Over how wide a range numbers of a row are drawn on a logarithmic axis.
THOUSANDFOLD = 1000


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
def draw_stopped(stopped: Any, equilibrium: Any, *, hidden: int, rate: float, tolerance: float) -> Figure:
    """Inference stopped after a number of steps: on the left the residual that is left, on the right the cosine.

    Dashed is the residual that a chain of bare skips would leave, dash-dotted the cosine at the certified equilibrium.

    Args:
        stopped: ``residual`` and ``one_minus_cosine`` with the axes ``width`` and ``count``, the number of steps.
        equilibrium: one minus the cosine at the certified equilibrium, with the axis ``width``.
        hidden: layers with a prediction error, H.
        rate: of gradient descent on the activities.
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
    chain = [skip_chain_residual(hidden, rate, int(count)) for count in at]
    plot_theory(left, at, chain, label="skips alone")
    left.set(xscale="log", yscale="log", ylim=(tolerance / 3, 1.5), xlabel="inference steps $T$")
    left.set(ylabel="relative norm of $\\partial\\mathcal{F}/\\partial z$")
    right.set(xlabel="inference steps $T$", ylabel="cos(BP gradient, PC gradient)")
    left.legend(loc="lower left")
    return figure


def _name_rows(axes: Axes, names: list[str]) -> None:
    """The names as ticks, the first one at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


@dataclass(frozen=True)
class Folded:
    """A table whose numbers a figure above it shows; its words unfold it.

    Attributes:
        words: what the table is.
        table: which.
    """

    words: str
    table: Table

    def __str__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        # On a page these classes make it look as the page's own dropdowns do.
        summary = f'<summary class="sd-summary-title sd-card-header">{html.escape(self.words)}</summary>'
        body = f'<div class="sd-summary-content sd-card-body docutils">{self.table._repr_html_()}</div>'
        return f'<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-3">{summary}{body}</details>'
