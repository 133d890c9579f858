"""The paper's published numbers on a page: tables and sentences, filled from the records kept with the book."""

import math
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book.published_parts import FIGURES, START, STEMS, Missing, Part, parts
from pcn_lib.book.tables import plain, table
from pcn_lib.experiments import published_curves as curves
from pcn_lib.experiments.published_figures import REPRODUCED, Hypothesis, Row
from pcn_lib.results.recorded import FOLDER
from pcn_lib.tables import NO_BREAK, with_minus_signs

#: Hypotheses as the page writes them; others stand for themselves.
WORDS = {
    "equal": r"PC and BP at $\eta / \sqrt{N L}$",
    "BP faster": r"PC at $\eta / \sqrt{N L}$, BP at $\eta / \sqrt{N}$",
    "both faster": r"PC and BP at $\eta / \sqrt{N}$",
    "PC faster": r"PC at $\eta / \sqrt{N}$, BP at $\eta / \sqrt{N L}$",
    curves.RATES[0]: r"PC and BP at $\eta / \sqrt{N L}$",
    curves.RATES[1]: r"PC at $\eta / \sqrt{N L}$, BP at $\eta / \sqrt{N}$",
}
#: How images are prepared, as the page writes it.
IMAGES = {"authors": "the authors' images", "standardised": "standardised images"}
VERDICTS = {True: "reproduced", False: "**not reproduced**", None: "not decided"}


class Published(SphinxDirective):
    """```{pcn-published} 4a```: one figure's numbers beside ours, or of all figures what ``show`` says.

    ``show`` is ``numbers`` (a row for each), ``settings`` (what the picture may have been made with, and how that
    agrees), ``totals`` (a row for each figure) or ``sentence`` (all of them in one).
    """

    optional_arguments = 1
    option_spec = {"show": lambda given: directives.choice(given, ("numbers", "settings", "totals", "sentence"))}

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for stem in STEMS:
            for suffix in (".json", ".npz"):
                self.env.note_dependency(f"{root / FOLDER / stem}{suffix}")
        figures = self.arguments or list(FIGURES)
        if unknown := set(figures) - set(FIGURES):
            raise self.error(f"Figure '{unknown.pop()}' given; published numbers are of {', '.join(FIGURES)}.")
        found = [part for figure in figures for part in parts(root, figure)]
        lines = SHOWN[self.options.get("show", "numbers")](found).splitlines()
        container = nodes.container(classes=["pcn-table"])
        self.state.nested_parse(StringList(lines), self.content_offset, container)
        return container.children


def numbers(found: list[Part | Missing]) -> str:
    """A table for each part: every published number, ours, and the verdict."""
    header = ("network", "$t$", "published", "ours", "draws", "distance", "verdict")
    lines = []
    for part in found:
        if isinstance(part, Missing):
            lines += [f"**{part.figure}, {part.stage}.** {part.sentence}", ""]
            continue
        lines += [
            f"**{part.figure}, {part.stage}.** {_origin(part)}",
            "",
            *table(header, [*map(_cells, part.rows)]),
            "",
        ]
    return "\n".join(lines)


def settings(found: list[Part | Missing]) -> str:
    """Every hypothesis about the settings of these figures, the nearest of each part first and in bold."""
    header = ("figure", "settings", "values", "χ² per value (usual)", "largest", "distance", "as normal")
    rows: list[tuple[str, ...]] = []
    missing: list[tuple[str, str]] = []
    for part in found:
        if isinstance(part, Missing):
            missing.append((part.figure, part.stage))
            continue
        named = [(_short(part), words(one), *_agreed(part, one)) for one in part.hypotheses]
        rows += [tuple(f"**{cell}**" for cell in row) for row in named[:1]] + named[1:]
    without = f"No run to hold against: {'; '.join(_absent(missing))}." if missing else ""
    return "\n".join([*(table(header, rows) if rows else ()), "", without])


