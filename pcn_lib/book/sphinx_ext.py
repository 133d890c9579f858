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

from pcn_lib.book import certificates, colab, costs, notebooks, report, tables
from pcn_lib.book.address import repository
from pcn_lib.book.benchmarks import Benchmarks
from pcn_lib.book.citing import Citation
from pcn_lib.book.claims import ClaimsTable
from pcn_lib.book.explorer import Explorer, SideBySide
from pcn_lib.book.findings import Finding, Measured, Shown, Totals
from pcn_lib.book.gallery import Gallery, write_thumbnails
from pcn_lib.book.lead import with_lead, with_recorded_first, with_symbols_folded
from pcn_lib.book.mathjax import COMPONENTS, copy_mathjax
from pcn_lib.book.project import Chapter, Project
from pcn_lib.book.published import Published
from pcn_lib.book.solvers import Solvers
from pcn_lib.book.sources import with_downloads, with_sources
from pcn_lib.book.weight import drawings_apart, only_what_is_used

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

#: What screen readers stumble over, and what stands there instead: a heading without words, an id given twice, and
#: entries of a list that are not called so.
STUMBLES = {
    re.compile(r"<th\b[^>]*>\s*(<p></p>)?\s*</th>"): "<td></td>",
    re.compile(' id="proof-content"'): "",
    re.compile(' role="doc-biblioentry"'): ' role="listitem"',
}


#: One more wherever pages must be read again although their sources are as they were.
ENVIRONMENT = 2


def setup(app: "Sphinx") -> dict[str, Any]:
    app.add_config_value("pcn_profile", os.environ.get("PCN_PROFILE", "quick"), "env")
    app.add_directive("pcn-claims", ClaimsTable)
    app.add_directive("pcn-statistics", tables.StatisticsTable)
    app.add_directive("pcn-checkout", tables.Checkout)
    app.add_directive("pcn-certificates", tables.CertificatesTable)
    app.add_directive("pcn-paper-map", tables.PaperMap)
    app.add_directive("pcn-benchmarks", Benchmarks)
    app.add_directive("pcn-published", Published)
    app.add_directive("pcn-gallery", Gallery)
    app.add_directive("pcn-citation", Citation)
    app.add_directive("pcn-explorer", Explorer)
    app.add_directive("pcn-side-by-side", SideBySide)
    app.add_directive("pcn-solvers", Solvers)
    app.add_directive("pcn-finding", Finding)
    app.add_directive("pcn-picture", Shown)
    app.add_directive("pcn-totals", Totals)
    app.add_role("measured", Measured())
    app.connect("config-inited", _know_the_repository)
    app.connect("builder-inited", _serve_mathjax)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _show_run)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("html-page-context", _lead_to_colab_copies, priority=900)
    app.connect("html-page-context", drawings_apart, priority=900)
    app.connect("html-page-context", _without_stumbles, priority=900)
    app.connect("build-finished", _write_colab_copies)
    app.connect("build-finished", _write_thumbnails)
    app.connect("build-finished", only_what_is_used)
    return {"version": "1", "env_version": ENVIRONMENT, "parallel_read_safe": False, "parallel_write_safe": True}


def _know_the_repository(app: "Sphinx", config: Any) -> None:
    """Tell the theme where the repository is; without one there are no buttons, which would lead nowhere."""
    options = config.html_theme_options
    options |= {"repository_url": repository(Path(app.srcdir)), "repository_branch": "HEAD"}
    if options["repository_url"] is None:
        options["launch_buttons"] = {}


def _serve_mathjax(app: "Sphinx") -> None:
    if app.builder.format == "html":
        app.config.mathjax_path = copy_mathjax(Path(app.outdir) / "_static")
        app.config.mathjax3_config = (app.config.mathjax3_config or {}) | {"loader": {"load": list(COMPONENTS)}}


def _without_thebe(app: "Sphinx", page: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Leave out the scripts of a live-code service that Jupyter Book adds to every page and that needs a network."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if "thebe" not in _script_text(script)]


def _lead_to_colab_copies(
    app: "Sphinx", page: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Let the theme's Colab button open the copy that installs the library."""
    groups = (button.get("buttons", ()) for button in context.get("header_buttons", ()))
    for button in (button for group in groups for button in group if button.get("text") == "Colab"):
        button["url"] = colab.button(button["url"])


def _without_stumbles(
    app: "Sphinx", page: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    for stumble, instead in STUMBLES.items() if "body" in context else ():
        context["body"] = stumble.sub(instead, context["body"])


def _write_colab_copies(app: "Sphinx", failed: Exception | None) -> None:
    if failed is None and app.builder.name == "html":
        repository = app.config.html_theme_options["repository_url"]
        colab.write_copies(Project(Path(app.srcdir)), Path(app.outdir), repository)


def _write_thumbnails(app: "Sphinx", failed: Exception | None) -> None:
    if failed is None and app.builder.format == "html":
        write_thumbnails(tables.reports(app, Project(Path(app.srcdir))), Path(app.outdir))


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
        ran = with_recorded_first(notebooks.folded(notebooks.with_outputs(committed, state.run.executed())))
        shown = with_sources(ran, state.run.record, state.chapter)
    else:
        shown = notebooks.with_note(notebooks.folded(notebooks.normalised(committed)), state.problem)
    shown.cells[0].source = shown.cells[0].source.replace("# ", f"# {state.chapter.numbered('')}", 1)
    source[0] = notebooks.text(with_symbols_folded(with_lead(with_downloads(project, shown, state))))


def _outdated(app: "Sphinx", env: "BuildEnvironment", added: set, changed: set, removed: set) -> list[str]:
    """Pages to read again because a run changed: its chapter, and the pages that collect all runs."""
    project = Project(Path(app.srcdir))
    before = getattr(env, "pcn_states", {})
    now = {app.env.path2doc(str(state.chapter.path)): state.identity for state in tables.reports(app, project)}
    # No documents, but the collecting pages show them.
    now |= {"certificates": [str(made) for made in certificates.committed(project)], "costs": costs.identity(project)}
    env.pcn_states = now
    stale = {document for document, state in now.items() if before.get(document) != state}
    collecting = getattr(env, "pcn_collecting", set()) if stale else set()
    return sorted((stale | collecting) & env.found_docs)
