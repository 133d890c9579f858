"""The table of a chapter's claims: shown, written down, and raised if one fails."""

import html
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcn_lib import tables
from pcn_lib.files import write_atomically
from pcn_lib.provenance import Provenance, default_dtype, device
from pcn_lib.study.claim import Claim

#: Set by the runner: the folder of the chapter's run, where its claims are written.
RUN_FOLDER = "PCN_RUN_FOLDER"

#: The verdict comes early: on a phone the last columns are reached by scrolling.
HEADINGS = ("Claim", "Verdict", "Predicted", "Measured", "Tolerance", "Source")
#: Of the columns, left to right; numbers and verdicts take what they need.
WIDTHS = ("auto", "1%", "1%", "1%", "1%", "1%")
# Dark enough for white text in both themes; the verdict is also in words.
COLOURS = {True: "#1b6e3c", False: "#b3261e"}


class ClaimFailed(AssertionError):
    """A claim of the chapter did not come out as expected; the message says which, and by how much."""


@dataclass(frozen=True)
class Report:
    """A chapter's claims, as a table in a notebook and as text elsewhere.

    Attributes:
        claims: in the order they were made.
        device: kind of device the measurements were made on.
        dtype: number type they were made in.
    """

    claims: tuple[Claim, ...]
    device: str
    dtype: str

    def __str__(self) -> str:
        lines = tables.aligned([HEADINGS, *map(_row, self.claims)])
        return "\n".join((*lines, self.summary))

    @property
    def summary(self) -> str:
        """How many came out as expected, and where they were measured."""
        count = sum(claim.as_expected for claim in self.claims)
        return f"{count} of {len(self.claims)} claims as expected · {self.device} · {self.dtype}"

    def _repr_html_(self) -> str:
        rows = [_html_cells(claim) for claim in self.claims]
        label = "Claims of this chapter"
        return tables.as_html(HEADINGS, rows, self.summary, label=label, kind="pcn-claims", widths=WIDTHS)

    def as_json(self) -> list[dict]:
        """What ``claims.json`` holds: one object for each claim."""
        return [
            {
                "name": claim.name,
                "statement": claim.statement,
                "source": claim.source,
                "relation": claim.relation.value,
                "predicted": claim.predicted,
                "measured": claim.measured,
                "tolerance": claim.tolerance,
                "because": claim.because,
                "holds": claim.holds,
                "expected_to_fail": claim.expected_to_fail,
                "as_expected": claim.as_expected,
                "device": self.device,
                "dtype": self.dtype,
            }
            for claim in self.claims
        ]


def report(claims: Sequence[Claim], provenance: Provenance | None = None) -> Report:
    """The chapter's last word: a table that can fail.

    Where the environment variable ``PCN_RUN_FOLDER`` is set, the claims are also written to ``claims.json`` there,
    whatever the verdict.

    Args:
        claims: what the chapter asserts.
        provenance: of the record measured, where that was made elsewhere; by default this process's device and dtype.

    Raises:
        ClaimFailed: a claim does not come out as expected; the table is shown first.
        ValueError: no claims, or two of one name.
    """
    _check(claims)
    where = (provenance.device, provenance.dtype) if provenance else (device(), default_dtype())
    table = Report(tuple(claims), *where)
    if folder := os.environ.get(RUN_FOLDER):
        content = json.dumps(table.as_json(), indent=1, ensure_ascii=False) + "\n"
        write_atomically(Path(folder) / "claims.json", content.encode())
    failed = [claim for claim in claims if not claim.as_expected]
    if failed:
        _show(table)
        raise ClaimFailed("; ".join(_sentence(claim) for claim in failed))
    return table


def _check(claims: Sequence[Claim]) -> None:
    names = [claim.name for claim in claims]
    if not names:
        raise ValueError("no claims given; a chapter asserts at least one: pass claims(record)")
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two claims named {', '.join(sorted(twice))} given; names must differ: rename one")


def _show(table: Report) -> None:
    """In a notebook as HTML, elsewhere as text."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        sys.modules["IPython"].display.display(table)
    else:
        print(table)


def _number(value: float) -> str:
    return tables.readable(value).replace(" ", tables.NO_BREAK)


def _row(claim: Claim) -> tuple[str, ...]:
    tolerance = _number(claim.tolerance) if claim.tolerance else ""
    predicted = f"{claim.relation.value}{tables.NO_BREAK}{_number(claim.predicted)}"
    return claim.name, claim.verdict, predicted, _number(claim.measured), tolerance, claim.source


def _html_cells(claim: Claim) -> tuple[str, ...]:
    _, verdict, predicted, measured, tolerance, source = map(html.escape, _row(claim))
    name, statement, because = map(tables.as_mathematics, (claim.name, claim.statement, claim.because))
    badge = (
        f"background:{COLOURS[claim.as_expected]};color:#fff;border-radius:0.4em;padding:0.1em 0.5em;"
        "display:inline-block"
    )
    # In two lines where there are two parts, to leave room to the sentences.
    verdict = ", ".join(part.replace(" ", tables.NO_BREAK) for part in verdict.split(", "))
    why = f"{'Tolerance' if tolerance else 'Why'}: {because}"
    said = f'<span style="font-weight:normal;font-size:0.85em">{statement}<br><i>{why}</i></span>'
    badged = f'<span style="{badge}">{verdict}</span>'
    return f"{name}<br>{said}", badged, predicted, measured, tolerance, source


def _sentence(claim: Claim) -> str:
    return (
        f"{claim.name}: {claim.verdict}: measured {claim.measured:.4g}, predicted {claim.relation.value} "
        f"{claim.predicted:.4g} (tolerance {claim.tolerance:.2g})"
    )
