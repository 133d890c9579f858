"""Records kept with the book: made once, found by chapters wherever those are opened."""

import dataclasses

import pytest

from pcn_lib.book.project import BookError, Project, UsageError
from pcn_lib.book.recording import record_chapter
from pcn_lib.book.runner import points_of
from pcn_lib.study import ResultError, recorded
from tests.book.conftest import STUDY, study_text


@pytest.fixture
def study(book: Project) -> Project:
    """The small book, whose first chapter is its own study."""
    (book.root / "chapters" / "01_halves.ipynb").write_text(study_text())
    return book


def measured(book: Project) -> list[int]:
    """The width of every point that was measured, in any run."""
    path = book.root / "measured"
    return [int(line) for line in path.read_text().split()] if path.is_file() else []


def test_a_record_is_made_once_and_again_only_when_settings_change_or_it_is_forced(study):
    chapter = study.chapter("halves")
    first = record_chapter(study, chapter, "full")
    assert first.ran and [claim.name for claim in first.claims] == ["the rate", "the gap"]
    again = record_chapter(study, chapter, "full")
    assert not again.ran and again.claims == first.claims
    assert record_chapter(study, chapter, "full", ("seed=1",)).claims[0].measured == pytest.approx(1.01)
    assert record_chapter(study, chapter, "full", ("seed=1",), force=True).ran
    assert measured(study) == 3 * [4, 8, 16]


def test_a_chapter_finds_the_record_from_any_folder_of_the_book_and_none_elsewhere(
    study, monkeypatch, tmp_path_factory
):
    record_chapter(study, study.chapter("halves"), "full")
    monkeypatch.chdir(study.root / "chapters")
    assert recorded("halves").width.to_numpy().tolist() == [4, 8, 16]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert recorded("halves") is None


def test_a_recording_that_stopped_goes_on_with_the_points_that_are_left(study):
    chapter = study.chapter("halves")
    (study.root / "hold").touch()
    with pytest.raises(BookError, match="PointFailed: width=8: RuntimeError: held"):
        record_chapter(study, chapter, "full")
    assert not (study.root / "results").exists() and points_of(study, chapter).is_dir()
    (study.root / "hold").unlink()
    record_chapter(study, chapter, "full")
    assert measured(study) == [4, 8, 8, 16]
    assert not points_of(study, chapter).exists()


def test_a_record_whose_claims_fail_is_kept_and_said_to(study):
    made = record_chapter(study, study.chapter("halves"), "full", ("seed=90",))
    assert str(made).endswith("1 of 2 claims as expected: not so: the rate")
    assert (study.root / "results" / "recorded" / "halves.nc").is_file()


def test_a_damaged_record_is_refused_by_the_chapter_and_replaced_by_the_command(study, monkeypatch):
    chapter = study.chapter("halves")
    record_chapter(study, chapter, "full")
    path = study.root / "results" / "recorded" / "halves.nc"
    path.write_bytes(path.read_bytes().replace(b"gap", b"gab"))
    monkeypatch.chdir(study.root)
    with pytest.raises(ResultError, match="is damaged"):
        recorded("halves")
    assert record_chapter(study, chapter, "full").ran and recorded("halves") is not None


def test_what_no_run_can_be_made_from_is_one_sentence(study):
    chapter = study.chapter("halves")
    with pytest.raises(UsageError, match="no parameter 'wdith'"):
        record_chapter(study, chapter, "full", ("wdith=3",))
    with pytest.raises(BookError, match="SettingsError: widths = \\(0, 4\\) given; at least 1 is needed"):
        record_chapter(study, chapter, "full", ("widths=(0, 4)",))
    chapter.path.write_text(study_text(STUDY[0], STUDY[1].replace("keep(", "print("), STUDY[2]))
    with pytest.raises(BookError, match="it keeps no record: call keep"):
        record_chapter(study, chapter, "full")


def test_what_a_recording_says_names_the_claims_that_are_not_as_expected(study):
    made = record_chapter(study, study.chapter("halves"), "full")
    one = made.claims[0]
    wrong = dataclasses.replace(made, claims=(dataclasses.replace(one, expected_to_fail=not one.expected_to_fail),))
    assert str(wrong).endswith(f"0 of 1 claims as expected: not so: {one.name}")
