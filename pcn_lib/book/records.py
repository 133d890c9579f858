"""What a run leaves behind: _run/<profile>/<chapter>/ with the executed notebook, its claims and this record.

run.json        how it ran: profile, parameters, device, versions, seconds, key
executed.ipynb  the executed notebook, or failed.ipynb where a cell raised
claims.json     the claims the chapter asserted
STEM.nc         the record that the chapter kept
"""

import dataclasses
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import PROFILES, BookError, Chapter, Project
from pcn_lib.provenance import DATE
from pcn_lib.study import Claim, Relation


@dataclass(frozen=True)
class RunRecord:
    """How one chapter ran; `memory` is the most that its kernel took, in MiB, where that could be seen."""

    chapter: str
    profile: str
    parameters: dict[str, object]
    error: str | None
    seconds: float
    platform: str
    device: str
    started: str
    versions: dict[str, str]
    sources: str
    key: str
    memory: int | None = None

    @property
    def began(self) -> str:
        """When, to the minute, as the dates of records are written."""
        return datetime.fromisoformat(self.started).strftime(DATE)


@dataclass(frozen=True)
class Claimed:
    """A claim as a run made it: what, on which device and in which number type."""

    claim: Claim
    device: str
    dtype: str


@dataclass(frozen=True)
class Run:
    """A folder of one run."""

    folder: Path

    @property
    def record(self) -> RunRecord | None:
        """The record, or None where this chapter has not been run."""
        path = self.folder / "run.json"
        try:
            return RunRecord(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as broken:
            raise BookError(f"{path} is not a run record ({broken}): delete its folder and run again.") from broken

    @property
    def claims(self) -> tuple[Claimed, ...]:
        """What the chapter asserted, in its order; a run that failed early asserted nothing."""
        path = self.folder / "claims.json"
        return claims_of(path.read_text(encoding="utf-8")) if path.is_file() else ()

    @property
    def kept(self) -> tuple[Path, ...]:
        """The chapter's labelled records."""
        return tuple(sorted(self.folder.glob("*.nc")))

    @property
    def notebook(self) -> Path:
        return self.folder / "executed.ipynb"

    @property
    def report(self) -> Path:
        """The half-run notebook of a run that failed: for reading, never for rendering."""
        return self.folder / "failed.ipynb"

    def executed(self) -> Notebook:
        return notebooks.read(self.notebook)


def run_of(project: Project, chapter: Chapter, profile: str, values: dict[str, object] | None = None) -> Run:
    """Where a run is kept; a rerun with other parameters has a folder of its own, so the book's stays as it is."""
    settings = "".join(f"@{name}={value}" for name, value in sorted((values or {}).items()))
    return Run(project.runs / profile / f"{chapter.name}{settings}".replace(os.sep, "-").replace(" ", ""))


def keep(partial: Path, record: RunRecord, run: Run) -> None:
    """Put a finished run in place of an earlier one, whole or not at all."""
    (partial / "run.json").write_text(json.dumps(dataclasses.asdict(record), indent=1) + "\n", encoding="utf-8")
    if run.folder.exists():
        shutil.rmtree(run.folder)
    os.replace(partial, run.folder)


def confirmed_on_gpu(project: Project, chapter: Chapter, name: str) -> bool:
    """Whether some run of the chapter, at any profile, made the claim of this name on a GPU, and rightly."""
    runs = (run_of(project, chapter, profile) for profile in PROFILES)
    return any(
        made.claim.name == name and made.claim.as_expected
        for run in runs
        if (record := run.record) and record.platform == "gpu"
        for made in run.claims
    )


def claims_of(text: str) -> tuple[Claimed, ...]:
    """The claims that a report wrote down as JSON."""
    return tuple(_claimed(entry) for entry in json.loads(text))


def _claimed(entry: dict) -> Claimed:
    fields = {field.name: entry[field.name] for field in dataclasses.fields(Claim)}
    return Claimed(Claim(**fields | {"relation": Relation(entry["relation"])}), entry["device"], entry["dtype"])
