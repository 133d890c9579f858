"""The table and the picture of a run of the benchmarks."""

from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from pcn_lib.experiments.benchmarks import Record, Row
from pcn_lib.figures import Picture, axes_grid, caption, styled
from pcn_lib.figures.table import Table

VERDICTS = {None: "–", True: "met", False: "not met"}
MET, MISSED, NO_GOAL = "#0072B2", "#D55E00", "#888888"


def table(record: Record) -> Table:
    """Every row: both sides, their ratio, the goal and whether it is met, and how it was measured."""
    headings = (
        "what", "against", "ours", "baseline", "ratio", "in processor time", "goal", "verdict", "answers differ", "how",
    )  # fmt: skip
    sentence = (
        f"Medians of sides that took turns, on {record.machine}. A ratio marked × faster or × less is baseline over "
        "ours; the others are ours over baseline"
    )
    return Table(headings, tuple(map(_cells, record.rows)), f"{sentence}.")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        row.against,
        f"{_number(row.ours)} {row.unit}",
        f"{_number(row.baseline)} {row.unit}",
        _ratio(row),
        "–" if row.processor_ratio is None else _number(row.processor_ratio),
        "–" if row.goal is None else f"{'≤' if row.cost else '≥'} {row.goal:g}",
        VERDICTS[row.met],
        "–" if row.disagreement is None else f"{row.disagreement:.0e}",
        row.how,
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
    """Speed-ups and costs as bars, the goals as marks on them."""
    faster = [row for row in record.rows if not row.cost]
    costs = [row for row in record.rows if row.cost]
    heights = [max(len(rows), 1) for rows in (faster, costs)]
    figure, (above, below) = axes_grid(
        2, 1, size=(10.2, 1.8 + 0.34 * sum(heights)), gridspec_kw={"height_ratios": heights}
    )
    _bars(above, faster, "baseline / ours (longer is better)")
    _bars(below, costs, "ours / baseline (shorter is better)")
    above.set_xscale("log")
    above.xaxis.set_major_formatter(ScalarFormatter())
    missed = [row for row in record.rows if row.met is False]
    sentence = (
        "Speed-ups (above, logarithmic) and costs (below). A black mark is the goal: blue bars reach it, "
        "orange ones do not, grey ones have none"
    )
    text = caption(sentence, data=record.provenance.data_set, sizes="as written", device=str(record.machine))
    reached = sum(row.met is True for row in record.rows)
    alt = (
        f"Two bar charts of {len(record.rows)} ratios, whose numbers are in the table; {reached} reach their goals "
        f"and {len(missed)} do not."
    )
    return Picture(figure, text, alt)


def _bars(axes: Axes, rows: list[Row], label: str) -> None:
    """One bar for each row, the first on top, with its number at its end and the goal as a mark."""
    colours = {None: NO_GOAL, True: MET, False: MISSED}
    values = [row.ratio for row in rows]
    axes.barh(range(len(rows)), values, color=[colours[row.met] for row in rows], height=0.62)
    for place, row in enumerate(rows):
        axes.annotate(
            _number(row.ratio), (row.ratio, place), (4, 0), textcoords="offset points", va="center", fontsize=9
        )
        if row.goal is not None:
            axes.plot([row.goal] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9)
    axes.set(xlabel=label)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
