"""Chapters and grids of studies carried out by any executor; a cluster whose worker dies midway."""

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pcn_lib.book import cli, job, runner, scheduler
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Project, UsageError
from pcn_lib.book.records import run_of
from pcn_lib.book.runner import Request, run_chapters
from tests.book.conftest import WRITE_CLAIM, chapter_text

COUNTED = """\
import os, pathlib, time, uuid
pathlib.Path("counted", f"{width}-{uuid.uuid4()}").touch()
while os.path.exists("hold"):
    time.sleep(0.05)"""


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))


@pytest.fixture
def counting(book: Project) -> Project:
    """The book with a first chapter that leaves a file whenever it is begun, and waits while `hold` exists."""
    (book.root / "counted").mkdir()
    book.chapter("halves").path.write_text(chapter_text("Halves", COUNTED, WRITE_CLAIM))
    return book


def begun(book: Project) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (book.root / "counted").iterdir())


def leftovers(book: Project) -> list[Path]:
    return [path for path in book.runs.rglob("*") if path.name.startswith(".") and path.is_dir()]


def wait_for(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def test_any_executor_serves_threads_included_and_each_chapter_keeps_to_its_own_folder(counting: Project, capsys):
    chapter = counting.chapter("halves")
    request = Request("smoke", ("width=3", "width=4"))
    with ThreadPoolExecutor(2) as threads:
        records = run_chapters(counting, (chapter,), request, threads)
        assert [record.parameters for record in records] == [{"width": 3}, {"width": 4}]
        assert [record.error for record in records] == [None, None] and begun(counting) == ["3", "4"]
        assert all(record.memory > 10 for record in records)
        for width in (3, 4):
            run = run_of(counting, chapter, "smoke", {"width": width})
            assert f"width {width} " in run.executed().cells[-1].outputs[0].text and len(run.claims) == 1
        run_chapters(counting, (chapter,), request, threads)
        assert "nothing to run" in capsys.readouterr().out and begun(counting) == ["3", "4"]
    assert not leftovers(counting)


def test_a_name_given_twice_makes_a_grid_with_every_combination(book: Project):
    request = Request(settings=("width=3", "seed=0", "width=4", "seed=1", "seed=1", "rate=0.1"))
    combinations = runner._grid(book.chapter("halves"), request)
    assert [(c["width"], c["seed"], c["rate"]) for c in combinations] == [
        (3, 0, 0.1), (3, 1, 0.1), (4, 0, 0.1), (4, 1, 0.1),
    ]  # fmt: skip
    assert runner._grid(book.chapter("halves"), Request()) == [{}]


def test_a_job_given_out_again_after_it_was_done_is_not_done_twice(counting: Project, monkeypatch):
    """A worker that dies after its chapter is in place, and before the scheduler heard of it."""
    given = []
    monkeypatch.setattr(runner, "execute_apart", lambda each: given.append(each) or job.execute_apart(each))
    with ThreadPoolExecutor(1) as threads:
        (record,) = run_chapters(counting, (counting.chapter("halves"),), Request(force=True), threads)
    assert job.execute_apart(given[0]) == record and len(begun(counting)) == 1


class Begun(Exception):
    """A worker began the chapter."""


@pytest.mark.parametrize("force", [False, True])
def test_a_worker_runs_a_forced_job_again_unless_it_was_done_since(book: Project, monkeypatch, force: bool):
    def begin(*command, **streams):
        raise Begun

    monkeypatch.setattr(job.subprocess, "Popen", begin)
    given = runner._job(book, book.chapter("halves"), {}, Request("smoke", force=force), Device("cpu", "cpu", 1))

    def outcome(started: str) -> str:
        given.run.folder.mkdir(parents=True, exist_ok=True)
        record = dict(chapter="01_halves", profile="smoke", parameters={}, error=None, seconds=1.0, platform="cpu")
        record |= dict(device="cpu", started=started, versions={}, sources="", key=given.key, files={})
        (given.run.folder / "run.json").write_text(json.dumps(record))
        try:
            return job.execute_apart(given).started
        except Begun:
            return "begun again"

    before, since = "2000-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
    assert outcome(before) == ("begun again" if force else before)
    assert outcome(since) == since


def test_a_worker_without_the_book_says_where_it_must_lie(book: Project):
    chapter, device = book.chapter("halves"), Device("cpu", "cpu", 1)
    given = job.Job(book, chapter, "smoke", {}, {}, device, sources="", key="", force=False, submitted="")
    given.chapter.path.unlink()
    with pytest.raises(BookError, match="every worker needs the book in the same folder"):
        job.execute_apart(given)


def test_without_dask_the_option_says_in_one_sentence_how_to_get_it(book: Project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.chdir(book.root)
    assert cli.main(["run", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err
    assert "'distributed' is not installed" in error and len(error.splitlines()) == 1
    assert "install --editable '.[cluster]'" in error


def test_jobs_and_a_scheduler_exclude_each_other():
    with pytest.raises(UsageError, match="drop one"):
        Request(jobs=2, scheduler="tcp://127.0.0.1:1")


def test_workers_of_another_environment_are_refused():
    here = scheduler.fingerprint.versions()
    scheduler._check_versions({"tcp://a": here})
    scheduler._check_versions({})  # no worker has started yet
    with pytest.raises(BookError, match="tcp://a has jax 0.1 and this process"):
        scheduler._check_versions({"tcp://a": here | {"jax": "0.1"}})


@pytest.fixture
def cluster():
    """Two workers, each a process with one thread."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.slow
def test_on_a_cluster_whose_worker_is_killed_midway_the_work_completes_and_nothing_is_lost_or_done_twice(
    counting: Project, cluster, monkeypatch, capsys
):
    """Four chapters on two workers: two are held, the worker of one is killed, and the rest goes on."""
    monkeypatch.chdir(counting.root)
    hold = counting.root / "hold"
    hold.touch()
    address, workers = cluster.scheduler.address, cluster.run(os.getpid)
    widths = [f"--parameter=width={width}" for width in (3, 4, 5, 6)]
    command = ["run", "halves", "--profile", "smoke", "--scheduler", address, *widths]
    with ThreadPoolExecutor(1) as thread:
        status = thread.submit(cli.main, command)
        try:
            wait_for(lambda: len(begun(counting)) == 2 or status.done())
            os.kill(next(iter(workers.values())), signal.SIGKILL)
            # The lost chapter is begun again, by the worker that takes the place of the one killed.
            wait_for(lambda: len(begun(counting)) >= 3)
            # The process that the killed worker left behind stops by itself: only the two begun now are at work.
            wait_for(lambda: len(leftovers(counting)) == 2)
        finally:
            hold.unlink()
        assert status.result() == 0
    chapter = counting.chapter("halves")
    runs = [run_of(counting, chapter, "smoke", {"width": width}) for width in (3, 4, 5, 6)]
    assert [run.record.error for run in runs] == [None] * 4 and all(len(run.claims) == 1 for run in runs)
    # Each of the others was begun once.
    assert sorted(begun(counting).count(str(width)) for width in (3, 4, 5, 6)) == [1, 1, 1, 2]
    assert capsys.readouterr().out.count("  done in ") == 4
    wait_for(lambda: not leftovers(counting))
    assert json.loads((runs[0].folder / "run.json").read_text())["device"] == "cpu"


@pytest.mark.slow
def test_a_grid_is_measured_by_a_cluster_as_by_any_executor(cluster):
    from pcn_lib.study import grid

    def measure(width, seed):
        return dict(square=width**2 + seed)

    # Without purity the cluster would take two calls of one function for one.
    record = grid(measure, width=(2, 3), seed=range(2), executor=cluster.get_executor(pure=False))
    assert record.square.to_numpy().tolist() == [[4, 5], [9, 10]]


def test_a_scheduler_that_does_not_answer_is_one_sentence(book: Project, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.chdir(book.root)
    monkeypatch.setattr(scheduler, "PATIENCE", 0.2)
    assert cli.main(["run", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("No Dask scheduler answers at tcp://127.0.0.1:1") and len(error.splitlines()) == 1
