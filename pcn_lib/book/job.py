"""One chapter's run: complete enough to be carried out in another process, or on another machine.

``python -m pcn_lib.book.job`` carries out the job that it reads from its standard input.
"""

import datetime
import logging
import os
import pickle
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pcn_lib.book import fingerprint, notebooks
from pcn_lib.book.children import Usage, kill_children
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Chapter, Project, book_module
from pcn_lib.book.records import Run, RunRecord, keep, making, run_of


@dataclass(frozen=True)
class Job:
    """One chapter to run.

    Attributes:
        project, chapter, profile, values: what, and with which parameters.
        environment: for the kernel.
        device: on which it computes.
        sources, key: digests of the chapter's code and of all that decides the outcome.
        force: to be run although a run with this key may be in place.
        submitted: when it was asked for, UTC.
    """

    project: Project
    chapter: Chapter
    profile: str
    values: dict[str, object]
    environment: dict[str, str]
    device: Device
    sources: str
    key: str
    force: bool
    submitted: str

    @property
    def run(self) -> Run:
        return run_of(self.project, self.chapter, self.profile, self.values)

    @property
    def name(self) -> str:
        """The chapter's name, and the parameters it is run with."""
        return self.run.folder.name

    @property
    def finished(self) -> RunRecord | None:
        """The run of this job that is in place already: one with its key, and no older than the job if forced."""
        record = self.run.record
        if record is None or record.error is not None or record.key != self.key:
            return None
        return record if not self.force or record.started >= self.submitted else None


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def execute(job: Job) -> RunRecord:
    """Run one chapter in this process's own kernel and put the result in place; failures are recorded, not raised.

    For the main thread of a process that does nothing else meanwhile: it sets the environment and a signal's handler.
    """
    signal.signal(signal.SIGTERM, _stop)
    started, start = now(), time.monotonic()
    try:
        with making(job.run) as partial:
            os.environ.update(job.environment, PCN_RUN_FOLDER=str(partial))
            with Usage() as usage:
                error = _papermill(job, partial)
            record = RunRecord(
                chapter=job.chapter.name,
                profile=job.profile,
                parameters=job.values,
                error=error,
                seconds=round(time.monotonic() - start, 1),
                platform=job.device.platform,
                device=str(job.device),
                started=started,
                versions=fingerprint.versions(),
                sources=job.sources,
                key=job.key,
                files={},
                memory=usage.mebibytes,
                core_seconds=usage.core_seconds,
            )
            return keep(partial, record, job.run)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def execute_apart(job: Job) -> RunRecord:
    """Run one chapter in a process of its own, which ends with this one: for workers that may be threads.

    A scheduler that lost a worker gives its jobs out again, finished ones too if nobody had heard of that: these
    are not run twice.

    Raises:
        BookError: the book does not lie here, or the process ended without a record.
    """
    if not job.chapter.path.is_file():
        raise BookError(
            f"{platform.node()} does not have {job.chapter.path}: every worker needs the book in the same folder, "
            "on a file system that all of them share."
        )
    if record := job.finished:
        return record
    with tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-P", "-m", "pcn_lib.book.job"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            answer = process.stdout.read()
            status = process.wait()
        finally:
            # The end of its input tells the process to stop, however this one ends.
            process.stdin.close()
            process.stdout.close()
        if status != 0:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise BookError(f"The process running {job.name} on {platform.node()} ended with {status}: {words[-1]}")
        return pickle.loads(answer)


def main() -> int:
    """Carry out the job on standard input, and stop where that ends before the job does."""
    job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    # The answer goes out alone: whatever else is printed here joins the errors.
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with os.fdopen(answer, "wb") as out:
        pickle.dump(execute(job), out)
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """Interrupt the run, its kernel first: asked to end, it would finish its computation before it listened."""
    kill_children()
    # What the kernel's tasks end with is of no use to anyone.
    logging.getLogger("asyncio").disabled = True
    signal.default_int_handler(number, frame)


def _stop_at_end_of_input() -> None:
    # Unbuffered: at exit a thread must not hold the lock of sys.stdin's buffer.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


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


if __name__ == "__main__":
    sys.exit(main())
