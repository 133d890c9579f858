"""Builds the pages with Jupyter Book, strictly, and not at all when nothing they show has changed."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pcn_lib.book import costs, fingerprint
from pcn_lib.book.address import repository
from pcn_lib.book.project import BookError, Project, book_module
from pcn_lib.book.report import chapter_reports
from pcn_lib.files import try_place

MAIN = "from jupyter_book.cli.main import main; main()"
STRICT = ("-W", "-n", "--keep-going")


def build_book(project: Project, profile: str) -> bool:
    """Render the book; whether anything had to be done.

    Raises:
        BookError: the build warned or failed; the log is kept and its complaints are in the message.
    """
    book_module("jupyter_book")
    stamp, inputs = project.root / "_build" / "inputs", _inputs(project, profile)
    if (project.pages / "index.html").is_file() and stamp.is_file() and stamp.read_text() == inputs:
        return False
    stamp.unlink(missing_ok=True)
    jupyter_book(project, profile)
    stamp.write_text(inputs)
    return True


def jupyter_book(project: Project, profile: str, *options: str) -> None:
    """Run Jupyter Book's build, strictly.

    Raises:
        BookError: it warned or failed; the log is kept and its complaints are in the message.
    """
    book_module("jupyter_book")
    project.settings()
    try_place(project.root / "_build")
    command = [sys.executable, "-P", "-c", MAIN, "build", ".", *STRICT, *options]
    environment = os.environ | {"PCN_PROFILE": profile, "PYTHONIOENCODING": "utf-8"}
    process = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, encoding="utf-8")
    log = project.root / "_build" / "build.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(process.stdout + process.stderr, encoding="utf-8")
    if process.returncode:
        # Sphinx warns of a page only when it reads it: the next build has to read all of them again.
        shutil.rmtree(project.root / "_build" / ".doctrees", ignore_errors=True)
        complaints = [line for line in (process.stderr + process.stdout).splitlines() if _complains(line)]
        raise BookError("\n".join([f"The pages were not built cleanly; the whole log is {log}.", *complaints[:20]]))


def clean(project: Project) -> list[Path]:
    """Remove what runs and builds made; the folders that were there."""
    made = [folder for folder in (project.runs, project.root / "_build", project.cache) if folder.is_dir()]
    for folder in made:
        shutil.rmtree(folder)
    return made


def _complains(line: str) -> bool:
    return "WARNING" in line or "ERROR" in line or "Error" in line


def _inputs(project: Project, profile: str) -> str:
    """A digest of everything the pages show: their sources, the machinery, and the runs."""
    files = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(set(_sources(project)))}
    states = [state.identity for state in chapter_reports(project, profile)]
    shown = (costs.identity(project), fingerprint.versions(), repository(project.root))
    return fingerprint.digest(profile, files, states, *shown)


def _sources(project: Project) -> Iterator[Path]:
    yield from project.documents()
    yield from (project.root / name for name in ("_config.yml", "_toc.yml", "references.bib"))
    ours = (fingerprint.LIBRARY / "book", fingerprint.LIBRARY / "study")
    for folder in (project.root / "_static", project.root / "results", *ours):
        yield from (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
