"""A run is believed if it is whole, put in place whole, and what dead ones left is swept: that and nothing else."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pcn_lib.book import runner
from pcn_lib.book.devices import Device
from pcn_lib.book.project import Project
from pcn_lib.book.records import RunRecord, keep, making, run_of
from pcn_lib.book.runner import Request, run_chapters
from tests.book.conftest import REPOSITORY, WRITE_CLAIM, chapter_text

RECORD = RunRecord(
    chapter="01_halves", profile="smoke", parameters={}, error=None, seconds=1.0, platform="cpu", device="cpu",
    started="2026-01-01T00:00:00+00:00", versions={}, sources="s", key="k", files={},
)  # fmt: skip


def made(book: Project, error: str | None = None, number: int = 0, key: str = "k") -> RunRecord:
    """A run of the first chapter that left a notebook of this number."""
    run = run_of(book, book.chapter("halves"), "smoke")
    record = RunRecord(**vars(RECORD) | {"error": error, "seconds": float(number), "key": key})
    with making(run) as partial:
        (partial / ("failed.ipynb" if error else "executed.ipynb")).write_text(f"{number}")
        keep(partial, record, run)
    return record


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def many(book: Project) -> None:
    for number in range(100):
        made(book, number=number)


def test_runs_that_end_at_once_all_succeed_and_the_last_stays_whole(book: Project):
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(many, [book] * 3))
    run = run_of(book, book.chapter("halves"), "smoke")
    assert run.notebook.read_text() == f"{run.record.seconds:.0f}"
    assert names(run.folder.parent) == [".lock", "01_halves"]


def test_what_dead_runs_left_is_swept_and_what_is_being_made_is_not(book: Project):
    run = run_of(book, book.chapter("halves"), "smoke")
    with making(run) as living:
        (dead := living.with_name(".02_thirds-dead")).mkdir()
        (dead / "claims.json").touch()
        (other := living.with_name("02_thirds-other")).mkdir()
        with making(run) as partial:
            assert living.is_dir() and partial.is_dir() and other.is_dir() and not dead.exists()
    assert names(run.folder.parent) == [".lock", "02_thirds-other"]


def test_a_maker_that_is_killed_is_swept_and_not_before(book: Project):
    run = run_of(book, book.chapter("halves"), "smoke")
    code = f"""
import os, pathlib
from pcn_lib.book.records import Run, making
with making(Run(pathlib.Path({str(run.folder)!r}))):
    os.kill(os.getpid(), 9)"""
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY)
    (left,) = run.folder.parent.glob(".*-*")
    with making(run):
        assert not left.exists()


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("name", ["executed.ipynb", "claims.json", "run.json"])
@pytest.mark.parametrize("harm", [Path.unlink, damaged])
def test_a_run_that_is_not_whole_is_none_and_its_damage_is_named(book: Project, name: str, harm):
    run = run_of(book, book.chapter("halves"), "smoke")
    with making(run) as partial:
        for file in ("executed.ipynb", "claims.json"):
            (partial / file).write_text("[12345]")
        keep(partial, RECORD, run)
    assert run.record.files.keys() == {"executed.ipynb", "claims.json"} and run.damage is None
    harm(run.folder / name)
    assert run.record is None and run.damage.startswith(f"{name} is ")


def test_a_damaged_run_is_run_again_with_a_sentence_and_stays_when_a_forced_one_crashes(book, monkeypatch, capsys):
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))
    chapter = book.chapter("halves")
    chapter.path.write_text(chapter_text("Halves", WRITE_CLAIM, "assert not os.path.exists('break')"))
    run_chapters(book, (chapter,), Request("smoke"))
    (run_of(book, chapter, "smoke").folder / "claims.json").write_text("[")
    (good,) = run_chapters(book, (chapter,), Request("smoke"))
    assert "01_halves is run again, since its run is damaged: claims.json is not as" in capsys.readouterr().out
    run = run_of(book, chapter, "smoke")
    assert good.error is None and len(run.claims) == 1
    (book.root / "break").touch()
    (failed,) = run_chapters(book, (chapter,), Request("smoke", force=True))
    assert failed.error.startswith("AssertionError") and run.record.started == good.started and run.report.is_file()


def test_a_crash_leaves_its_report_beside_the_good_run_of_the_same_and_replaces_any_other(book: Project):
    run = run_of(book, book.chapter("halves"), "smoke")
    made(book, number=1)
    made(book, "MemoryError: no message", number=2)
    assert run.record.seconds == 1.0 and run.report.read_text() == "2"
    assert names(run.folder) == ["executed.ipynb", "failed.ipynb", "run.json"]
    made(book, "ClaimFailed: a half", number=3)  # a result, not a crash
    assert run.record.error == "ClaimFailed: a half" and names(run.folder) == ["failed.ipynb", "run.json"]
    made(book, number=4)
    made(book, "MemoryError: no message", number=5, key="of other code")
    assert run.record.error == "MemoryError: no message"
