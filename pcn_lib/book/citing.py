"""What a chapter rests on, as BibTeX: the paper, the works that it cites, and this software."""

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book import notebooks
from pcn_lib.book.address import repository
from pcn_lib.book.project import BookError, Chapter, Project

CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
ENTRY = re.compile(r"^@\w+\{([^,\s]+),.*?^\}", re.MULTILINE | re.DOTALL)
#: The paper that this book accompanies: every chapter rests on it.
PAPER = "innocenti2026limits"


class Citation(SphinxDirective):
    """```{pcn-citation}```: the entries of the paper and this book."""

    def run(self) -> list[nodes.Node]:
        text = bibtex(Project(Path(self.env.srcdir)))
        return [nodes.literal_block(text, text, language="bibtex")]


def bibtex(project: Project, chapter: Chapter | None = None) -> str:
    """The entries of a chapter, or of the book: the paper first, then as they are cited, this software last.

    Raises:
        BookError: a work is cited that references.bib does not have.
    """
    path = project.root / "references.bib"
    entries = {match[1]: match[0] for match in ENTRY.finditer(path.read_text(encoding="utf-8"))}
    keys = list(dict.fromkeys((PAPER, *(_cited(chapter) if chapter else ()))))
    if missing := [key for key in keys if key not in entries]:
        raise BookError(f"{path} has no entry {', '.join(missing)}, which is cited: add it, or correct the citation.")
    return "\n\n".join([*(entries[key] for key in keys), _software(project, chapter)])


def _cited(chapter: Chapter) -> Iterator[str]:
    for cell in notebooks.read(chapter.path).cells:
        for keys in CITED.findall(cell.source):
            yield from (key.strip() for key in keys.split(","))


def _software(project: Project, chapter: Chapter | None) -> str:
    """The entry of CITATION.cff, and of the chapter in it."""
    cff = project.citation()
    fields = {
        "title": f"{{{cff['title']}}}",
        "author": " and ".join(f"{{{one['name']}}}" for one in cff["authors"]),
        "year": project.settings()["copyright"],
        "version": cff["version"],
        "url": repository(project.root),
        "note": chapter and f"Chapter {chapter.name}",
    }
    body = ",\n".join(f"  {name:<7} = {{{value}}}" for name, value in fields.items() if value)
    return f"@software{{pcn_lib,\n{body}\n}}"
