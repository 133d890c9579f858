"""Runs studies at a larger size and keeps their records with the book; figures show them beside a reader's own run."""

import importlib
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pcn_lib.book import notebooks, parameters
from pcn_lib.book.progress import clock
from pcn_lib.book.project import Chapter, Project, UsageError
from pcn_lib.claims import Claim
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.numerics import use_float64
from pcn_lib.results import load, save
from pcn_lib.results.recorded import FOLDER


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
        chapter: one whose study is in ``pcn_lib.experiments``.
        profile: size of the run.
        settings: NAME=VALUE texts for the study, as for ``pcn run -p``.
        force: run even if the record is there.

    Raises:
        UsageError: a chapter without a study, or settings that no run can be made from.
    """
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
