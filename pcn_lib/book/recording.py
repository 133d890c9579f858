"""Runs chapters at a larger size and keeps their records with the book; figures show them beside a reader's own run."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcn_lib.book import notebooks, parameters
from pcn_lib.book.progress import clock
from pcn_lib.book.project import BookError, Chapter, Project
from pcn_lib.book.records import claims_of, run_of
from pcn_lib.book.runner import Request, points_of, run_chapters
from pcn_lib.files import try_place
from pcn_lib.provenance import Provenance
from pcn_lib.study import Claim, ResultError, load, save
from pcn_lib.study.records import FOLDER


@dataclass(frozen=True)
class Recording:
    """What was done for one chapter: its record, its claims, and whether it had to be run."""

    chapter: Chapter
    claims: tuple[Claim, ...]
    ran: bool
    seconds: float

    def __str__(self) -> str:
        wrong = [claim.name for claim in self.claims if not claim.as_expected]
        verdict = f"{len(self.claims) - len(wrong)} of {len(self.claims)} claims as expected"
        state = f"recorded in {clock(self.seconds)}" if self.ran else "recorded already with these settings"
        return f"{self.chapter.stem}: {state}; {verdict}{': not so: ' + ', '.join(wrong) if wrong else ''}"


def record_chapter(
    project: Project, chapter: Chapter, profile: str, settings: tuple[str, ...] = (), force: bool = False
) -> Recording:
    """Run a chapter and write what it keeps to ``results/recorded/STEM.nc``, with the claims made of it.

    A record made with the same settings stays, so that an interrupted row of recordings goes on where it stopped.

    Args:
        project: the book.
        chapter: which.
        profile: size of the run.
        settings: NAME=VALUE texts, as for ``pcn run -p``.
        force: run even if the record is there.

    Raises:
        BookError: settings that no run can be made from, a run that failed, or a chapter that keeps no record.
    """
    request = Request(profile, settings, force=True, resume=True)
    path = project.root / FOLDER / f"{chapter.stem}.nc"
    asked = json.dumps([profile, sorted(settings)])
    if not force and path.is_file() and (there := _of_this_version(path)) and there.attrs.get("recorded") == asked:
        return Recording(chapter, recorded_claims(there), False, 0.0)
    try_place(path.parent)
    (run,) = run_chapters(project, (chapter,), request)
    values = parameters.parse(settings, parameters.declared(notebooks.read(chapter.path)), chapter.name)
    folder = run_of(project, chapter, profile, values).folder
    kept = folder / f"{chapter.stem}.nc"
    if not kept.is_file() or run.crashed:
        why = run.error or f"it keeps no record: call keep(record, {chapter.stem!r}) after measuring"
        raise BookError(f"{chapter.name} was not recorded: {why}")
    record = load(kept)
    claims = (folder / "claims.json").read_text(encoding="utf-8")
    # A run that went on from kept points did not take what these tell, and nobody saw the cores at work for them.
    resumed = (measured := _measuring(record)) > run.seconds
    record.attrs |= {"recorded": asked, "claims": claims, "seconds": max(measured, run.seconds)}
    seen = {"memory": run.memory, "core_seconds": None if resumed else run.core_seconds}
    record.attrs |= {name: value for name, value in seen.items() if value is not None}
    save(record, path)
    shutil.rmtree(points_of(project, chapter), ignore_errors=True)
    return Recording(chapter, recorded_claims(load(path)), True, run.seconds)


def recorded_claims(record: Any) -> tuple[Claim, ...]:
    """The claims that were made of a labelled record when it was recorded."""
    return tuple(made.claim for made in claims_of(record.attrs["claims"]))


def _measuring(record: Any) -> float:
    """The seconds that measuring a record's tables took, kept points included."""
    tables = record.subtree if hasattr(record, "subtree") else (record,)
    origins = {table.attrs["provenance"] for table in tables if "provenance" in table.attrs}
    return sum(Provenance.from_json(origin).seconds for origin in origins)


def _of_this_version(path: Path) -> Any:
    try:
        return load(path)
    except ResultError:
        return None
