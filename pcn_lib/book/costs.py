"""What chapters cost: minutes and memory at each profile and on each device, from the runs and records that exist."""

import json
from dataclasses import dataclass

from pcn_lib.book.project import PROFILES, Chapter, Project
from pcn_lib.book.records import recorded_of, run_of
from pcn_lib.provenance import provenance_of


@dataclass(frozen=True)
class Cost:
    """Seconds of a run, and the MiB that its kernel took at most where that was measured.

    On a CPU the seconds are the cores', added up: what else the machine did meanwhile does not count.
    """

    seconds: float
    memory: int | None = None


def costs(project: Project) -> dict[tuple[Chapter, str], dict[str, Cost]]:
    """The cost of each profile, by chapter and device, in the order of the book."""
    found: dict[tuple[Chapter, str], dict[str, Cost]] = {}
    for chapter in project.chapters():
        for profile, device, cost in [*_recorded(project, chapter), *_ran(project, chapter)]:
            found.setdefault((chapter, device), {})[profile] = cost
    return found


def identity(project: Project) -> str:
    """Changes when what is shown of costs changes."""
    return json.dumps([[key[0].name, key[1], str(row)] for key, row in costs(project).items()])


def _ran(project: Project, chapter: Chapter) -> list[tuple[str, str, Cost]]:
    runs = [(profile, run_of(project, chapter, profile).record) for profile in PROFILES]
    return [
        _spent(profile, "CPU" if run.platform == "cpu" else run.device, run.seconds, run.core_seconds, run.memory)
        for profile, run in runs
        if run is not None and run.error is None
    ]


def _recorded(project: Project, chapter: Chapter) -> list[tuple[str, str, Cost]]:
    if (record := recorded_of(project, chapter)) is None:
        return []
    (profile, settings), device = json.loads(record.attrs["recorded"]), provenance_of(record).device
    measured = (record.attrs.get(name) for name in ("seconds", "core_seconds", "memory"))
    return [_spent(profile, device, *measured)] if not settings else []


def _spent(
    profile: str, device: str, seconds: float, core_seconds: float | None, memory: int | None
) -> tuple[str, str, Cost]:
    """What was run, on what, and what counts as its cost there."""
    return profile, device, Cost((core_seconds if device == "CPU" else None) or seconds, memory)
