"""The tables and the picture of a run of the benchmarks."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from pcn_lib.experiments.benchmarks import Record, Row
from pcn_lib.figures import Picture, axes_grid, caption, styled
from pcn_lib.figures.table import Table

VERDICTS = {None: "–", True: "met", False: "not met"}
MET, MISSED, NO_GOAL = "#0072B2", "#D55E00", "#888888"
#: A number stays legible on the mark of a goal.
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def table(record: Record) -> Table:
    """Both sides of every row, their ratio, the goal and whether it is met."""
    headings = ("measured", "against", "ours", "baseline", "ratio", "processor time", "goal", "verdict")
    sentence = (
        f"Medians of sides that took turns, on {record.machine}. A ratio marked faster or less is baseline over ours, "
        "the others are ours over baseline; beside it the same ratio of processor times"
    )
    return Table(headings, tuple(map(_cells, record.rows)), f"{sentence}.")


def methods(record: Record) -> Table:
    """What every row measures, how far apart the two answers are, and what was done."""
    rows = (
        (row.name, row.what, "–" if row.disagreement is None else f"{row.disagreement:.0e}", row.how)
        for row in record.rows
    )
    sentence = "How it was measured; a dash where the two sides do not compute the same thing."
    return Table(("measured", "with", "answers differ by", "how"), tuple(rows), sentence)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.against,
        f"{_number(row.ours)} {row.unit}",
        f"{_number(row.baseline)} {row.unit}",
        _ratio(row),
        "–" if row.processor_ratio is None else _number(row.processor_ratio),
        "–" if row.goal is None else f"{'≤' if row.cost else '≥'} {row.goal:g}",
        VERDICTS[row.met],
    )


def _ratio(row: Row) -> str:
    if row.cost:
        return _number(row.ratio)
    return f"{_number(row.ratio)} × {'less' if row.unit == 'MB' else 'faster'}"


def _number(value: float) -> str:
    """Three digits, never with an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@styled()
def ratios(record: Record) -> Picture:
    """Speed-ups and costs as bars from 1, the goals as marks on them."""
    faster = [row for row in record.rows if not row.cost]
    costs = [row for row in record.rows if row.cost]
    heights = [max(len(rows), 1) for rows in (faster, costs)]
    size = (10.2, 1.8 + 0.32 * sum(heights))
    figure, (above, below) = axes_grid(2, 1, size=size, gridspec_kw={"height_ratios": heights})
    _bars(above, faster, "baseline / ours (longer is better)")
    _bars(below, costs, "ours / baseline (shorter is better)")
    sentence = (
        "Speed-ups (above) and costs (below), on logarithmic axes. A black mark is the goal: blue bars reach it, "
        "orange ones do not, grey ones have none"
    )
    text = caption(sentence, data=record.provenance.data_set, sizes="sizes as written", device=str(record.machine))
    reached, missed = (sum(row.met is verdict for row in record.rows) for verdict in (True, False))
    alt = (
        f"Two bar charts of {len(record.rows)} ratios, whose numbers are in the table below; {reached} reach their "
        f"goals and {missed} do not."
    )
    return Picture(figure, text, alt, records=(record,))


def _bars(axes: Axes, rows: list[Row], label: str) -> None:
    """One bar for each row, the first on top, with its number at its end and the goal as a mark."""
    colours = {None: NO_GOAL, True: MET, False: MISSED}
    axes.set_xscale("log")
    for place, row in enumerate(rows):
        axes.barh(place, row.ratio - 1, left=1, color=colours[row.met], height=0.62)
        end = (max(row.ratio, 1), place)
        axes.annotate(_number(row.ratio), end, (5, 0), textcoords="offset points", va="center", fontsize=9, bbox=BEHIND)
        if row.goal is not None:
            axes.plot([row.goal] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2, zorder=2.5)
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9)
    axes.set(xlabel=label)
    axes.margins(x=0.08)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.invert_yaxis()
    axes.grid(False, axis="y")
