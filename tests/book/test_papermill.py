"""Papermill alone runs a chapter: what it gives as lists and texts is read, and it knows every parameter."""

import os
import subprocess
import sys

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.project import Project
from pcn_lib.study import load
from tests.book.conftest import REPOSITORY, study_text

LISTED = pytest.param(("-y", "widths: [8, 32]"), marks=pytest.mark.slow)


@pytest.mark.parametrize("given", [("-p", "widths", "(8, 32)"), LISTED], ids=["text", "list"])
def test_a_chapter_takes_an_axis_from_papermills_command_line(book: Project, given):
    chapter = book.chapter("halves").path
    chapter.write_text(study_text())
    command = [
        sys.executable,
        "-m",
        "papermill",
        chapter,
        "out.ipynb",
        "--no-progress-bar",
        "-p",
        "profile",
        "smoke",
        *given,
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PCN_RUN_FOLDER": str(book.root)}
    run = subprocess.run(command, cwd=book.root, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "unknown parameter" not in run.stderr and "Unable to parse" not in run.stderr
    assert load(book.root / "halves.nc").width.values.tolist() == [8, 32]
    assert any(notebooks.tagged(cell, notebooks.INJECTED) for cell in notebooks.read(book.root / "out.ipynb").cells)
