"""What the README says can be done, can be done as written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pcn_lib.book import cli, runner
from pcn_lib.book.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for language, text in BLOCKS if language == "bash" for line in text.splitlines()]
SNIPPETS = [text for language, text in BLOCKS if language == "python"]


def test_the_two_commands_are_there():
    assert {"make book", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make")])
def test_a_make_command_names_a_target_that_exists(command: str):
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("pcn")])
def test_a_pcn_command_is_understood_and_names_what_exists(command: str, monkeypatch):
    """Chapters are not run here: the request is checked up to the point where running would begin.

    `pcn report` of chapters that were not run ends with 1; 2 is for what does not exist.
    """
    monkeypatch.chdir(ROOT)
    done = lambda job: SimpleNamespace(error=None, seconds=0.0, chapter=job.chapter.name, parameters={})  # noqa: E731
    monkeypatch.setattr(runner, "_completed", lambda waiting, *_: ((job, done(job)) for job in waiting))
    monkeypatch.setattr(cli, "build", lambda options: 0)
    monkeypatch.setattr(cli, "clean", lambda options: 0)
    monkeypatch.setattr(cli, "verify", lambda options: 0)
    assert main(shlex.split(command)[1:]) in (0, 1)


def test_there_is_nothing_to_type_that_is_not_checked_here():
    starts = ("make", "pcn", "git clone", "cd ", "conda ", "source ", "open ", "pip install")
    assert [line for line in COMMANDS if line and not line.startswith(starts)] == []


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_python_snippet_runs_in_a_fresh_interpreter(snippet: str):
    subprocess.run([sys.executable, "-W", "error", "-c", snippet], cwd=ROOT, check=True)


def test_there_is_a_snippet():
    assert SNIPPETS
