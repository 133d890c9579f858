"""The whole book as one PDF: all chapters on one page, printed by a headless browser.

The browser sets the formulae and pictures that the pages show, so the PDF and the pages cannot differ.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from pcn_lib.book.build import jupyter_book
from pcn_lib.book.doctor import CHROMIUM, browser
from pcn_lib.book.project import BookError, Project
from pcn_lib.files import write_atomically

#: Seconds of the page's own clock for setting all formulae, and of ours for the browser to end.
SETTING, PATIENCE = 300, 900
PRINTING = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--no-pdf-header-footer", f"--virtual-time-budget={SETTING * 1000}",
)  # fmt: skip


def pdf_path(project: Project) -> Path:
    return project.root / "_build" / "book.pdf"


def print_book(project: Project, profile: str) -> Path:
    """Render all chapters on one page and print it to _build/book.pdf; where it is.

    Raises:
        BookError: there is no browser, the page was not built cleanly, or the browser gave no PDF.
    """
    if (chromium := browser()) is None:
        raise BookError(
            f"No browser was found (looked for {', '.join(CHROMIUM)}), which prints the book: install Chromium, "
            "or open the pages and print a chapter from there."
        )
    jupyter_book(project, profile, "--builder", "custom", "--custom-builder", "singlehtml")
    return write_atomically(pdf_path(project), printed(chromium, single_page(project)))


def single_page(project: Project) -> Path:
    """The page with all chapters, where its style and its script for formulae are found.

    Sphinx writes it into the folder of the first chapter, with addresses that begin at the folder above.
    """
    pages = project.root / "_build" / "singlehtml"
    first = project.documents()[0].relative_to(project.root).with_suffix(".html")
    return write_atomically(pages / "book.html", (pages / first).read_bytes())


def printed(chromium: str, page: Path) -> bytes:
    """The PDF that a headless browser makes of a page.

    Raises:
        BookError: it made none; its last words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "book.pdf")
        # Chromium's sandbox refuses to start for root, as in a container.
        trusted = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        command = [chromium, *PRINTING, *trusted, f"--user-data-dir={folder}/profile", f"--print-to-pdf={path}"]
        try:
            process = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as slow:
            raise BookError(f"{chromium} had not printed {page} after {PATIENCE} s: print it from a browser.") from slow
        if not path.is_file():
            words = (process.stderr.strip().splitlines() or ["no message"])[-1]
            raise BookError(f"{chromium} made no PDF of {page} ({words}): open that page in a browser and print it.")
        return path.read_bytes()
