"""What `pcn new` writes: a chapter in the form that the checks accept, that runs as it stands."""

import json

import pytest

from pcn_lib.book import cli
from pcn_lib.book.format import violations
from pcn_lib.book.project import Project
from pcn_lib.book.runner import Request, run_chapters


@pytest.fixture
def started(book: Project, monkeypatch) -> Project:
    """A book with a chapter that was just started."""
    monkeypatch.chdir(book.root)
    assert cli.main(["new", "29_my_study"]) == 0
    toc = json.loads((book.root / "_toc.yml").read_text())
    toc["chapters"].append({"file": "chapters/29_my_study"})
    (book.root / "_toc.yml").write_text(json.dumps(toc))
    return book


def test_a_new_chapter_is_in_the_committed_form(started: Project):
    chapter = started.chapter("my_study")
    assert violations(chapter.path) == []
    assert "STEM" not in chapter.path.read_text()


def test_a_name_that_is_taken_or_none_is_refused_in_one_sentence(started: Project, capsys):
    for name, sentence in (("29_my_study", "is there already"), ("halves", "is there already"), ("a b", "is no name")):
        assert cli.main(["new", name]) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_a_new_chapter_runs_at_its_smallest_size_and_its_claims_hold(started: Project):
    (record,) = run_chapters(started, (started.chapter("my_study"),), Request(profile="smoke"))
    assert record.error is None
