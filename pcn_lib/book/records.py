"""What a run leaves behind: _run/<profile>/<chapter>/ with the executed notebook, its claims and this record.

run.json        how it ran: profile, parameters, device, versions, seconds, key, digests of the other files
executed.ipynb  the executed notebook, or failed.ipynb where a cell raised
claims.json     the claims the chapter asserted
STEM.nc         the record that the chapter kept
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import PROFILES, BookError, Chapter, Project
from pcn_lib.provenance import DATE, ResultError
from pcn_lib.study import Claim, Relation

#: In a folder of runs and in one that is being made: whose process lives holds it.
LOCK = ".lock"


@dataclass(frozen=True)
class RunRecord:
    """How one chapter ran, and the digest of every file that it left, by name.

    `memory` is the most that its kernel took, in MiB, and `core_seconds` how long the cores worked for it, added up,
    where they could be seen.
    """

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
    files: dict[str, str]
    memory: int | None = None
    core_seconds: float | None = None

    @property
    def crashed(self) -> bool:
        """Whether it ended before its claims: one that fails is a result."""
        return self.error is not None and not self.error.startswith("ClaimFailed")

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
        """The record, or None where there is no whole run of this chapter."""
        found = self._looked_at
        return found if isinstance(found, RunRecord) else None

    @property
    def damage(self) -> str | None:
        """What is wrong with a run that is there and not whole."""
        found = self._looked_at
        return found if isinstance(found, str) else None

    @property
    def _looked_at(self) -> "RunRecord | str | None":
        try:
            record = RunRecord(**json.loads((self.folder / "run.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return "run.json is missing" if self.folder.is_dir() else None
        except (ValueError, TypeError):
            return "run.json is cut short, or from an earlier version of the book"
        for name, digest in record.files.items():
            path = self.folder / name
            if not path.is_file():
                return f"{name} is missing"
            if _digest(path, path.stat().st_mtime_ns, path.stat().st_size) != digest:
                return f"{name} is not as it was written"
        return record

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


@contextmanager
def making(run: Run) -> Iterator[Path]:
    """A folder to make a run in; it goes with the block, or with the next run where this process dies before.

    The maker holds the lock of its folder, and whoever can take that finds a maker that is no more.
    """
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(run.folder.parent):
        for left in run.folder.parent.glob(".*-*/"):
            with suppress(OSError), _locked(left, fcntl.LOCK_NB):
                shutil.rmtree(left, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{run.folder.name}-", dir=run.folder.parent))
        lock = ExitStack()
        lock.enter_context(_locked(partial))
    with lock:
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def keep(partial: Path, record: RunRecord, run: Run) -> RunRecord:
    """Put a finished run in place of an earlier one, whole or not at all; its record with the digests of its files.

    One that crashed where the same had succeeded leaves its report beside that.
    """
    report, aside = partial / run.report.name, Path(f"{partial}-earlier")
    files = sorted(path for path in partial.iterdir() if path.name != LOCK)
    record = dataclasses.replace(record, files={path.name: _sha256(path) for path in files})
    (partial / "run.json").write_text(json.dumps(dataclasses.asdict(record), indent=1) + "\n", encoding="utf-8")
    with _locked(run.folder.parent):
        before = run.record
        if record.crashed and report.exists() and before and before.error is None and before.key == record.key:
            os.replace(report, run.report)
            return record
        if run.folder.exists():
            os.replace(run.folder, aside)
        (partial / LOCK).unlink(missing_ok=True)
        os.replace(partial, run.folder)
        shutil.rmtree(aside, ignore_errors=True)
    return record


@contextmanager
def _locked(folder: Path, option: int = 0) -> Iterator[None]:
    """Hold a folder's lock, which ends with this process at the latest."""
    with (folder / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | option)
        yield


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    """The digest of a file, read again when it changes: pages ask for every claim."""
    return _sha256(path)


def recorded_of(project: Project, chapter: Chapter) -> Any:
    """The record kept with the book for a chapter, or None.

    Raises:
        BookError: it is damaged.
    """
    # Labelled records need packages that the commands do without until they read one.
    from pcn_lib.study.records import FOLDER, load

    path = project.root / FOLDER / f"{chapter.stem}.nc"
    try:
        return load(path) if path.is_file() else None
    except ResultError as error:
        raise BookError(str(error)) from error


def confirmed_on_gpu(project: Project, chapter: Chapter) -> frozenset[str]:
    """The names of the claims that a run of the chapter on a GPU made, and rightly: its runs, or the kept record's."""
    runs = (run_of(project, chapter, profile) for profile in PROFILES)
    claims = [made for run in runs if (record := run.record) and record.platform == "gpu" for made in run.claims]
    kept = recorded_of(project, chapter)
    recorded = claims_of(kept.attrs["claims"]) if kept is not None and "claims" in kept.attrs else ()
    claims += [made for made in recorded if not made.device.startswith(("CPU", "TPU"))]
    return frozenset(made.claim.name for made in claims if made.claim.as_expected)


def claims_of(text: str) -> tuple[Claimed, ...]:
    """The claims that a report wrote down as JSON."""
    return tuple(_claimed(entry) for entry in json.loads(text))


def _claimed(entry: dict) -> Claimed:
    fields = {field.name: entry[field.name] for field in dataclasses.fields(Claim)}
    return Claimed(Claim(**fields | {"relation": Relation(entry["relation"])}), entry["device"], entry["dtype"])
