"""Every figure of the book as a thumbnail with its sentence: for those who look first."""

import base64
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pcn_lib.book.lead import with_recorded_first
from pcn_lib.book.notebooks import FOLD_ALL, code_cells, shown_as_html, tagged
from pcn_lib.book.project import Project
from pcn_lib.book.report import ChapterReport
from pcn_lib.book.tables import CollectingTable

#: Beside the pages; thumbnails are fetched one by one, as they come into sight.
FOLDER = Path("_static") / "gallery"
FIGURE = re.compile(
    r'<img alt="(?P<alt>[^"]*)" src="data:image/svg\+xml;base64,(?P<svg>[^"]+)".*?<figcaption[^>]*>(?P<caption>.*?)</f',
    re.DOTALL,
)
#: What may be chosen: a class of a card, and its words.
CHOICES = {"all": "all figures", "theory": "theory", "experiments": "experiments", "paper": "the paper's own figures"}


@dataclass(frozen=True)
class Thumbnail:
    """One figure of a chapter's run.

    Attributes:
        name: of its file, without suffix.
        title: the figure's number and the chapter's title, as HTML.
        svg: the drawing.
        sentence: the caption without data, sizes and device, as HTML.
        alt: its description, as HTML.
    """

    name: str
    title: str
    svg: bytes
    sentence: str
    alt: str


class Gallery(CollectingTable):
    """```{pcn-gallery}```: a card for every figure, to be chosen by theorem, experiment and the paper's figures."""

    def markdown(self, project: Project) -> str:
        name = '<input type="radio" name="pcn-show" id="pcn-{0}"{2}><label for="pcn-{0}">{1}</label>'
        choices = [name.format(*choice, " checked" if choice[0] == "all" else "") for choice in CHOICES.items()]
        cards = [card for state in self.reports(project) for card in _cards(project, state)]
        lines = ['<div class="pcn-choose">', *choices, '<div class="pcn-gallery">', *cards, "</div>", "</div>"]
        return "\n".join(lines)


def thumbnails(state: ChapterReport) -> Iterator[Thumbnail]:
    """The figures that a chapter's page shows unfolded; none where it shows no results."""
    if state.problem is not None:
        return
    notebook = with_recorded_first(state.run.executed())
    cells = (cell for cell in code_cells(notebook) if not tagged(cell, FOLD_ALL))
    outputs = (output for cell in cells for output in cell.outputs)
    shown = (FIGURE.search(shown_as_html(output)) for output in outputs)
    for number, figure in enumerate(filter(None, shown), start=1):
        sentence = figure["caption"].partition(". Data: ")[0]
        title = html.escape(f"{state.chapter.figure(number)}, {state.heading}")
        svg = base64.b64decode(figure["svg"])
        yield Thumbnail(f"{state.chapter.name}-{number}", title, svg, f"{sentence}.", figure["alt"])


def write_thumbnails(states: Iterable[ChapterReport], pages: Path) -> None:
    """The drawings as files beside the pages."""
    (pages / FOLDER).mkdir(parents=True, exist_ok=True)
    for shown in (shown for state in states for shown in thumbnails(state)):
        (pages / FOLDER / f"{shown.name}.svg").write_bytes(shown.svg)


def address(thumbnail: str) -> str:
    """Where a page finds the drawing of this name."""
    return f"../{FOLDER.as_posix()}/{thumbnail}.svg"


def _cards(project: Project, state: ChapterReport) -> Iterator[str]:
    kinds = [kind for kind in CHOICES if kind in project.part(state.chapter).lower()]
    kinds += ["paper"] if any("Figure" in made.claim.source for made in state.run.claims) else []
    for shown in thumbnails(state):
        image = f'<img src="{address(shown.name)}" alt="{shown.alt}" loading="lazy">'
        words = f"<span>{shown.sentence}</span><b>{shown.title}</b>"
        yield f'<a class="{" ".join(kinds)}" href="{state.chapter.name}.html">{image}{words}</a>'
