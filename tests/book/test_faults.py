"""Broken input, a full disk, a lost reader and every way to end a run: one sentence, and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pcn_lib import files
from pcn_lib.book import build, cli, recording, runner, scheduler
from pcn_lib.book.devices import Device
from pcn_lib.book.progress import Progress
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.records import making, run_of
from tests.book.conftest import PARAMETERS, REPOSITORY, chapter_text
from tests.book.test_report import HALF, put, record

CONFLICT = "<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> other"
DEVICE = "from pcn_lib.book import runner; from pcn_lib.book.devices import Device; "
DEVICE += "runner.devices.probe = lambda wanted: Device('cpu', 'cpu', 1); "


@pytest.fixture(autouse=True)
def in_the_book(book: Project, monkeypatch):
    monkeypatch.chdir(book.root)
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))


def command(*arguments: str, before: str = "") -> list[str]:
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += f"{before}\nimport sys; from pcn_lib.book.cli import main; sys.exit(main({list(arguments)!r}))"
    return [sys.executable, "-c", code]


def pcn(*arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment
    return subprocess.run(command(*arguments, before=before), env=environment, capture_output=True, text=True)


def sentence(capsys, *arguments: str) -> str:
    assert cli.main(list(arguments)) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("[]", "or no mapping"),
        ("root: [", "is not YAML in line 1"),
        (CONFLICT, "line 1 is of a"),
    ],
)
@pytest.mark.parametrize("name, asked", [("_toc.yml", ("list",)), ("_config.yml", ("build",))])
def test_a_broken_table_of_contents_or_configuration_is_one_sentence(book, capsys, name, asked, text, words):
    (book.root / name).write_text(text)
    line = sentence(capsys, *asked)
    assert name in line and words in line


def test_a_table_of_contents_without_a_first_page_is_one_sentence(book, capsys):
    (book.root / "_toc.yml").write_text("chapters: []")
    assert "names no first page" in sentence(capsys, "list")


@pytest.mark.parametrize(
    "text, words",
    [
        ("{}", "01_halves.ipynb is not a readable"),
        ("[]", "restore it from git"),
        ("", "restore"),
        (CONFLICT, "line 1 is of"),
    ],
)
def test_a_chapter_that_is_no_notebook_is_one_sentence(book, capsys, text, words):
    book.chapter("halves").path.write_text(text)
    for asked in (("run", "halves"), ("notebooks", "check")):
        line = sentence(capsys, *asked)
        assert "01_halves.ipynb" in line and words in line and len(line) < 400


@pytest.mark.parametrize(
    "code, words", [(CONFLICT, "line 1 is of a conflict"), ("a = 1\nb = (", "'(' was never closed")]
)
def test_a_cell_that_is_not_python_is_named_by_chapter_and_line(book, capsys, code, words):
    book.chapter("halves").path.write_text(chapter_text("Halves", "a = 0", code))
    line = sentence(capsys, "run", "halves")
    assert "01_halves.ipynb: cell 6, line" in line and words in line


def test_a_parameter_that_is_computed_is_named_by_chapter_and_line(book, capsys):
    computed = PARAMETERS.replace("= 0.5", "= 1 / 2")
    book.chapter("halves").path.write_text(chapter_text("Halves", "1", parameters=computed))
    line = sentence(capsys, "run", "halves")
    assert "of 01_halves says `rate: float = 1 / 2` in line 5" in line


def test_a_file_where_runs_are_kept_is_one_sentence(book, capsys):
    book.runs.touch()
    assert cli.main(["list"]) == 0
    assert "_run" in (line := sentence(capsys, "run")) and "cannot be written" in line


def full(*place, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(options.get("dir")))


@pytest.mark.parametrize(
    "asked", [("run",), ("record", "halves"), ("verify", "--json", "here.json"), ("build",)], ids=lambda asked: asked[0]
)
def test_a_full_disk_is_found_before_anything_is_computed(book, monkeypatch, capsys, asked):
    def computed(*given, **named):
        raise AssertionError("computed before its place was tried")

    for module, name in ((runner, "_completed"), (recording, "run_chapters"), (build.subprocess, "run")):
        monkeypatch.setattr(module, name, computed)
    monkeypatch.setattr("pcn_lib.verify.__main__.verify", computed)
    monkeypatch.setenv("PCN_REPOSITORY", "")  # git need not be asked for it
    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", full)
    before = sorted(book.root.iterdir())
    assert "cannot be written (No space left on device): make room" in sentence(capsys, *asked)
    assert sorted(book.root.iterdir()) == before


def test_a_disk_that_fills_up_during_a_run_is_one_sentence_and_leaves_nothing(book):
    book.chapter("halves").path.write_text(chapter_text("Halves", "print('x' * 3_000_000)"))
    limit = DEVICE + "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    ran = pcn("run", "halves", before=limit)
    assert ran.returncode == 1 and "cannot be written (File too large)" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.name for path in (book.runs / "quick").iterdir()] == [".lock"]


def test_a_reader_that_goes_away_ends_a_command_in_silence(book):
    with subprocess.Popen(command("list"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 1


def test_a_terminal_of_plain_letters_gets_the_report(book):
    put(book, record(book), HALF)
    told = pcn("report", PYTHONIOENCODING="ascii")
    assert "Half of F* " in told.stdout and told.stderr == ""


@pytest.mark.parametrize("name", ["yaml", "papermill"])
def test_a_module_that_hides_a_package_is_named(book, name):
    (book.root / f"{name}.py").write_text("")
    ran = pcn("run", "halves", before=DEVICE + "import sys; sys.path.insert(0, '')")
    assert ran.returncode == 1 and f"{name}.py hides the Python package '{name}'" in ran.stderr.splitlines()[-1]


def test_a_module_of_the_readers_own_does_not_reach_the_processes_of_the_build(book, monkeypatch):
    (book.root / "sphinx.py").write_text("raise SystemExit('the wrong one')")
    really, asked = subprocess.run, []

    def run(command, **options):
        asked[:] = command
        return really([*command[: command.index("-c")], "-c", "import sphinx"], **options)

    monkeypatch.setattr(build.subprocess, "run", run)
    build.jupyter_book(book, "quick")
    assert "jupyter_book" in asked[asked.index("-c") + 1]


WAITS = "import pathlib, time\npathlib.Path('started').touch()\nwhile True:\n    time.sleep(0.05)"


def begun(book: Project) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """``pcn run`` in the midst of a chapter, and the processes that it started."""
    book.chapter("halves").path.write_text(chapter_text("Halves", WAITS))
    process = subprocess.Popen(
        command("run", "halves", before=DEVICE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not Path("started").exists():
        time.sleep(0.05)
    return process, psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_however_a_run_ends_its_processes_end_with_it(book, number):
    process, children = begun(book)
    with process:
        process.send_signal(number)
        _, alive = psutil.wait_procs(children, timeout=20)
        for child in alive:
            child.kill()
        error = process.stderr.read()
    assert len(children) >= 2 and not alive
    if number != signal.SIGKILL:
        assert process.returncode == 130 and error.startswith("\nInterrupted: chapters that were done stay done")
        assert len(error.splitlines()) == 2
    assert [path.name for path in (book.runs / "quick").iterdir()] == [".lock"]


def test_a_run_sweeps_what_is_left_of_makers_that_are_no_more_and_nothing_else(book):
    run = run_of(book, book.chapter("halves"), "smoke")
    dead, done = (run.folder.parent / name for name in (".01_halves-dead", "01_halves-done"))
    for folder in (dead, done):
        folder.mkdir(parents=True)
        (folder / "executed.ipynb").touch()
    with making(run) as alive:
        assert not dead.exists() and done.exists()
        with making(run) as another:
            assert alive.exists() and another.exists() and alive != another


def test_a_build_that_is_interrupted_does_not_speak_of_chapters(book, monkeypatch, capsys):
    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build_book", interrupt)
    assert cli.main(["build"]) == 130
    assert capsys.readouterr().err == "\nInterrupted: nothing of it was kept; give the command again.\n"


def test_a_cluster_that_loses_its_workers_says_so_once_and_what_to_do(capsys):
    seen = iter([{"a": 1}, {}, {}, {"b": 1}])
    asked = []

    class Client:
        def scheduler_info(self):
            return {"workers": next(seen)}

    class Late:
        def running(self):
            return False

    def wait(left, *given):
        asked.append(1)
        return (set(left) if len(asked) == 4 else set()), set()

    patched = pytest.MonkeyPatch()
    patched.setattr(runner, "wait", wait)
    (future,) = runner._as_completed({(late := Late()): None}, SimpleNamespace(_client=Client()), 1, Progress(1))
    patched.undo()
    assert future is late
    assert capsys.readouterr().out.count("No worker of the cluster is left: start one with `dask worker`") == 1


def test_a_cluster_without_workers_is_not_waited_for_in_silence():
    class Client:
        def wait_for_workers(self, count, timeout):
            raise TimeoutError

    with pytest.raises(BookError, match="at tcp://a:1 has no workers: start one with `dask worker`"):
        scheduler._wait_for_workers(Client(), "tcp://a:1")


LOSES_A_TASK = """
import asyncio, os, signal
from pcn_lib.book import job
signal.signal(signal.SIGTERM, job._stop)
async def lose():
    raise RuntimeError("the kernel died")
async def run():
    task = asyncio.ensure_future(lose())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(9)
try:
    asyncio.run(run())
except KeyboardInterrupt:
    print("stopped")
"""


def test_a_run_that_is_stopped_does_not_speak_of_its_kernels_tasks():
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run([sys.executable, "-c", LOSES_A_TASK], env=environment, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("stopped\n", "")
