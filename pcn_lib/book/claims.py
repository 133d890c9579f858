"""The page of all claims: a heading for each chapter, and rows to be chosen by verdict, origin and device."""

import html
from collections import Counter

from docutils import nodes

from pcn_lib.book.report import ChapterReport, ClaimRow, claim_rows
from pcn_lib.book.tables import CollectingTable
from pcn_lib.tables import as_mathematics, with_minus_signs

HEADER = ("claim", "predicted", "measured", "tolerance", "verdict", "device")
#: What rows may be chosen by: a class of a row, and its words.
CHOICES = {
    "verdict": {"holds": "holds", "outside": "fails, as it should", "wrong": "not as expected"},
    "whose": {"paper": "the paper’s", "ours": "ours"},
    "device": {"gpu": "confirmed on a GPU", "cpu": "on a CPU only"},
}


class ClaimsTable(CollectingTable):
    """```{pcn-claims}```: every claim with what was predicted and measured, and its verdict."""

    def run(self) -> list[nodes.Node]:
        project = self.project()
        found = [(report, claim_rows(project, [report])) for report in self.reports(project)]
        sections = [self._section(report, rows) for report, rows in found if rows or report.problem]
        every = tuple(row for _, rows in found for row in rows)
        return [nodes.raw("", _choices(every), format="html"), *sections]

    def _section(self, report: ChapterReport, rows: tuple[ClaimRow, ...]) -> nodes.section:
        name = report.chapter.name
        section = nodes.section(ids=[f"claims-of-{name.replace('_', '-')}"], names=[f"claims of {name}"])
        section += nodes.title("", "", nodes.reference("", report.title, refuri=f"{name}.html", internal=True))
        section += self.parse_text_to_nodes(report.problem or "")
        if rows:
            section += nodes.raw("", _table(rows), format="html")
        return section


def _choices(rows: tuple[ClaimRow, ...]) -> str:
    counts = Counter(word for row in rows for word in _classes(row))
    made = []
    for subject, words in CHOICES.items():
        offered = {"all": f"all {len(rows)}"} | {key: f"{text} ({counts[key]})" for key, text in words.items()}
        buttons = "".join(
            f'<input type="radio" name="pcn-{subject}" id="pcn-{subject}-{key}"{" checked" * (key == "all")}>'
            f'<label for="pcn-{subject}-{key}">{text}</label>'
            for key, text in offered.items()
        )
        made.append(f'<fieldset class="pcn-choose"><legend>{subject}</legend>{buttons}</fieldset>')
    return "".join(made)


def _table(rows: tuple[ClaimRow, ...]) -> str:
    head = "".join(f'<th scope="col">{words}</th>' for words in HEADER)
    body = "".join(map(_row, rows))
    table = f'<table class="table pcn-claims"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="pst-scrollable-table-container">{table}</div>'


def _row(row: ClaimRow) -> str:
    name, statement, source = map(as_mathematics, (row.claim.name, row.claim.statement, row.claim.source))
    first = f'<th scope="row">{name}<p>{statement} ({source})</p></th>'
    device = f"{row.device} ✓ GPU" if row.confirmed else row.device
    texts = (*map(with_minus_signs, row.quantities), row.claim.verdict, device)
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in texts)
    return f'<tr class="{" ".join(_classes(row))}">{first}{cells}</tr>'


def _classes(row: ClaimRow) -> tuple[str, ...]:
    claim = row.claim
    verdict = "wrong" if not claim.as_expected else "outside" if claim.expected_to_fail else "holds"
    return verdict, "paper" if claim.source.startswith("paper") else "ours", "gpu" if row.confirmed else "cpu"
