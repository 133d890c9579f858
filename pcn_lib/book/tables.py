"""Tables over all chapters, which Sphinx reads again whenever one of them was run."""

import html
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book import certificates, costs, report
from pcn_lib.book.address import repository
from pcn_lib.book.project import PROFILES, BookError, Chapter, Project
from pcn_lib.study import Claim
from pcn_lib.tables import NO_BREAK, as_mathematics

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: Claims that a row of the paper map gives with their numbers, before it counts the others.
NAMED = 3


def reports(app: "Sphinx", project: Project) -> tuple[report.ChapterReport, ...]:
    """How every chapter stands at the profile that these pages show."""
    return report.chapter_reports(project, app.config.pcn_profile)


class CollectingTable(SphinxDirective):
    """A table over all chapters; subclasses write it as Markdown."""

    def run(self) -> list[nodes.Node]:
        container = nodes.container(classes=["pcn-table"])
        lines = StringList(self.markdown(self.project()).splitlines())
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children

    def project(self) -> Project:
        """The book, of which this page is read again when a chapter was run."""
        if not hasattr(self.env, "pcn_collecting"):
            self.env.pcn_collecting = set()
        self.env.pcn_collecting.add(self.env.docname)
        return Project(Path(self.env.srcdir))

    def markdown(self, project: Project) -> str:
        raise NotImplementedError

    def reports(self, project: Project) -> tuple[report.ChapterReport, ...]:
        return reports(self.env.app, project)


class StatisticsTable(CollectingTable):
    """```{pcn-statistics}```: minutes and memory of every chapter on each device, and how these pages' runs stand."""

    def markdown(self, project: Project) -> str:
        found = costs.costs(project)
        shown = [profile for profile in PROFILES if any(profile in row for row in found.values())]
        rows: list[tuple[str, ...]] = []
        for state in self.reports(project):
            began = f", {state.run.record.began[:10]}" if state.run.record else ""
            mine = {device: row for (chapter, device), row in found.items() if chapter == state.chapter} or {"–": {}}
            for device, row in mine.items():
                minutes = (_minutes([row[profile]] if profile in row else []) for profile in shown)
                memory = max((one.memory for one in row.values() if one.memory), default=0)
                cells = (device, *minutes, f"{memory / 1024:.1f}" if memory else "–")
                rows.append((link(project, state.chapter), *cells, f"{state.state}{began}"))
        total = (_minutes([row[profile] for row in found.values() if profile in row]) for profile in shown)
        header = ("chapter", "device", *(f"`{profile}`, min" for profile in shown), "GiB", "run of its page")
        return "\n".join(table(header, [*rows, ("all", "", *total, "", "")]))


def _minutes(spent: list[costs.Cost]) -> str:
    return f"{sum(one.seconds for one in spent) / 60:.1f}" if spent else "–"


class Checkout(CollectingTable):
    """```{pcn-checkout}```: how to get the book, from its repository where that is known."""

    def markdown(self, project: Project) -> str:
        address = repository(project.root) or "ADDRESS"  # which a reader of a copy knows
        return f"```bash\ngit clone {address} pcn\ncd pcn\nmake book\n```"


class CertificatesTable(CollectingTable):
    """```{pcn-certificates}```: the newest certificate of each device, and where there is none."""

    def markdown(self, project: Project) -> str:
        found = certificates.committed(project)
        header = ("device", "precision", "verdict", "made by", "date")
        rows = [tuple(map(plain, row)) for row in certificates.rows(found)]
        lines = [*table(header, rows), ""] if rows else []
        # A blank line after each, so that every sentence is a paragraph of its own.
        return "\n".join([*lines, *(line for sentence in certificates.missing(found) for line in (sentence, ""))])


class PaperMap(CollectingTable):
    """```{pcn-paper-map}```: what the paper says, the chapter that checks it, and what came out.

    Each line of the body is ``where in the paper | what it says | chapter | claims``.  The claims are patterns
    separated by semicolons, matched with the names of the chapter's claims as file names are; without any, they are
    those whose source is the paper.  The verdict comes from the run that these pages show.
    """

    has_content = True

    def markdown(self, project: Project) -> str:
        states = {name: state for state in self.reports(project) for name in (state.chapter.name, state.chapter.stem)}
        rows = [self._row(project, states, line) for line in self.content if line.strip()]
        return "\n".join(
            table(("in the paper", "what it says", "verdict and chapter", "checked by (measured, predicted)"), rows)
        )

    def _row(self, project: Project, states: dict[str, report.ChapterReport], line: str) -> tuple[str, ...]:
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) not in (3, 4) or cells[2] not in states:
            raise self.error(f"'{line}' is not `where | what | chapter | claims` with a chapter of this book.")
        state, patterns = states[cells[2]], cells[3].split(";") if len(cells) == 4 else ()
        try:
            checks, verdict = summarised(state, tuple(pattern.strip() for pattern in patterns))
        except BookError as unknown:
            raise self.error(str(unknown)) from unknown
        return (*cells[:2], f"**{verdict}**: {link(project, state.chapter)}", escaped(as_mathematics(checks)))


def summarised(state: report.ChapterReport, patterns: tuple[str, ...]) -> tuple[str, str]:
    """Those claims of a chapter that match, with their numbers, and what came out of them all, in words.

    Raises:
        BookError: a pattern that matches no claim of the run.
    """
    if not state.current:
        return "–", "not run"
    claims = [made.claim for made in state.run.claims]
    for pattern in patterns:
        if not any(fnmatchcase(claim.name, pattern) for claim in claims):
            raise BookError(f"The paper map names the claim '{pattern}', which {state.chapter.name} does not make.")
    chosen = [claim for claim in claims if _matches(claim, patterns)]
    names = "; ".join(map(_with_numbers, chosen[:NAMED]))
    more = f"; and {len(chosen) - NAMED} more" if len(chosen) > NAMED else ""
    return (names + more or "–", _verdict(chosen))


def _with_numbers(claim: Claim) -> str:
    relation = f"{'' if claim.holds else 'not '}{claim.relation.value} {claim.predicted:.3g}"
    return f"{claim.name} ({f'{claim.measured:.3g} {relation}'.replace(' ', NO_BREAK)})"


def _matches(claim: Claim, patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return claim.source.startswith("paper")
    return any(fnmatchcase(claim.name, pattern) for pattern in patterns)


def _verdict(claims: list[Claim]) -> str:
    if not claims:
        return "nothing claimed"
    wrong = sum(not claim.as_expected for claim in claims)
    if wrong:
        return f"{wrong} of {len(claims)} not as expected"
    verdicts = {claim.verdict for claim in claims}
    return verdicts.pop() if len(verdicts) == 1 else "holds, and fails where it should"


def plain(text: str) -> str:
    """Text of a claim, in which F* is a symbol and not the beginning of an emphasis."""
    return escaped(html.escape(text, quote=False))


def escaped(text: str) -> str:
    """HTML in which nothing is read as Markdown."""
    return re.sub(r"([\\`*_{}\[\]$~])", r"\\\1", text)


def link(project: Project, chapter: Chapter) -> str:
    """A link to a chapter under its own title."""
    return f"[](/{chapter.path.relative_to(project.root).as_posix()})"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table as lines of Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]
