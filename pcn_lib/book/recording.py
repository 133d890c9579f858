"""Runs studies at a larger size and keeps their records with the book; figures show them beside a reader's own run.

A chapter that is its own study is run as a chapter, and what it keeps is its record; of the others, the module of
their stem is run.
"""

import importlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pcn_lib.book import notebooks, parameters
from pcn_lib.book.progress import clock
from pcn_lib.book.project import BookError, Chapter, Project, UsageError
from pcn_lib.book.records import claims_of, run_of
from pcn_lib.book.runner import Request, points_of, run_chapters
from pcn_lib.claims import Claim
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.numerics import use_float64
from pcn_lib.results import ResultError, load, save
from pcn_lib.results.recorded import FOLDER
from pcn_lib.study.records import load as load_labelled
from pcn_lib.study.records import save as save_labelled


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
    """Run a chapter's study and write its record to ``results/recorded/STEM``.

    A record made with the same settings is kept, so that an interrupted row of recordings goes on where it stopped.
    Numbers are float64 unless the study asks for another type.

    Args:
        project: the book.
        chapter: its own study, or one whose study is in ``pcn_lib.experiments``.
        profile: size of the run.
        settings: NAME=VALUE texts for the study, as for ``pcn run -p``.
        force: run even if the record is there.

    Raises:
        UsageError: a chapter without a study, or settings that no run can be made from.
    """
    if notebooks.is_study(notebooks.read(chapter.path)):
        return _record_run(project, chapter, profile, settings, force)
    study, claims = _module("experiments", chapter), _module("claims", chapter)
    declared = parameters.declared(notebooks.read(chapter.path))
    overrides = parameters.parse(settings, declared, chapter.name)
    try:
        wanted = study.preset(profile, **overrides)
    except SettingsError as refused:
        raise UsageError(f"{chapter.name}: {refused}") from refused
    path = project.root / FOLDER / chapter.stem
    if not force and (record := _kept(study, path)) is not None and record.settings == wanted:
        return Recording(chapter, claims.claims(record), False, 0.0)
    use_float64()
    start = time.monotonic()
    record = study.run(wanted)
    save(record, path, record.provenance)
    return Recording(chapter, claims.claims(record), True, time.monotonic() - start)


def _record_run(project: Project, chapter: Chapter, profile: str, settings: tuple[str, ...], force: bool) -> Recording:
    """Run the chapter itself, and put what it kept with the book, with the claims made of it."""
    request = Request(profile, settings, force=True, resume=True)
    path = project.root / FOLDER / f"{chapter.stem}.nc"
    asked = json.dumps([profile, sorted(settings)])
    if not force and path.is_file() and (there := _of_this_version(path)) and there.attrs.get("recorded") == asked:
        return Recording(chapter, recorded_claims(there), False, 0.0)
    (run,) = run_chapters(project, (chapter,), request)
    values = parameters.parse(settings, parameters.declared(notebooks.read(chapter.path)), chapter.name)
    folder = run_of(project, chapter, profile, values).folder
    kept = folder / f"{chapter.stem}.nc"
    if not kept.is_file() or (run.error and not run.error.startswith("ClaimFailed")):
        why = run.error or f"it keeps no record: call keep(record, {chapter.stem!r}) after measuring"
        raise BookError(f"{chapter.name} was not recorded: {why}")
    record = load_labelled(kept)
    claims = (folder / "claims.json").read_text(encoding="utf-8")
    record.attrs |= {"recorded": asked, "claims": claims, "seconds": run.seconds}
    save_labelled(record, path)
    shutil.rmtree(points_of(project, chapter), ignore_errors=True)
    return Recording(chapter, recorded_claims(load_labelled(path)), True, run.seconds)


def recorded_claims(record: Any) -> tuple[Claim, ...]:
    """The claims that were made of a labelled record when it was recorded."""
    return tuple(made.claim for made in claims_of(record.attrs["claims"]))


def _of_this_version(path: Path) -> Any:
    try:
        return load_labelled(path)
    except ResultError:
        return None


def _kept(study: ModuleType, path) -> Any:
    """The record that is there, or None; one of another version counts as none, since it would be replaced."""
    try:
        return load(study.Record, path)
    except (FileNotFoundError, ValueError):
        return None


def _module(package: str, chapter: Chapter) -> ModuleType:
    name = f"pcn_lib.{package}.{chapter.stem}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        raise UsageError(f"Chapter {chapter.name} has no {name}, which a record comes from: choose another.") from None
