"""Records kept with the book: made once, found by chapters wherever those are opened."""

import dataclasses
import importlib
import shutil
from pathlib import Path

import pytest

from pcn_lib.book.project import Project, UsageError
from pcn_lib.book.recording import record_chapter
from pcn_lib.experiments import overview
from pcn_lib.results import ResultError, recorded

ROOT = Path(__file__).parents[2]


@pytest.fixture
def book(tmp_path, monkeypatch) -> Project:
    """A book of one real chapter, whose study is small."""
    (tmp_path / "chapters").mkdir()
    shutil.copy(ROOT / "chapters" / "overview.ipynb", tmp_path / "chapters")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/overview\n")
    # The smallest settings whose claims hold.
    monkeypatch.setitem(overview.PRESETS, "full", overview.PRESETS["smoke"])
    return Project(tmp_path)


@pytest.fixture
def runs(monkeypatch) -> list:
    """Settings of every run of the study."""
    made = []
    run = overview.run
    monkeypatch.setattr(overview, "run", lambda settings: made.append(settings) or run(settings))
    return made


def test_a_record_is_made_once_and_again_only_when_settings_change_or_it_is_forced(book, runs):
    chapter = book.chapter("overview")
    assert record_chapter(book, chapter, "full").ran
    assert not record_chapter(book, chapter, "full").ran
    assert record_chapter(book, chapter, "full", ("seed=1",)).ran
    assert record_chapter(book, chapter, "full", ("seed=1",), force=True).ran
    assert [settings.seed for settings in runs] == [0, 1, 1]


def test_a_chapter_finds_the_record_from_any_folder_of_the_book_and_none_elsewhere(book, monkeypatch, tmp_path_factory):
    made = record_chapter(book, book.chapter("overview"), "full")
    monkeypatch.chdir(book.root / "chapters")
    found = recorded(overview.Record, "overview")
    assert found.settings == overview.PRESETS["full"] and len(made.claims) == 4
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert recorded(overview.Record, "overview") is None


def test_a_record_of_another_version_is_refused_by_the_chapter_and_replaced_by_the_command(book, runs, monkeypatch):
    chapter = book.chapter("overview")
    record_chapter(book, chapter, "full")
    path = book.root / "results" / "recorded" / "overview.json"
    path.write_text(path.read_text().replace('"energy_ratio"', '"ratio"'))
    monkeypatch.chdir(book.root)
    with pytest.raises(ResultError, match="another version, run it again"):
        recorded(overview.Record, "overview")
    assert record_chapter(book, chapter, "full").ran
    assert recorded(overview.Record, "overview") is not None


def test_settings_that_no_run_can_be_made_from_are_one_sentence(book):
    with pytest.raises(UsageError, match="at least 1"):
        record_chapter(book, book.chapter("overview"), "full", ("widths=(0,)",))


def test_what_a_recording_says_names_the_claims_that_are_not_as_expected(book):
    made = record_chapter(book, book.chapter("overview"), "full")
    one = made.claims[0]
    wrong = dataclasses.replace(made, claims=(dataclasses.replace(one, expected_to_fail=not one.expected_to_fail),))
    assert str(wrong).endswith(f"0 of 1 claims as expected: not so: {one.name}")


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "recorded").glob("*.json")), ids=lambda path: path.stem)
def test_every_record_kept_with_the_book_is_of_this_version_and_its_claims_hold(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    study = importlib.import_module(f"pcn_lib.experiments.{path.stem}")
    record = recorded(study.Record, path.stem)
    if path.stem == "benchmarks":
        return
    claims = importlib.import_module(f"pcn_lib.claims.{path.stem}").claims(record)
    assert [claim.name for claim in claims if not claim.as_expected] == []
