"""MathJax served by the book itself, taken from an installed package: no page loads anything from elsewhere."""

import importlib.metadata
import shutil
from pathlib import Path

from pcn_lib.book.project import BookError

DISTRIBUTION = "sphinx-mathjax-offline"
# One file with its glyphs inside renders from file:// in every browser, where fonts are refused by some; the
# extensions are TeX packages that it loads when a formula first needs them.
ENTRY = "tex-svg.js"
EXTENSIONS = "input/tex/extensions"


def copy_mathjax(static: Path) -> str:
    """Copy what the pages need below the built static folder; the path of its script within that folder."""
    source = _installed()
    target = static / "mathjax"
    if not (target / ENTRY).is_file():
        shutil.copytree(source / EXTENSIONS, target / EXTENSIONS, dirs_exist_ok=True)
        shutil.copy2(source / ENTRY, target / ENTRY)
    return f"{target.name}/{ENTRY}"


def _installed() -> Path:
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    entry = next((file for file in files if file.name == ENTRY), None)
    if entry is None:
        raise BookError(f"MathJax is not installed, which the pages' formulae need: `pip install {DISTRIBUTION}`.")
    return Path(entry.locate()).parent