def totals(found: list[Part | Missing]) -> str:
    """How many numbers of each part are reproduced."""
    header = ("figure", "numbers", "reproduced", "not reproduced", "not decided", "under these settings")
    rows: list[tuple[str, ...]] = []
    for part in found:
        name = _short(part)
        if isinstance(part, Missing):
            rows.append((name, "–", "–", "–", "–", "no run to hold it against"))
        else:
            made = (str(_count(part.rows, verdict)) for verdict in (True, False, None))
            rows.append((name, str(len(part.rows)), *made, _nearest(part)))
    return "\n".join(table(header, rows))


def sentence(found: list[Part | Missing]) -> str:
    """All figures in one sentence; a second one names what was not compared."""
    held = {(part.figure, part.stage): _decided(part.rows) for part in found if isinstance(part, Part)}
    held = {name: rows for name, rows in held.items() if rows}
    absent = _absent([(part.figure, part.stage) for part in found if (part.figure, part.stage) not in held])
    without = f"Not compared yet: {'; '.join(absent)}." if absent else ""
    if not held:
        return f"No published cosine has been held against a recorded run yet. {without}"
    together = sum(held.values(), [])
    each = "; ".join(f"{figure} {stage}, {_count(rows, True)} of {len(rows)}" for (figure, stage), rows in held.items())
    return (
        f"Of {len(together)} published cosines, {_count(together, True)} are reproduced within {REPRODUCED:g} standard "
        f"deviations of the same experiment: {each}. {without}"
    )


def _absent(missing: list[tuple[str, str]]) -> list[str]:
    """Names of what was not compared; a figure of which neither part was is named once."""
    figures = [figure for figure, _ in missing]
    named = (figure if figures.count(figure) == 2 else f"{figure} {stage}" for figure, stage in missing)
    return list(dict.fromkeys(named))


SHOWN = {"numbers": numbers, "settings": settings, "totals": totals, "sentence": sentence}


def words(one: Hypothesis) -> str:
    """A hypothesis as the page writes it."""
    if one.settings in WORDS:
        return WORDS[one.settings]
    *others, last = one.settings.split(", ")
    return plain(", ".join([*others, IMAGES.get(last, last)]))


def _short(part: Part | Missing) -> str:
    """The part's name in a narrow column, in one line."""
    return f"{part.figure}, $t {'=' if part.stage == START else '>'} 0$".replace(" ", NO_BREAK, 2)


def _nearest(part: Part) -> str:
    return words(part.hypotheses[0]) if part.hypotheses else "as before the first update"


def _origin(part: Part) -> str:
    first = part.rows[0] if part.rows else None
    published = "one run" if first is None or first.runs == 1 else f"the mean of {first.runs} runs"
    return (
        f"Settings of ours: {_nearest(part)}. Published: {published}. "
        f"Recorded {part.made.date}, {plain(part.made.device)}, {part.made.dtype}; {plain(part.made.data_set)}."
    )


def _cells(row: Row) -> tuple[str, ...]:
    read = f"≥ {row.published:.3f}" if row.at_least else f"{row.published:.3f} ± {row.reading_error:.3f}"
    # Three decimals, or as many as the scatter needs.
    digits = min(max(3, math.ceil(-math.log10(row.scatter))), 6) if row.scatter > 0 else 3
    scatter = "" if math.isnan(row.scatter) else f" ± {row.scatter:.{digits}f}"
    apart = f"{row.deviation:+.1f}" if math.isfinite(row.deviation) else "–"
    apart = apart[1:] if apart in ("+0.0", "-0.0") else apart
    texts = (row.network, str(row.step), read, f"{row.mean:.{digits}f}{scatter}", str(row.draws), apart)
    cells = (with_minus_signs(text).replace(" ", NO_BREAK) for text in texts)
    return (*cells, VERDICTS[row.reproduced])


def _agreed(part: Part, one: Hypothesis) -> tuple[str, ...]:
    found = one.agreement
    usual = f"{found.per_value:.1f} ({found.usual[0]:.1f} to {found.usual[1]:.1f})"
    numbers = (f"{x:.1f}" if math.isfinite(x) else "–" for x in (found.largest, found.distance, found.sigmas))
    return f"{found.mean.size}, {part.compared}", usual, *numbers


def _decided(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in rows if row.reproduced is not None]


def _count(rows: Iterable[Row], verdict: bool | None) -> int:
    return sum(row.reproduced is verdict for row in rows)
