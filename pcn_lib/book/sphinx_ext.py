"""The Sphinx extension: chapters show the outputs of their runs, and two pages collect claims and statistics.

Notebooks are committed without outputs. When Sphinx reads one, the outputs of its run at the profile
`pcn_profile` are put in; where there is no run of the code as it stands, the page says so instead.
Plain `jupyter-book build .` is enough.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book import notebooks, report
from pcn_lib.book.benchmarks import Benchmarks
from pcn_lib.book.mathjax import copy_mathjax
from pcn_lib.book.project import Chapter, Project

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def setup(app: "Sphinx") -> dict[str, Any]:
    app.add_config_value("pcn_profile", os.environ.get("PCN_PROFILE", "quick"), "env")
    app.add_directive("pcn-claims", ClaimsTable)
    app.add_directive("pcn-statistics", StatisticsTable)
    app.add_directive("pcn-benchmarks", Benchmarks)
    app.connect("builder-inited", _serve_mathjax)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _show_run)
    app.connect("html-page-context", _without_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}


def _serve_mathjax(app: "Sphinx") -> None:
    if app.builder.format == "html":
        app.config.mathjax_path = copy_mathjax(Path(app.outdir) / "_static")


def _without_thebe(app: "Sphinx", page: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Leave out the scripts of a live-code service that Jupyter Book adds to every page and that needs a network."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if "thebe" not in _script_text(script)]


def _script_text(script: Any) -> str:
    return f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {})}"


def _show_run(app: "Sphinx", docname: str, source: list[str]) -> None:
    """Put a run's outputs into a chapter as it is read, or a note that says why there are none."""
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb":
        return
    project = Project(Path(app.srcdir))
    state = report.chapter_report(project, Chapter(path.stem, path), app.config.pcn_profile)
    committed = notebooks.read(path)
    if state.problem is None:
        shown = notebooks.with_outputs(committed, state.run.executed())
    else:
        shown = notebooks.with_note(notebooks.normalised(committed), state.problem)
    source[0] = notebooks.text(shown)


def _outdated(app: "Sphinx", env: "BuildEnvironment", added: set, changed: set, removed: set) -> list[str]:
    """Pages to read again because a run changed: its chapter, and the pages that collect all runs."""
    project = Project(Path(app.srcdir))
    before = getattr(env, "pcn_states", {})
    now = {app.env.path2doc(str(state.chapter.path)): state.identity for state in _reports(app, project)}
    env.pcn_states = now
    stale = {document for document, state in now.items() if before.get(document) != state}
    collecting = getattr(env, "pcn_collecting", set()) if stale else set()
    return sorted((stale | collecting) & env.found_docs)


def _reports(app: "Sphinx", project: Project) -> tuple[report.ChapterReport, ...]:
    return report.chapter_reports(project, app.config.pcn_profile)


class CollectingTable(SphinxDirective):
    """A table over all chapters, read again whenever one of them was run."""

    def run(self) -> list[nodes.Node]:
        if not hasattr(self.env, "pcn_collecting"):
            self.env.pcn_collecting = set()
        self.env.pcn_collecting.add(self.env.docname)
        project = Project(Path(self.env.srcdir))
        container = nodes.container(classes=["pcn-table"])
        self.state.nested_parse(StringList(self.markdown(project).splitlines()), self.content_offset, container)
        return container.children

    def markdown(self, project: Project) -> str:
        raise NotImplementedError

    def reports(self, project: Project) -> tuple[report.ChapterReport, ...]:
        return _reports(self.env.app, project)


class ClaimsTable(CollectingTable):
    """```{pcn-claims}```: every claim with what was predicted and measured, and its verdict."""

    def markdown(self, project: Project) -> str:
        header = ("claim", "predicted", "measured", "tolerance", "verdict", "device")
        lines = []
        for state in self.reports(project):
            rows = [_claim_row(row) for row in report.claim_rows(project, [state])]
            lines += [f"**{_link(project, state.chapter)}**", "", *([state.problem, ""] if state.problem else [])]
            lines += [*_table(header, rows), ""] if rows else []
        return "\n".join(lines)


class StatisticsTable(CollectingTable):
    """```{pcn-statistics}```: how long each chapter ran, on what, and when."""

    def markdown(self, project: Project) -> str:
        reports = self.reports(project)
        paired = zip(reports, report.statistics(reports), strict=True)
        rows = [(_link(project, state.chapter), *row[1:]) for state, row in paired]
        return "\n".join(_table(("chapter", "profile", "minutes", "device", "started (UTC)", "state"), rows))


def _claim_row(row: report.ClaimRow) -> tuple[str, ...]:
    claim = row.claim
    name, statement, source = (_plain(text) for text in (claim.name, claim.statement, claim.source))
    return (f"**{name}**: {statement} ({source})", *row.quantities, f"**{claim.verdict}**", row.device)


def _plain(text: str) -> str:
    """Text of a claim, in which F* is a symbol and not the beginning of an emphasis."""
    return re.sub(r"([\\`*_{}\[\]<>$~])", r"\\\1", text)


def _link(project: Project, chapter: Chapter) -> str:
    """A link to a chapter under its own title."""
    return f"[](/{chapter.path.relative_to(project.root).as_posix()})"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [header, ("---",) * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]
