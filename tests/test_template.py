"""The template from which a chapter is started: in the form that the checks accept, and it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.format import violations
from pcn_lib.book.project import Project

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "chapters" / "template.ipynb"


def test_the_template_is_in_the_committed_form_and_no_chapter_itself():
    assert violations(TEMPLATE) == []
    assert TEMPLATE not in Project(ROOT).documents()


@pytest.mark.slow
def test_the_template_runs_at_its_smallest_size():
    cells = notebooks.code_cells(notebooks.with_parameters(notebooks.read(TEMPLATE), {}))
    code = "\n".join(cell.source for cell in cells).replace('profile: str = "quick"', 'profile: str = "smoke"')
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
