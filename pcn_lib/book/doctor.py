"""What this machine has of all that the book can use, one line each."""

import shutil
from collections.abc import Iterator

from pcn_lib.book import devices, fingerprint
from pcn_lib.book.project import BookError, Project

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


def browser() -> str | None:
    """The headless browser with which the pages' formulae are checked, if there is one."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def findings(project: Project) -> Iterator[tuple[str, str]]:
    """What was looked for and what was found."""
    yield from fingerprint.versions().items()
    for wanted in ("auto", "gpu"):
        try:
            yield f"device ({wanted})", str(devices.probe(wanted))
        except BookError as absent:
            yield f"device ({wanted})", str(absent)
    yield "browser", browser() or "none found: formulae are not checked in a browser"
    for name, place in fingerprint.data_sets().items():
        yield f"data: {name}", place
    size = sum(path.stat().st_size for path in project.cache.rglob("*") if path.is_file()) / 2**20
    yield "compilation cache", f"{project.cache} ({size:.0f} MiB)"
