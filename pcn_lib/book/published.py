"""The paper's published numbers on a page: tables and sentences, filled from the records kept with the book.

Shown is what the records' groups ``published`` and ``hypotheses`` hold, as :mod:`pcn_lib.study.comparison` makes them.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book.project import BookError
from pcn_lib.book.tables import plain, table
from pcn_lib.provenance import Provenance, provenance_of
from pcn_lib.study.comparison import REPRODUCED, START, TRAINING, verdicts
from pcn_lib.study.records import FOLDER, load
from pcn_lib.tables import NO_BREAK, with_minus_signs

FIGURES = ("1", "4a", "4b", "4c")
VERDICTS = ("reproduced", "not reproduced", "not decided")


@dataclass(frozen=True)
class Part:
    """One part of a figure held against ours.

    Attributes:
        figure: of the paper, as the page names it.
        stage: of training.
        hypotheses: about its settings, the nearest first; none where the record has one only.
        numbers: its published numbers under the nearest; empty where no record has any.
        made: how ours came about.
    """

    figure: str
    stage: str
    hypotheses: tuple[xr.Dataset, ...] = ()
    numbers: tuple[xr.Dataset, ...] = ()
    made: Provenance | None = None

    def count(self, *wanted: str) -> int:
        """How many of the numbers have one of these verdicts."""
        return sum(verdicts(row).item() in wanted for row in self.numbers)

    @property
    def decided(self) -> int:
        """How many numbers are reproduced or not."""
        return self.count(*VERDICTS[:2])

    @property
    def nearest(self) -> str:
        """The settings of ours; where no others were tried, those of the record, over training as at its start."""
        alone = "as before the first update" if self.stage == TRAINING else "the record's own, no others tried"
        return plain(self.hypotheses[0].settings.item()) if self.hypotheses else alone


class Published(SphinxDirective):
    """```{pcn-published} 4a```: one figure's numbers beside ours, or of all figures what ``show`` says.

    ``show`` is ``numbers`` (a row for each), ``settings`` (what the picture may have been made with, and how that
    agrees), ``totals`` (a row for each figure) or ``sentence`` (all of them in one).
    """

    optional_arguments = 1
    option_spec = {"show": lambda given: directives.choice(given, ("numbers", "settings", "totals", "sentence"))}

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        # A folder counts as always changed: records come and go.
        self.env.note_dependency(str(root / FOLDER))
        figures = self.arguments or list(FIGURES)
        if unknown := set(figures) - set(FIGURES):
            raise self.error(f"Figure '{unknown.pop()}' given; published numbers are of {', '.join(FIGURES)}.")
        found = [part for figure in figures for part in parts(root, figure)]
        lines = SHOWN[self.options.get("show", "numbers")](found).splitlines()
        container = nodes.container(classes=["pcn-table"])
        self.state.nested_parse(StringList(lines), self.content_offset, container)
        return container.children


def parts(root: Path, figure: str) -> tuple[Part, ...]:
    """What the records under ``root`` say of a figure, before the first update and over training.

    Raises:
        BookError: a figure that is not published here.
    """
    if figure not in FIGURES:
        raise BookError(f"Figure '{figure}' given; numbers are published of {', '.join(FIGURES)}: name one of these.")
    held = list(_kept(root))
    return tuple(_part(held, figure, stage) for stage in (START, TRAINING))


def _part(held: list[tuple[xr.Dataset, xr.Dataset | None, Provenance]], figure: str, stage: str) -> Part:
    """The first record's that has numbers of this part."""
    for numbers, settings, made in held:
        mine = numbers.isel(number=(numbers.figure == figure) & ((numbers.step == 0) == (stage == START)))
        if mine.sizes["number"]:
            named = () if settings is None else _rows(settings.isel(hypothesis=settings.figure == figure))
            named = tuple(row for row in named if row.stage == stage)
            return Part(f"Figure {figure}", stage, named, _rows(mine), made)
    return Part(f"Figure {figure}", stage)


def _kept(root: Path) -> Iterator[tuple[xr.Dataset, xr.Dataset | None, Provenance]]:
    """Numbers, hypotheses and provenance of every record that has them."""
    for path in sorted((root / FOLDER).glob("*.nc")):
        record = _loaded(path, path.stat().st_mtime_ns)
        if isinstance(record, xr.DataTree) and "published" in record.children:
            settings = record["hypotheses"].to_dataset() if "hypotheses" in record.children else None
            yield record["published"].to_dataset(), settings, provenance_of(record)


@functools.lru_cache(maxsize=64)
def _loaded(path: Path, changed: int) -> xr.Dataset | xr.DataTree:
    return load(path)


def _rows(numbers: xr.Dataset) -> tuple[xr.Dataset, ...]:
    (axis,) = numbers.sizes
    return tuple(numbers.isel({axis: place}) for place in range(numbers.sizes[axis]))


