"""A chapter's prose as plain Markdown, for where nothing reads the pages' own: boxes, citations, roles and links.

On Colab and in other notebooks a box of a theorem would be a block of code, and a link to a page would lead nowhere.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.project import BookError, Project, book_module

FENCE = re.compile(r"(?P<marks>`{3,}|:{3,})\s*(?:\{(?P<name>[\w:-]+)\}\s*(?P<title>.*))?")
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")
TARGET = re.compile(r"\((?P<label>[\w-]+)\)=")
#: What may hold markup that is none (formulae and code), roles, and links into the book.
INLINE = re.compile(
    r"\{(?P<role>[\w:-]+)\}`(?P<said>[^`]+)`|(`+)[^`].*?\3|\$\$.*?\$\$|\$[^$]+\$"
    r"|\[(?P<shown>[^\]]*)\]\((?P<to>(?!\w+:)[^)\s#]*?\.(?:ipynb|md))?(?P<anchor>#[\w-]+)?\)",
    re.DOTALL,
)
REFERRING = ("prf:ref", "ref", "numref", "eq")
EXPLICIT = re.compile(r"(?P<shown>.*\S)\s*<(?P<target>[^>]+)>", re.DOTALL)


@dataclass(frozen=True)
class Work:
    """What is cited, and its address or ""."""

    authors: str
    year: str
    title: str
    address: str

    def link(self, in_sentence: bool) -> str:
        shown = f"{self.authors} ({self.year})" if in_sentence else f"{self.authors}, {self.year}"
        return _link(shown, self.address, self.title) if self.address else f"{shown}, *{self.title}*"


@dataclass(frozen=True)
class Places:
    """What the book's pages link to.

    Attributes:
        root: of the book.
        pages: the address of the published pages; None where they have none, and what would be a link is its words.
        titles: of every document, by its path below the root without suffix.
        labels: the document of every label, and what stands there in words.
        works: what may be cited, by key.
    """

    root: Path
    pages: str | None
    titles: Mapping[str, str]
    labels: Mapping[str, tuple[str, str]]
    works: Mapping[str, Work]

    def page(self, document: str, shown: str = "", anchor: str = "") -> str:
        """A link to a document of the book."""
        if document not in self.titles:
            raise BookError(f"A chapter links to '{document}', which is no page of the book: see _toc.yml.")
        address = f"{self.pages}/{document}.html{anchor}" if self.pages else ""
        return _link(shown or self.titles[document], address, self.titles[document])

    def place(self, label: str, shown: str = "") -> str:
        """A link to what bears a label."""
        if label not in self.labels:
            raise BookError(f"A chapter refers to '{label}', which nothing in the book is labelled: correct it.")
        document, words = self.labels[label]
        return self.page(document, shown or words, f"#{label}")

    def works_of(self, keys: str, in_sentence: bool) -> str:
        """Links to what is cited, by its keys."""
        if unknown := [key for key in keys.split(",") if key.strip() not in self.works]:
            raise BookError(f"A chapter cites '{unknown[0]}', which is not in references.bib: add it there.")
        return ("; ", ", ")[in_sentence].join(self.works[key.strip()].link(in_sentence) for key in keys.split(","))


def places(project: Project, pages: str | None) -> Places:
    """What may be linked to in a book whose pages are published at an address."""
    titles, labels = {}, {}
    for path in project.documents():
        document = path.relative_to(project.root).with_suffix("").as_posix()
        text = _prose(path)
        titles[document] = next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), document)
        labels |= {label: (document, words) for label, words in _labelled(text.splitlines())}
    return Places(project.root, pages, titles, labels, dict(_works(project.root / "references.bib")))


def plain(source: str, document: str, known: Places) -> str:
    """Prose in plain Markdown.

    Raises:
        BookError: it links to, refers to or cites what is not there.
    """

    def replaced(found: re.Match) -> str:
        if found["role"]:
            return _role(found["role"], found["said"], known)
        if found["to"]:
            there = (known.root / document).parent / found["to"]
            page = there.resolve().relative_to(known.root.resolve()).with_suffix("").as_posix()
            return known.page(page, found["shown"], found["anchor"] or "")
        return known.page(document, found["shown"], found["anchor"]) if found["anchor"] else found[0]

    lines = _blocks(source.split("\n"), lambda text: INLINE.sub(replaced, text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _role(role: str, said: str, known: Places) -> str:
    if role.startswith("cite"):
        cited = known.works_of(said, in_sentence=role == "cite:t")
        return cited if role == "cite:t" else f"({cited})"
    if role == "measured":
        return book_module("pcn_lib.book.findings").in_words(known.root, said)
    explicit = EXPLICIT.fullmatch(said)
    shown, target = (explicit["shown"], explicit["target"]) if explicit else ("", said)
    return known.place(target, shown) if role in REFERRING else shown or said


def _blocks(lines: Iterable[str], inline: Callable[[str], str]) -> Iterator[str]:
    """The lines without directives and labels; what is no code goes through `inline`, whole paragraphs at once."""
    rest, text = iter(lines), []
    for line in rest:
        fence = FENCE.match(line)
        if fence or TARGET.fullmatch(line):
            yield from inline("\n".join(text)).split("\n") if text else ()
            text = []
            yield from _block(fence, list(_inside(rest, fence["marks"])), inline) if fence else ()
        else:
            text.append(line)
    yield from inline("\n".join(text)).split("\n")


def _inside(rest: Iterator[str], marks: str) -> Iterator[str]:
    """The lines up to the end of a block, which is taken too."""
    return itertools.takewhile(lambda line: not line.startswith(marks) or line.strip(marks[0] + " "), rest)


def _block(fence: re.Match, inside: list[str], inline: Callable[[str], str]) -> Iterator[str]:
    name, title = fence["name"], (fence["title"] or "").strip()
    if name is None:
        yield from (fence.string, *inside, fence["marks"])
    elif not name.startswith("pcn-"):  # those show what the pages know of runs
        body = list(itertools.dropwhile(lambda line: OPTION.fullmatch(line) or not line.strip(), inside))
        heading = title if name == "dropdown" else f"{_kind(name)}{title and ': '}{title}"
        yield from ("", "---", "", f"**{inline(heading)}**", "", *_blocks(body, inline), "", "---", "")


def _kind(directive: str) -> str:
    return directive.split(":")[-1].capitalize()


def _prose(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown")


def _labelled(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Every label of a page with what stands there: a box by its kind and title, a heading by its words."""
    box = ""
    for number, line in enumerate(lines):
        if (fence := FENCE.match(line)) and fence["name"]:
            title = re.sub(r"\s*(\([^()]*\)|– [^–]*)$", "", (fence["title"] or "").strip())  # without whose it is
            box = f"{_kind(fence['name'])} “{title}”" if title else _kind(fence["name"])
        elif (option := OPTION.fullmatch(line)) and option["name"] in ("label", "name"):
            yield option["value"], box
        elif target := TARGET.fullmatch(line):
            following = next((one for one in lines[number + 1 :] if one.strip()), "")
            yield target["label"], following.lstrip("# ") if following.startswith("#") else ""


def _works(path: Path) -> Iterator[tuple[str, Work]]:
    rich = book_module("pybtex.richtext").Text
    for key, entry in book_module("pybtex.database").parse_file(str(path)).entries.items():
        names = [str(rich.from_latex(" ".join(one.last_names))) for one in entry.persons.get("author", ())]
        authors = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
        fields = entry.fields
        arxiv = re.search(r"arXiv:(\d{4}\.\d{4,5})", " ".join(fields.values()))
        address = f"https://doi.org/{fields['doi']}" if "doi" in fields else fields.get("url", "")
        address = address or (f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else "")
        yield key, Work(authors, fields.get("year", ""), re.sub(r"[{}]", "", fields.get("title", key)), address)


def _link(shown: str, address: str, title: str) -> str:
    if not address:
        return f"*{shown}*" if shown == title else shown
    hover = "" if shown == title else ' "{}"'.format(title.replace('"', "'"))
    return f"[{shown}]({address}{hover})"
