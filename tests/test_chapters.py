"""Every chapter runs through Papermill at a small size, is committed in form, and its claims hold."""

import re
from pathlib import Path

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.format import violations
from pcn_lib.book.project import Chapter, Project
from pcn_lib.book.records import run_of
from pcn_lib.book.runner import Request, run_chapters

PROJECT = Project(Path(__file__).parents[1])
CHAPTERS = [pytest.param(chapter, id=chapter.name) for chapter in PROJECT.chapters()]


@pytest.fixture(scope="module")
def smoke_runs() -> Project:
    """The book with every chapter run at the smallest size; runs that are up to date are used again."""
    PROJECT.runs.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        # As a reader runs them: what saves the tests time compiling costs some solutions half of their digits.
        environment.delenv("XLA_FLAGS", raising=False)
        run_chapters(PROJECT, PROJECT.chapters(), Request(profile="smoke"))
    return PROJECT


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_is_committed_in_form(chapter: Chapter):
    assert violations(chapter.path) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_that_measures_networks_leaves_no_precision_to_the_device(chapter: Chapter):
    code = "\n".join(cell.source for cell in notebooks.read(chapter.path).cells if cell.cell_type == "code")
    chosen = r"^use_(float64|highest_precision)\(\)$|^jax\.config\.update\(\"jax_enable_x64\", True\)$"
    assert "pcn_lib.energy" not in code or re.search(chosen, code, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_runs_at_smoke_size_and_what_it_claims_holds(chapter: Chapter, smoke_runs: Project):
    run = run_of(smoke_runs, chapter, "smoke")
    assert run.record.error is None, f"{run.record.error}; see {run.report}"
    assert run.claims, "a chapter asserts at least one claim"
    assert [made.claim.name for made in run.claims if not made.claim.as_expected] == []