def numbers(found: list[Part]) -> str:
    """A table for each part: every published number, ours, and the verdict."""
    header = ("network", "$t$", "published", "ours", "draws", "distance", "verdict")
    lines = []
    for part in found:
        shown = table(header, [*map(_cells, part.numbers)]) if part.numbers else []
        lines += [f"**{part.figure}, {part.stage}.** {_origin(part)}", "", *shown, ""]
    return "\n".join(lines)


def settings(found: list[Part]) -> str:
    """Every hypothesis about the settings of these figures, the nearest of each part first and in bold."""
    header = ("figure", "settings", "values", "χ² per value (usual)", "largest", "distance", "as normal")
    rows: list[tuple[str, ...]] = []
    for part in found:
        named = [(_short(part), plain(one.settings.item()), *_agreed(one)) for one in part.hypotheses]
        rows += [tuple(f"**{cell}**" for cell in row) for row in named[:1]] + named[1:]
    missing = _absent([part for part in found if not part.numbers])
    without = f"No run to hold against: {'; '.join(missing)}." if missing else ""
    return "\n".join([*(table(header, rows) if rows else ()), "", without])


def totals(found: list[Part]) -> str:
    """How many numbers of each part are reproduced."""
    header = ("figure", "numbers", *VERDICTS, "under these settings")
    rows: list[tuple[str, ...]] = []
    for part in found:
        if part.numbers:
            made = (str(part.count(verdict)) for verdict in VERDICTS)
            rows.append((_short(part), str(len(part.numbers)), *made, part.nearest))
        else:
            rows.append((_short(part), "–", "–", "–", "–", "no run to hold it against"))
    return "\n".join(table(header, rows))


def sentence(found: list[Part]) -> str:
    """All figures in one sentence; a second one names what was not compared."""
    held = [part for part in found if part.decided]
    absent = _absent([part for part in found if not part.decided])
    without = f"Not compared yet: {'; '.join(absent)}." if absent else ""
    if not held:
        return f"No published cosine has been held against a recorded run yet. {without}"
    good, of = (sum(counts) for counts in zip(*((part.count(VERDICTS[0]), part.decided) for part in held), strict=True))
    each = "; ".join(f"{part.figure} {part.stage}, {part.count(VERDICTS[0])} of {part.decided}" for part in held)
    return (
        f"Of {of} published cosines, {good} are reproduced within {REPRODUCED:g} standard "
        f"deviations of the same experiment: {each}. {without}"
    )


SHOWN = {"numbers": numbers, "settings": settings, "totals": totals, "sentence": sentence}


def _absent(missing: list[Part]) -> list[str]:
    """Names of what was not compared; a figure of which neither part was is named once."""
    figures = [part.figure for part in missing]
    named = (part.figure if figures.count(part.figure) == 2 else f"{part.figure} {part.stage}" for part in missing)
    return list(dict.fromkeys(named))


def _short(part: Part) -> str:
    """The part's name in a narrow column, in one line."""
    return f"{part.figure}, $t {'=' if part.stage == START else '>'} 0$".replace(" ", NO_BREAK, 2)


def _origin(part: Part) -> str:
    if part.made is None:
        return "No run that is kept with the book holds these networks and data: nothing is held against it."
    runs = part.numbers[0].runs.item()
    published = "one run" if runs == 1 else f"the mean of {runs} runs"
    data = plain(with_minus_signs(part.made.data_set))
    return (
        f"Settings of ours: {part.nearest}. Published: {published}. "
        f"Recorded {part.made.date}, {plain(part.made.device)}, {part.made.dtype}; {data}."
    )


def _cells(row: xr.Dataset) -> tuple[str, ...]:
    one = {name: values.item() for name, values in row.data_vars.items()}
    read = f"≥ {one['published']:.3f}" if one["at_least"] else f"{one['published']:.3f} ± {one['reading_error']:.3f}"
    # Three decimals, or as many as the scatter needs.
    digits = min(max(3, math.ceil(-math.log10(one["scatter"]))), 6) if one["scatter"] > 0 else 3
    scatter = "" if math.isnan(one["scatter"]) else f" ± {one['scatter']:.{digits}f}"
    apart = f"{one['deviation']:+.1f}" if math.isfinite(one["deviation"]) else "–"
    apart = apart[1:] if apart in ("+0.0", "-0.0") else apart
    mean = f"{one['mean']:.{digits}f}{scatter}"
    texts = (one["network"], str(one["step"]), read, mean, str(one["draws"]), apart)
    verdict = verdicts(row).item()
    cells = (with_minus_signs(text).replace(" ", NO_BREAK) for text in texts)
    return (*cells, f"**{verdict}**" if verdict == VERDICTS[1] else verdict)


def _agreed(row: xr.Dataset) -> tuple[str, ...]:
    one = {name: values.item() for name, values in row.data_vars.items()}
    usual = f"{one['per_value']:.1f} ({one['usual_low']:.1f} to {one['usual_high']:.1f})"
    rest = (f"{one[name]:.1f}" if math.isfinite(one[name]) else "–" for name in ("largest", "distance", "sigmas"))
    return f"{one['values']}, {one['compared']}", usual, *rest
