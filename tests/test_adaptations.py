"""What a chapter suggests to those who adapt it, `pcn run CHAPTER -p ...`, is accepted, and its claims hold there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.project import Project
from tests.test_chapter_parameters import settings

PROJECT = Project(Path(__file__).parents[1])
RUN = re.compile(r"`(pcn run [a-z][^`]*-p [^`]*)`")


def suggested() -> list:
    """Every command that a chapter's own text offers with parameters, as words."""
    texts = [
        cell.source
        for chapter in PROJECT.chapters()
        for cell in notebooks.read(chapter.path).cells
        if cell.cell_type == "markdown"
    ]
    commands = dict.fromkeys(command for text in texts for command in RUN.findall(text) if "--" not in command)
    return [pytest.param(shlex.split(command)[2:], id=command) for command in commands]


def test_most_chapters_suggest_a_run_of_their_own():
    offered = {words.values[0][0] for words in suggested()}
    assert len(offered) > len(PROJECT.chapters()) / 2


@pytest.mark.parametrize("words", suggested())
def test_a_suggested_run_names_a_chapter_and_settings_that_its_study_takes(words: list[str]):
    name, *given = words
    settings(PROJECT.chapter(name), *(word for word in given if word != "-p"))


@pytest.mark.slow
@pytest.mark.parametrize("words", suggested())
def test_the_claims_hold_in_a_suggested_run(words: list[str]):
    command = [sys.executable, "-c", "import sys; from pcn_lib.book.cli import main; sys.exit(main())", "run"]
    finished = subprocess.run([*command, *words, "--jobs", "1"], cwd=PROJECT.root, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
