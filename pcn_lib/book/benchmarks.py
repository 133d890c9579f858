"""The benchmarks' page: the recorded run as a picture and two tables, or how to make one."""

from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from sphinx.util.docutils import SphinxDirective

from pcn_lib.study import Picture, Table, axes_grid, caption, load, provenance_of, styled
from pcn_lib.study.picture import with_source

#: Where ``python -m benchmarks`` writes its record.
RECORDED = Path("results") / "recorded" / "benchmarks.nc"
MISSING = "No run of the benchmarks is recorded yet: `make bench` makes one in a few minutes."
#: Verdict and colour by whether a goal is reached; None where there is none.
VERDICTS = {None: ("–", "#888888"), True: ("met", "#0072B2"), False: ("not met", "#D55E00")}
#: A number stays legible on the mark of a goal.
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 1}


class Benchmarks(SphinxDirective):
    """```{pcn-benchmarks}```: what was measured, on which machine, and when."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / RECORDED
        self.env.note_dependency(str(path))
        if not path.is_file():
            return [nodes.paragraph("", *self.parse_inline(MISSING)[0])]
        record = load(path)
        parts = (ratios(record), table(record), methods(record), provenance_of(record))
        picture, numbers, how, made = (part._repr_html_() for part in parts)
        named = with_source(picture, lambda date: "benchmarks", "benchmarks-figure-1")
        folded = f"<details><summary>How each row was measured</summary>{how}</details>"
        return [nodes.raw("", part, format="html") for part in (named, numbers, folded, made)]


def rows(record: Any) -> list[Any]:
    """The comparisons one by one, each with its ratio.

    Args:
        record: a Dataset with the axis ``row``, as ``benchmarks.rows`` describes it.
    """
    ratio = np.where(record.cost, record.ours / record.baseline, record.baseline / record.ours)
    return list(record.assign(ratio=("row", ratio)).to_dataframe().itertuples(index=False))


def met(row: Any) -> bool | None:
    """Whether the goal is reached; None where there is none."""
    if np.isnan(row.goal):
        return None
    return row.ratio <= row.goal if row.cost else row.ratio >= row.goal


def table(record: Any) -> Table:
    """Both sides of every row, their ratio, the goal and whether it is met."""
    headings = ("measured", "against", "ours", "baseline", "ratio", "processor time", "goal", "verdict")
    sentence = (
        f"Medians of sides that took turns, on {record.attrs['machine']}. A ratio marked faster or less is baseline "
        "over ours, the others are ours over baseline; beside it the same ratio of processor times."
    )
    return Table(headings, tuple(map(_cells, rows(record))), sentence)


def methods(record: Any) -> Table:
    """What every row measures, how far apart the two answers are, and what was done."""
    cells = ((row.title, row.what, _optional(row.disagreement, "{:.0e}"), row.how) for row in rows(record))
    sentence = "How it was measured; a dash where the two sides do not compute the same thing."
    return Table(("measured", "with", "answers differ by", "how"), tuple(cells), sentence)


def _cells(row: Any) -> tuple[str, ...]:
    ratio = _number(row.ratio)
    return (
        row.title,
        row.against,
        f"{_number(row.ours)} {row.unit}",
        f"{_number(row.baseline)} {row.unit}",
        ratio if row.cost else f"{ratio} × {'less' if row.unit == 'MB' else 'faster'}",
        _optional(row.processor_ratio, "{:.3g}"),
        _optional(row.goal, f"{'≤' if row.cost else '≥'} {{:g}}"),
        VERDICTS[met(row)][0],
    )


def _optional(value: float, form: str) -> str:
    return "–" if np.isnan(value) else form.format(value)


def _number(value: float) -> str:
    """Three digits, never with an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@styled()
def ratios(record: Any) -> Picture:
    """Speed-ups and costs as bars from 1, the goals as marks on them."""
    every = rows(record)
    faster, costs = ([row for row in every if row.cost == cost] for cost in (False, True))
    heights = [max(len(part), 1) for part in (faster, costs)]
    size = (10.2, 1.8 + 0.32 * sum(heights))
    figure, (above, below) = axes_grid(2, 1, size=size, gridspec_kw={"height_ratios": heights})
    _bars(above, faster, "baseline / ours (longer is better)")
    _bars(below, costs, "ours / baseline (shorter is better)")
    sentence = (
        "Speed-ups (above) and costs (below), on logarithmic axes. A black mark is the goal: blue bars reach it, "
        "orange ones do not, grey ones have none"
    )
    made, machine = provenance_of(record), record.attrs["machine"]
    text = caption(sentence, data=made.data_set, sizes="sizes as written", device=machine)
    reached, missed = (sum(met(row) is verdict for row in every) for verdict in (True, False))
    alt = (
        f"Two bar charts of {len(every)} ratios, whose numbers are in the table below; {reached} reach their "
        f"goals and {missed} do not."
    )
    return Picture(figure, text, alt, records=(record,))


def _bars(axes: Axes, rows: list[Any], label: str) -> None:
    """One bar for each row, the first on top, with its number at its end and the goal as a mark."""
    axes.set_xscale("log")
    for place, row in enumerate(rows):
        axes.barh(place, row.ratio - 1, left=1, color=VERDICTS[met(row)][1], height=0.62)
        end = (max(row.ratio, 1), place)
        axes.annotate(_number(row.ratio), end, (5, 0), textcoords="offset points", va="center", fontsize=9, bbox=BEHIND)
        if not np.isnan(row.goal):
            axes.plot([row.goal] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2, zorder=2.5)
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.title for row in rows], fontsize=9)
    axes.set(xlabel=label)
    axes.margins(x=0.08)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.invert_yaxis()
    axes.grid(False, axis="y")
