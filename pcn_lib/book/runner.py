"""Runs chapters through Papermill, each in a process of its own, and keeps what they leave.

A chapter is run again exactly when its key changed (see `fingerprint`). Interrupting loses only the chapters
that were running: the others are already in place, and the next run goes on from there.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pcn_lib.book import devices, fingerprint, notebooks, parameters, scheduler
from pcn_lib.book.devices import Device
from pcn_lib.book.job import Job, execute, execute_apart, now
from pcn_lib.book.progress import Progress, clock
from pcn_lib.book.project import PROFILES, BookError, Chapter, Project, UsageError
from pcn_lib.book.records import RunRecord
from pcn_lib.files import try_place
from pcn_lib.study.progress import POINTS_FOLDER

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """What to run and how; `settings` are NAME=VALUE texts as given on the command line.

    A name given several times makes a grid: the chapter is run with every combination.  Without a number of jobs, two
    chapters run at once on a CPU, since much of a run is compilation on one core, and one on a GPU, whose memory the
    first takes.  With `scheduler`, the address of a Dask cluster, its workers run the chapters, as many as they are.
    With `resume`, finished points of a chapter's grids are kept until the chapter is done, and used again.
    """

    profile: str = "quick"
    settings: tuple[str, ...] = ()
    device: str = "auto"
    jobs: int | None = None
    force: bool = False
    scheduler: str | None = None
    resume: bool = False

    def __post_init__(self):
        if self.profile not in PROFILES:
            raise UsageError(f"There is no profile '{self.profile}': choose one of {', '.join(PROFILES)}.")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} runs nothing: at least 1 is needed.")
        if self.jobs is not None and self.scheduler is not None:
            raise UsageError("--jobs counts processes of this machine; with --scheduler the cluster decides: drop one.")


def run_chapters(
    project: Project, chapters: tuple[Chapter, ...], request: Request, executor: Executor | None = None
) -> tuple[RunRecord, ...]:
    """Run the chapters that need it and return a record for each of them, run now or found done.

    Args:
        project: the book, in a folder that all workers share.
        chapters: of the book.
        request: what to run and how.
        executor: whose workers do it; by default processes of this machine, or what `request.scheduler` names.

    Raises:
        UsageError: before anything runs, for a parameter a chapter does not have or an absent device.
        KeyboardInterrupt: after stopping the chapters that were running.
    """
    values = [(chapter, combination) for chapter in chapters for combination in _grid(chapter, request)]
    try_place(project.runs / request.profile)
    remote = scheduler.cluster(request.scheduler) if request.scheduler else nullcontext(executor)
    with remote as workers:
        # The device is the workers': they are asked where they are not this machine.
        wanted = request.device
        device = workers.submit(devices.probe, wanted).result() if workers else devices.probe(wanted)
        jobs = [_job(project, chapter, combination, request, device) for chapter, combination in values]
        waiting = [job for job in jobs if request.force or job.finished is None]
        progress, made = Progress(len(waiting)), {}
        for job in waiting:
            if job.run.damage:
                progress.event(f"{job.name} is run again, since its run is damaged: {job.run.damage}.")
        if waiting:
            progress.event(f"Running {len(waiting)} of {len(jobs)} chapters at profile {request.profile} on {device}.")
        else:
            progress.event(f"All {len(jobs)} chapters are up to date at profile {request.profile}: nothing to run.")
        for job, record in _completed(waiting, workers, _processes(request, device), progress):
            made[job.name] = record
            progress.event(_outcome(job, record), finished=True)
        progress.close()
    return tuple(made.get(job.name) or job.run.record for job in jobs)


def _grid(chapter: Chapter, request: Request) -> list[dict[str, object]]:
    """The values of every combination of the settings; one where no name is given twice."""
    declared = parameters.declared(notebooks.checked(chapter.path), chapter.name)
    if "profile" not in declared:
        raise BookError(f"{chapter.path} has no parameter `profile`: see `pcn notebooks check`.")
    choices: dict[str, list[str]] = {}
    for setting in dict.fromkeys(request.settings):
        choices.setdefault(setting.partition("=")[0], []).append(setting)
    return [parameters.parse(settings, declared, chapter.name) for settings in itertools.product(*choices.values())]


def _processes(request: Request, device: Device) -> int:
    return request.jobs or (1 if device.platform == "gpu" else min(2, os.cpu_count() or 1))


def _job(project: Project, chapter: Chapter, values: dict[str, object], request: Request, device: Device) -> Job:
    sources = fingerprint.sources(project, chapter)
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(project.cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if request.resume:
        cache[POINTS_FOLDER] = str(points_of(project, chapter))
    environment = cache | devices.settings(request.device)
    key = fingerprint.run_key(sources, {"profile": request.profile, **values}, str(device), fingerprint.data_sets())
    return Job(project, chapter, request.profile, values, environment, device, sources, key, request.force, now())


def points_of(project: Project, chapter: Chapter) -> Path:
    """Where finished points of a chapter's grids are kept while it is recorded."""
    return project.cache / "points" / chapter.name


def _completed(
    waiting: list[Job], workers: Executor | None, processes: int, progress: Progress
) -> Iterator[tuple[Job, RunRecord]]:
    """Carry out the jobs, by the given workers or in processes of this machine, and yield each as it ends."""
    if not waiting:
        return
    if workers is not None:
        yield from _carried_out(waiting, workers, execute_apart, len(waiting), progress)
        return
    with scheduler.processes(min(processes, len(waiting))) as pool:
        yield from _carried_out(waiting, pool, execute, processes, progress)


def _carried_out(
    waiting: list[Job], executor: Executor, execution: Callable[[Job], RunRecord], at_once: int, progress: Progress
) -> Iterator[tuple[Job, RunRecord]]:
    futures = {executor.submit(execution, job): job for job in waiting}
    try:
        for future in _as_completed(futures, executor, at_once, progress):
            yield futures[future], _result(future, futures[future])
    except BaseException:
        progress.event("Stopping ...")
        for future in futures:
            future.cancel()
        raise


def _as_completed(futures: dict[Future, Job], executor: Executor, at_once: int, progress: Progress) -> Iterator[Future]:
    left, deserted = dict(futures), False
    while left:
        before, deserted = deserted, scheduler.deserted(executor)
        if deserted and not before:
            progress.event(f"No worker of the cluster is left: {scheduler.START}, and the run goes on; Ctrl-C ends it.")
        # A future counts as running once it is queued for a worker; the first ones really run.
        progress.tick([job.chapter.name for future, job in left.items() if future.running()][:at_once])
        ended, _ = wait(left, TICK_SECONDS, FIRST_COMPLETED)
        for future in ended:
            del left[future]
            yield future


def _result(future: Future, job: Job) -> RunRecord:
    try:
        return future.result()
    except scheduler.lost() as broken:
        raise BookError(
            f"The process running chapter {job.chapter.name} was killed, and the usual cause is too little memory: "
            "try a smaller profile or fewer --jobs; chapters that were done stay done."
        ) from broken


def _outcome(job: Job, record: RunRecord) -> str:
    if record.error is None:
        return f"{job.name}  done in {clock(record.seconds)}"
    return f"{job.name}  FAILED after {clock(record.seconds)}: {record.error}\n      kept as {job.run.report}"
