"""What we found: figures, sentences whose numbers are those of the recorded runs, and totals."""

import functools
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from pcn_lib.book import report
from pcn_lib.book.gallery import address, thumbnails
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.recording import recorded_claims
from pcn_lib.book.tables import CollectingTable, link
from pcn_lib.study import Claim
from pcn_lib.study.records import FOLDER, load
from pcn_lib.tables import with_minus_signs


class Measured(SphinxRole):
    """{measured}`stem | claim | .3f`: what the recorded run of a chapter measured for one of its claims."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        # A folder counts as always changed: records come and go.
        self.env.note_dependency(str(Path(self.env.srcdir) / FOLDER))
        try:
            words = in_words(Path(self.env.srcdir), self.text)
        except BookError as missing:
            message = self.inliner.reporter.error(str(missing), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [nodes.inline("", with_minus_signs(words))], []


def in_words(root: Path, asked: str) -> str:
    """The number that ``stem | claim | .3f`` asks for, as :func:`measured` has it; without a format, three digits."""
    stem, name, *style = (part.strip() for part in asked.split("|"))
    return f"{measured(root, stem, name):{style[0] if style else '.3g'}}"


def measured(root: Path, stem: str, name: str) -> float:
    """What the recorded run of a chapter measured for the claim of this name.

    Raises:
        BookError: no record of this stem, or none of its claims has this name.
    """
    path = root / FOLDER / f"{stem}.nc"
    if not path.is_file():
        raise BookError(f"A number of '{stem}' is asked for, of which no run is kept: `pcn record {stem}` makes one.")
    claims = {claim.name: claim for claim in _claims(path, path.stat().st_mtime_ns)}
    if name not in claims:
        raise BookError(f"'{stem}' makes no claim '{name}'; it makes: {', '.join(claims)}.")
    return claims[name].measured


@functools.cache
def _claims(path: Path, changed: int) -> tuple[Claim, ...]:
    """Of a record, read again when it changes: a page asks for several numbers of one."""
    return recorded_claims(load(path))


class Finding(SphinxDirective):
    """```{pcn-finding} CHAPTER NUMBER```: sentences beside a chapter's figure of this number, which leads there."""

    required_arguments = 2
    has_content = True

    def run(self) -> list[nodes.Node]:
        name, number = self.arguments
        source = address(f"{name}-{number}")
        # The words beside it say what it shows, and a link reads its chapter's title.
        image = f'<a href="{name}.html" tabindex="-1" aria-hidden="true"><img src="{source}" alt="" loading="lazy"></a>'
        words = nodes.container(classes=["pcn-words"])
        self.state.nested_parse(self.content, self.content_offset, words)
        words += self.parse_text_to_nodes(f"[](/chapters/{name}.ipynb)")
        return [nodes.container("", nodes.raw("", image, format="html"), words, classes=["pcn-finding"])]


class Shown(CollectingTable):
    """```{pcn-picture} CHAPTER NUMBER```: a chapter's figure of this number at full width, which leads there."""

    required_arguments = 2

    def markdown(self, project: Project) -> str:
        name, number = self.arguments
        state = next(state for state in self.reports(project) if state.chapter.name == name)
        shown = next((one for one in thumbnails(state) if one.name == f"{name}-{number}"), None)
        if shown is None:
            return state.problem or f"{link(project, state.chapter)} has no figure {number}."
        return f'<a class="pcn-picture" href="{name}.html"><img src="{address(shown.name)}" alt="{shown.alt}"></a>'


class Totals(CollectingTable):
    """```{pcn-totals}```: how many claims the book makes, and what came of them, in one sentence."""

    def markdown(self, project: Project) -> str:
        if not (rows := report.claim_rows(project, self.reports(project))):
            return "No chapter has been run, so there are no claims yet: `pcn run` runs all of them."
        count = {
            "hold": sum(row.claim.as_expected and not row.claim.expected_to_fail for row in rows),
            "fail as they should": sum(row.claim.as_expected and row.claim.expected_to_fail for row in rows),
            "are not as expected": sum(not row.claim.as_expected for row in rows),
        }
        paper = sum(row.claim.source.startswith("paper") for row in rows)
        confirmed = sum(row.confirmed for row in rows)
        verdicts = ", ".join(f"{number} {words}" for words, number in count.items() if number)
        return (
            f"Of {len(rows)} claims in the runs behind these pages, {verdicts}; {paper} are the paper's, "
            f"{len(rows) - paper} ours; {confirmed or 'none'} confirmed on a GPU."
        )
