"""A run's numbers against the recorded ones: what moved, and by how much more than it may."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcn_lib.book.project import BookError, Chapter, Project
from pcn_lib.book.records import claims_of, recorded_of
from pcn_lib.book.report import chapter_report
from pcn_lib.study import Claim, Relation, provenance_of
from pcn_lib.tables import aligned
from pcn_lib.verify import Certificate, CertificateError, read

SAME, MOVED, NEW, GONE = "as recorded", "moved", "not recorded", "not made"


@dataclass(frozen=True)
class Row:
    """One claim in both: measured when it was recorded and now; None where it was not made."""

    name: str
    recorded: Claim | None
    made: Claim | None

    @property
    def state(self) -> str:
        """Whether the measurement moved.

        A number that theory predicts may lie anywhere within the claim's tolerance of the recorded one.  A number
        that theory only bounds, such as rounding, is free on its side of the bound.
        """
        if self.recorded is None or self.made is None:
            return NEW if self.recorded is None else GONE
        before, now = self.recorded, self.made
        if math.isnan(before.measured) or math.isnan(now.measured):
            return SAME if math.isnan(before.measured) and math.isnan(now.measured) else MOVED
        if before.relation is not Relation.CLOSE:
            return SAME if before.holds == now.holds else MOVED
        return SAME if abs(now.measured - before.measured) <= before.tolerance else MOVED

    @property
    def cells(self) -> tuple[str, ...]:
        """Name, recorded, measured, allowed difference and state, as read by people."""
        numbers = [f"{claim.measured:.4g}" if claim else "–" for claim in (self.recorded, self.made)]
        return self.name, *numbers, self._allowed, self.state

    @property
    def _allowed(self) -> str:
        claim = self.recorded or self.made
        if claim.relation is Relation.CLOSE:
            return f"± {claim.tolerance:.2g}"
        return f"{claim.relation.value} {claim.predicted:.2g}"


@dataclass(frozen=True)
class Difference:
    """What was compared, or the sentence that says why nothing was.

    Attributes:
        title: the chapter, or the precision of a certificate.
        origin: where the recorded numbers come from, in words.
        rows: one for each claim.
        problem: why there are none.
    """

    title: str
    origin: str = ""
    rows: tuple[Row, ...] = ()
    problem: str | None = None

    @property
    def moved(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.state != SAME)


def compare(recorded: Iterable[Claim], made: Iterable[Claim]) -> tuple[Row, ...]:
    """The claims of both by name, in the order in which they were recorded, then the new ones."""
    before, now = ({claim.name: claim for claim in claims} for claims in (recorded, made))
    return tuple(Row(name, before.get(name), now.get(name)) for name in dict.fromkeys([*before, *now]))


def chapter_difference(project: Project, chapter: Chapter, profile: str) -> Difference:
    """A chapter's run at a profile against the claims made of its recorded result of the same settings."""
    try:
        record, claims = _recorded(project, chapter, profile)
        state = chapter_report(project, chapter, profile)
        if not state.current:
            raise BookError(state.problem)
    except BookError as reason:
        return Difference(chapter.name, problem=str(reason))
    made = provenance_of(record)
    origin = f"recorded on {made.device} ({made.dtype}), {made.date}"
    return Difference(chapter.name, origin, compare(claims, (made.claim for made in state.run.claims)))


def certificate_differences(before: str | Path, now: str | Path) -> tuple[Difference, ...]:
    """Two certificates, precision by precision.

    Raises:
        BookError: one of the files is no certificate.
    """
    try:
        first, second = read(before), read(now)
    except CertificateError as error:
        raise BookError(str(error)) from error
    pairs = [{report.dtype: report.claims for report in certificate.reports} for certificate in (first, second)]
    origin = f"recorded: {_origin(first)}; now: {_origin(second)}"
    return tuple(
        Difference(precision, origin, compare(pairs[0].get(precision, ()), pairs[1].get(precision, ())))
        for precision in dict.fromkeys([*pairs[0], *pairs[1]])
    )


def text(differences: Sequence[Difference], everything: bool = False) -> str:
    """What moved, as a table for each; with `everything`, what did not as well."""
    lines = []
    for difference in differences:
        if difference.problem:
            lines += [f"{difference.title}: {difference.problem}"]
            continue
        rows, moved = difference.rows, len(difference.moved)
        lines += [f"{difference.title}: {len(rows) - moved} of {len(rows)} claims as recorded ({difference.origin})"]
        shown = rows if everything else difference.moved
        if shown:
            lines += ["", *_table([row.cells for row in shown]), ""]
    return "\n".join(lines)


def unmoved(differences: Iterable[Difference]) -> bool:
    """Whether something was compared, and nothing of it moved."""
    compared = [difference for difference in differences if difference.problem is None]
    return bool(compared) and not any(difference.moved for difference in compared)


def _recorded(project: Project, chapter: Chapter, profile: str) -> tuple[Any, tuple[Claim, ...]]:
    """The recorded result of this profile's settings, and the claims of it."""
    if (record := recorded_of(project, chapter)) is None:
        raise BookError(f"nothing is recorded for it: `pcn record {chapter.name} --profile {profile}` records one.")
    there, settings = json.loads(record.attrs["recorded"])
    if settings:
        raise BookError(f"its recorded result was made with {', '.join(settings)}, not at profile {profile}.")
    if there != profile:
        raise BookError(
            f"its recorded result was made at profile {there}: compare with `--profile {there}`, "
            f"not at profile {profile}."
        )
    return record, tuple(made.claim for made in claims_of(record.attrs["claims"]))


def _origin(certificate: Certificate) -> str:
    return f"{certificate.device}, {certificate.provenance.date}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    return ["  " + line for line in aligned([("claim", "recorded", "measured", "allowed", ""), *rows])]
