"""The claims of all chapters, and how their runs went, as rows: for the terminal and for the book's pages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pcn_lib.book import certificates, fingerprint, notebooks
from pcn_lib.book.project import Chapter, Project
from pcn_lib.book.records import Run, confirmed_on_gpu, run_of
from pcn_lib.study import Claim
from pcn_lib.tables import aligned


@dataclass(frozen=True)
class ChapterReport:
    """A chapter's run at one profile.

    `problem` says why its outputs are not shown, and is None if they are; `current` is whether the run is of the
    chapter's code as it stands, so that its claims count.
    """

    chapter: Chapter
    run: Run
    problem: str | None
    current: bool

    @property
    def heading(self) -> str:
        """The chapter's, as it stands in its notebook."""
        return notebooks.read(self.chapter.path).cells[0].source.splitlines()[0].removeprefix("# ")

    @property
    def title(self) -> str:
        """Its heading behind its number."""
        return self.chapter.numbered(self.heading)

    @property
    def state(self) -> str:
        """How its run stands, in a word or two."""
        if self.run.record is None:
            return "damaged" if self.run.damage else "not run"
        return "out of date" if not self.current else "failed" if self.run.record.error else "done"

    @property
    def identity(self) -> tuple[str | None, ...]:
        """Changes when what the pages show of this run changes."""
        record = self.run.record
        return self.chapter.name, self.problem, record and record.started


@dataclass(frozen=True)
class ClaimRow:
    """One claim as the report shows it; `confirmed` is whether it was made on a GPU, too."""

    chapter: Chapter
    claim: Claim
    device: str
    confirmed: bool

    @property
    def quantities(self) -> tuple[str, str, str]:
        """Predicted, measured and tolerance, as read by people."""
        claim = self.claim
        tolerance = f"{claim.tolerance:.3g}" if claim.tolerance else "–"
        return f"{claim.relation.value} {claim.predicted:.4g}", f"{claim.measured:.4g}", tolerance


def chapter_report(project: Project, chapter: Chapter, profile: str) -> ChapterReport:
    """How a chapter stands: run, not run, failed, or run with code that has changed since."""
    run = run_of(project, chapter, profile)
    record = run.record
    again = f"`pcn run {chapter.name} --profile {profile}`"
    problem, current = None, False
    if run.damage:
        problem = f"This chapter's run is damaged ({run.damage}), so it shows no results: {again} runs it again."
    elif record is None:
        problem = f"This chapter has not been run at profile {profile}, so it shows no results: {again} runs it."
    elif not (current := record.sources == fingerprint.sources(project, chapter)):
        problem = f"This chapter's code has changed since it was run, so it shows no results: {again} runs it again."
    elif record.error is not None:
        # As code, so that nothing in a message from Python is read as Markdown.
        error = record.error.replace("`", "'")
        problem = f"This chapter's run failed, so it shows no results: `{error}` (see {run.report.name} in its run)."
    return ChapterReport(chapter, run, problem, current)


def chapter_reports(project: Project, profile: str) -> tuple[ChapterReport, ...]:
    return tuple(chapter_report(project, chapter, profile) for chapter in project.chapters())


def claim_rows(project: Project, reports: Iterable[ChapterReport]) -> tuple[ClaimRow, ...]:
    """Every claim of every chapter that was run, failed runs included: a claim that failed is why they failed."""
    return tuple(row for report in reports if report.current for row in _claim_rows(project, report))


def terminal(project: Project, reports: tuple[ChapterReport, ...]) -> str:
    """The claims table and what is amiss, as plain text."""
    rows = claim_rows(project, reports)
    header = ("chapter", "claim", "predicted", "measured", "tolerance", "verdict", "device")
    cells = [header, *(_cells(row) for row in rows)]
    rule = ["-" * max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = aligned([header, rule, *cells[1:]])
    wrong = sum(not row.claim.as_expected for row in rows)
    problems = [f"{report.chapter.name}: {report.problem}" for report in reports if report.problem]
    confirmed = sum(row.confirmed for row in rows)
    summary = f"{len(rows)} claims, {len(rows) - wrong} as predicted, {wrong} not; {confirmed} confirmed on a GPU."
    return "\n".join([*lines, "", *problems, summary, *certificates.lines(certificates.committed(project))])


def all_well(project: Project, reports: tuple[ChapterReport, ...]) -> bool:
    """Whether every chapter ran and every claim came out as predicted."""
    rows = claim_rows(project, reports)
    return all(row.claim.as_expected for row in rows) and all(report.problem is None for report in reports)


def _cells(row: ClaimRow) -> tuple[str, ...]:
    return (row.chapter.name, row.claim.name, *row.quantities, row.claim.verdict, row.device)


def _claim_rows(project: Project, report: ChapterReport) -> Iterator[ClaimRow]:
    confirmed = confirmed_on_gpu(project, report.chapter)
    for made in report.run.claims:
        device = f"{made.device}, {made.dtype}"
        yield ClaimRow(report.chapter, made.claim, device, made.claim.name in confirmed)
