import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcn_lib.book import runner
from pcn_lib.book.devices import Device
from pcn_lib.book.project import Project, UsageError
from pcn_lib.book.records import run_of
from pcn_lib.book.runner import Request, run_chapters
from tests.book.conftest import chapter_text


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """These chapters use no device, so none is looked for."""
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))


def run(book: Project, *names: str, **request):
    chapters = tuple(book.chapter(name) for name in names) or book.chapters()
    return run_chapters(book, chapters, Request(**request))


def leftovers(book: Project) -> list[Path]:
    return [path for path in book.runs.rglob("*") if path.name.startswith(".") and path.is_dir()]


def test_a_run_leaves_the_executed_notebook_its_claims_and_a_record_and_is_not_repeated(book, capsys):
    (record,) = run(book, "halves")
    folder = run_of(book, book.chapter("halves"), "quick").folder
    assert sorted(path.name for path in folder.iterdir()) == ["claims.json", "executed.ipynb", "run.json"]
    assert "[1/1] 01_halves  done" in capsys.readouterr().out
    assert run(book, "halves") == (record,)
    assert "nothing to run" in capsys.readouterr().out
    assert not leftovers(book)
    assert "outputs" in json.loads(book.chapter("halves").path.read_text())["cells"][-1]
    assert json.loads(book.chapter("halves").path.read_text())["cells"][-1]["outputs"] == []


def test_a_rerun_with_other_parameters_reaches_the_chapter_and_leaves_the_books_run_alone(book):
    run(book, "halves", profile="smoke", settings=("widths=3,5",))
    assert run_of(book, book.chapter("halves"), "smoke").record is None
    executed = run_of(book, book.chapter("halves"), "smoke", {"widths": (3, 5)}).executed()
    assert executed.cells[-1].outputs[0].text == "profile smoke width None widths (3, 5)\n"


def test_an_unknown_parameter_is_refused_before_anything_runs(book):
    with pytest.raises(UsageError, match="no parameter 'depth'"):
        run(book, settings=("depth=3",))
    assert not book.runs.exists()


def test_a_failed_chapter_is_kept_as_a_report_and_does_not_stop_the_others(book, capsys):
    book.chapter("halves").path.write_text(chapter_text("Halves", "print('so far')", "1 / 0"))
    failed, done = run(book)
    assert failed.error == "ZeroDivisionError: division by zero" and done.error is None
    folder = run_of(book, book.chapter("halves"), "quick").folder
    assert sorted(path.name for path in folder.iterdir()) == ["failed.ipynb", "run.json"]
    assert "so far" in (folder / "failed.ipynb").read_text()
    assert str(folder / "failed.ipynb") in capsys.readouterr().out
    run(book)
    assert "Running 1 of 2 chapters" in capsys.readouterr().out  # what failed is tried again


def test_a_chapter_whose_kernel_dies_is_one_sentence(book):
    book.chapter("halves").path.write_text(chapter_text("Halves", "import os\nos._exit(1)"))
    (record,) = run(book, "halves")
    assert record.error.startswith("its kernel died, for which the usual cause is too little memory")


@pytest.mark.parametrize("request_", [{"profile": "huge"}, {"jobs": 0}])
def test_a_request_that_means_nothing_is_refused(request_):
    with pytest.raises(UsageError):
        Request(**request_)


#: What :func:`one_device` does, in a process of its own.
DEVICE = "from pcn_lib.book import runner; from pcn_lib.book.devices import Device; "
DEVICE += "runner.devices.probe = lambda wanted: Device('cpu', 'cpu', 1); "
WAITS = "import os, time\nwhile os.path.exists('hold'):\n    time.sleep(0.05)"


def interrupted(book, jobs: int, waiting: tuple[str, ...]) -> str:
    """What ``pcn run`` prints when Ctrl-C comes while these chapters wait for ``hold`` to go away."""
    (book.root / "hold").touch()
    for name in waiting:
        started = f"open('{name} started', 'w').close()"
        book.chapter(name).path.write_text(chapter_text(name.title(), started, WAITS))
    # Ctrl-C is ignored by what a script started in the background, and by its children: not in this one.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += DEVICE + f"from pcn_lib.book.cli import main; sys.exit(main(['run', '--jobs', '{jobs}']))"
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=book.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not all((book.root / f"{name} started").exists() for name in waiting):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        (book.root / "hold").unlink()
    assert process.returncode == 130, err
    assert err.strip() == "Interrupted: chapters that were done stay done, and the next run goes on from there."
    assert not leftovers(book)
    return out


def test_an_interrupted_run_keeps_what_was_done_and_the_next_one_goes_on_from_there(book):
    assert "[1/2] 01_halves  done" in interrupted(book, 1, ("thirds",))
    done, left = (run_of(book, book.chapter(name), "quick").record for name in ("halves", "thirds"))
    assert left is None and done.error is None
    # As a user would, in another process: what earlier tests left in this one is no part of the run.
    code = f"import sys; {DEVICE} from pcn_lib.book.cli import main; sys.exit(main(['run', '--jobs', '1']))"
    again = subprocess.run([sys.executable, "-c", code], cwd=book.root, capture_output=True, text=True)
    assert again.returncode == 0 and "Running 1 of 2 chapters" in again.stdout


def test_chapters_that_run_at_once_are_all_stopped_by_an_interruption(book):
    """None is waited for: each would go on until its end."""
    interrupted(book, 2, ("halves", "thirds"))
