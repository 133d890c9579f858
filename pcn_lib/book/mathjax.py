"""MathJax served by the book itself, taken from an installed package: no page loads anything from elsewhere.

Its parts that set TeX as SVG, without its menu; of its glyphs those alphabets that the pages' TeX names.
"""

import importlib.metadata
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pcn_lib.book.project import BookError

DISTRIBUTION = "sphinx-mathjax-offline"
ENTRY = "startup.js"
#: What it loads, from beside it: from file:// in every browser, where some refuse fonts.
COMPONENTS = ("core", "input/tex", "output/svg", "a11y/assistive-mml")
# TeX packages, loaded when a formula first needs them.
EXTENSIONS = "input/tex/extensions"
FONT = Path("output") / "svg" / "fonts" / "tex.js"
#: Alphabets that are left out unless TeX names one of these commands: parts of the font, and characters of its
#: `normal` part.
ALPHABETS: tuple[tuple[set[str], set[str], tuple[range, ...]], ...] = (
    ({"mathfrak", "frak"}, {"fraktur"}, (range(0x1D504, 0x1D538),)),
    ({"mathbffrak"}, {"frakturBold"}, (range(0x1D56C, 0x1D5A0),)),
    ({"mathscr", "scr"}, set(), (range(0x1D49C, 0x1D4D0),)),
    ({"mathbfscr"}, set(), (range(0x1D4D0, 0x1D504),)),
    ({"mathsf", "textsf", "sf"}, {"sansSerif"}, (range(0x1D5A0, 0x1D5D4), range(0x1D7E2, 0x1D7EC))),
    ({"mathbfsf"}, {"sansSerifBold"}, (range(0x1D5D4, 0x1D608), range(0x1D756, 0x1D790), range(0x1D7EC, 0x1D7F6))),
    ({"mathsfit"}, {"sansSerifItalic"}, (range(0x1D608, 0x1D63C),)),
    ({"mathbfsfit"}, {"sansSerifBoldItalic"}, (range(0x1D63C, 0x1D670), range(0x1D790, 0x1D7CA))),
    ({"mathtt", "texttt", "tt"}, {"monospace"}, (range(0x1D670, 0x1D6A4), range(0x1D7F6, 0x1D800))),
    ({"mathit", "textit", "it"}, {"texMathit"}, ()),
    ({"mathbfcal"}, {"texCalligraphicBold"}, ()),
    ({"oldstyle"}, {"texOldstyle", "texOldstyleBold"}, ()),
)
#: Where a part of the font begins, or a glyph of it.
PIECE = re.compile(r'T\.(?P<part>\w+)=\(0,\w+\.AddPaths\)|\b(?P<code>\d+):"[^"]*",?')
COMMAND = re.compile(r"\\([A-Za-z]+)")


def copy_mathjax(static: Path) -> str:
    """Copy what the pages need below the built static folder; the path of its script within that folder."""
    source, target = _installed(), static / "mathjax"
    if not (target / EXTENSIONS).is_dir():
        shutil.copytree(source / EXTENSIONS, target / EXTENSIONS)
    for name in (ENTRY, *(f"{part}.js" for part in COMPONENTS), FONT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
    return f"{target.name}/{ENTRY}"


def only_used_glyphs(static: Path, pages: Iterable[str]) -> None:
    """Leave alphabets that no page's TeX names out of the copied font."""
    used = {command for page in pages for command in COMMAND.findall(page)}
    font = (_installed() / FONT).read_text(encoding="utf-8")
    (static / "mathjax" / FONT).write_text(with_alphabets(font, used), encoding="utf-8")


def with_alphabets(font: str, used: set[str]) -> str:
    """The font without the alphabets of which no command is used."""
    unused = [alphabet for alphabet in ALPHABETS if not alphabet[0] & used]
    parts = set().union(*(parts for _, parts, _ in unused))
    codes = {str(code) for *_, spans in unused for span in spans for code in span}
    part = ""

    def kept(found: re.Match) -> str:
        nonlocal part
        part = found["part"] or part
        glyph = found["code"]
        return "" if glyph and (part in parts or part == "normal" and glyph in codes) else found[0]

    return PIECE.sub(kept, font)


def _installed() -> Path:
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    entry = next((file for file in files if file.name == ENTRY), None)
    if entry is None:
        raise BookError(f"MathJax is not installed, which the pages' formulae need: `pip install {DISTRIBUTION}`.")
    return Path(entry.locate()).parent
