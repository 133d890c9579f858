"""Runs chapters through Papermill, each in a process of its own, and keeps what they leave.

A chapter is run again exactly when its key changed (see `fingerprint`). Interrupting loses only the chapters
that were running: the others are already in place, and the next run goes on from there.
"""

import datetime
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from pcn_lib.book import devices, fingerprint, notebooks, parameters
from pcn_lib.book.devices import Device
from pcn_lib.book.progress import Progress, clock
from pcn_lib.book.project import PROFILES, BookError, Chapter, Project, UsageError, book_module
from pcn_lib.book.records import Run, RunRecord, keep, run_of

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """What to run and how; `settings` are NAME=VALUE texts as given on the command line.

    Without a number of jobs, two chapters run at once on a CPU, since much of a run is compilation on one core,
    and one on a GPU, whose memory the first takes.
    """

    profile: str = "quick"
    settings: tuple[str, ...] = ()
    device: str = "auto"
    jobs: int | None = None
    force: bool = False

    def __post_init__(self):
        if self.profile not in PROFILES:
            raise UsageError(f"There is no profile '{self.profile}': choose one of {', '.join(PROFILES)}.")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} runs nothing: at least 1 is needed.")


@dataclass(frozen=True)
class Job:
    """One chapter to run, complete enough to be carried out in another process."""

    project: Project
    chapter: Chapter
    profile: str
    values: dict[str, object]
    environment: dict[str, str]
    device: Device
    sources: str
    key: str

    @property
    def run(self) -> Run:
        return run_of(self.project, self.chapter, self.profile, self.values)

    @property
    def done(self) -> bool:
        """Whether a run with this key is in place already."""
        record = self.run.record
        return record is not None and record.error is None and record.key == self.key


def run_chapters(project: Project, chapters: tuple[Chapter, ...], request: Request) -> tuple[RunRecord, ...]:
    """Run the chapters that need it and return a record for each of them, run now or found done.

    Raises:
        UsageError: before anything runs, for a parameter a chapter does not have or an absent device.
        KeyboardInterrupt: after stopping the chapters that were running.
    """
    values = {chapter: _values(chapter, request) for chapter in chapters}
    device = devices.probe(request.device)
    jobs = [_job(project, chapter, values[chapter], request, device) for chapter in chapters]
    waiting = [job for job in jobs if request.force or not job.done]
    progress = Progress(len(waiting))
    if waiting:
        progress.event(f"Running {len(waiting)} of {len(jobs)} chapters at profile {request.profile} on {device}.")
    else:
        progress.event(f"All {len(jobs)} chapters are up to date at profile {request.profile}: nothing to run.")
    workers = request.jobs or (1 if device.platform == "gpu" else min(2, os.cpu_count() or 1))
    for job, record in _completed(waiting, workers, progress):
        progress.event(_outcome(job, record), finished=True)
    progress.close()
    return tuple(record for job in jobs if (record := job.run.record))


def execute(job: Job) -> RunRecord:
    """Run one chapter in this process's own kernel and put the result in place; failures are recorded, not raised."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    job.run.folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{job.chapter.name}-", dir=job.run.folder.parent))
    os.environ.update(job.environment, PCN_RUN_FOLDER=str(partial))
    started, start = datetime.datetime.now(datetime.UTC), time.monotonic()
    try:
        error = _papermill(job, partial)
        record = RunRecord(
            chapter=job.chapter.name,
            profile=job.profile,
            parameters=job.values,
            error=error,
            seconds=round(time.monotonic() - start, 1),
            platform=job.device.platform,
            device=str(job.device),
            started=started.isoformat(timespec="seconds"),
            versions=fingerprint.versions(),
            sources=job.sources,
            key=job.key,
        )
        keep(partial, record, job.run)
        return record
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        shutil.rmtree(partial, ignore_errors=True)


def _values(chapter: Chapter, request: Request) -> dict[str, object]:
    declared = parameters.declared(notebooks.read(chapter.path))
    if "profile" not in declared:
        raise BookError(f"{chapter.path} has no parameter `profile`: see `pcn notebooks check`.")
    return parameters.parse(request.settings, declared, chapter.name)


def _job(project: Project, chapter: Chapter, values: dict[str, object], request: Request, device: Device) -> Job:
    sources = fingerprint.sources(project, chapter)
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(project.cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }
    environment = cache | devices.settings(request.device)
    key = fingerprint.run_key(sources, {"profile": request.profile, **values}, str(device), fingerprint.data_sets())
    return Job(project, chapter, request.profile, values, environment, device, sources, key)


def _papermill(job: Job, partial: Path) -> str | None:
    """Execute the chapter into the folder; None, or the sentence that says how it failed."""
    papermill = book_module("papermill")
    dead_kernel = book_module("nbclient.exceptions").DeadKernelError
    source = notebooks.read(job.chapter.path)
    notebook = notebooks.with_parameters(source, {"profile": job.profile, **job.values})
    failed = partial / job.run.report.name
    try:
        papermill.execute_notebook(
            notebook,
            failed,
            kernel_name="python3",
            cwd=job.project.root,
            progress_bar=False,
            extra_arguments=["--log-level=50"],
        )
    except papermill.PapermillExecutionError as error:
        return f"{error.ename}: {_first_line(error.evalue)}"
    except dead_kernel:
        return "its kernel died, for which the usual cause is too little memory: try smaller sizes or a smaller profile"
    os.replace(failed, partial / job.run.notebook.name)
    return None


def _first_line(text: str) -> str:
    plain = re.sub("\x1b\\[[0-9;]*m", "", text).strip()
    return plain.splitlines()[0] if plain else "no message"


def _completed(waiting: list[Job], workers: int, progress: Progress) -> Iterator[tuple[Job, RunRecord]]:
    """Carry out the jobs in worker processes and yield each as it ends."""
    if not waiting:
        return
    context = multiprocessing.get_context("spawn")
    # Workers do not hear Ctrl-C: this process does, and then ends them itself.
    pool = ProcessPoolExecutor(min(workers, len(waiting)), context, _ignore_interrupts)
    try:
        futures = {pool.submit(execute, job): job for job in waiting}
        for future in _as_completed(futures, workers, progress):
            yield futures[future], _result(future, futures[future])
    except BaseException:
        progress.event("Stopping ...")
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
            worker.join()
        raise
    pool.shutdown()


def _as_completed(futures: dict[Future, Job], workers: int, progress: Progress) -> Iterator[Future]:
    left = dict(futures)
    while left:
        # A future counts as running once it is queued for a worker; the first ones really run.
        progress.tick([job.chapter.name for future, job in left.items() if future.running()][:workers])
        ended, _ = wait(left, TICK_SECONDS, FIRST_COMPLETED)
        for future in ended:
            del left[future]
            yield future


def _result(future: Future, job: Job) -> RunRecord:
    try:
        return future.result()
    except BrokenProcessPool as broken:
        raise BookError(
            f"The process running chapter {job.chapter.name} was killed, and the usual cause is too little memory: "
            "try a smaller profile or fewer --jobs; chapters that were done stay done."
        ) from broken


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _outcome(job: Job, record: RunRecord) -> str:
    if record.error is None:
        return f"{job.chapter.name}  done in {clock(record.seconds)}"
    return f"{job.chapter.name}  FAILED after {clock(record.seconds)}: {record.error}\n      kept as {job.run.report}"
