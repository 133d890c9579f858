"""Records kept with the book: made once, found by chapters wherever those are opened."""

import dataclasses
import shutil

import pytest

from pcn_lib.book import runner
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Project, UsageError
from pcn_lib.book.recording import Recording, record_chapter
from pcn_lib.book.runner import points_of
from pcn_lib.study import ResultError, load, recorded, save
from tests.book.conftest import STUDY, small_book, study_text


@pytest.fixture(scope="module", autouse=True)
def one_device():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Project, Recording]:
    """The small book, whose first chapter is its own study, and what was said when that was recorded."""
    book = small_book(tmp_path_factory.mktemp("recorded") / "book")
    book.chapter("halves").path.write_text(study_text())
    return book, record_chapter(book, book.chapter("halves"), "full")


@pytest.fixture
def study(first: tuple[Project, Recording], tmp_path) -> Project:
    """A copy of that book."""
    return Project(shutil.copytree(first[0].root, tmp_path / "book"))


def measured(book: Project) -> list[int]:
    """The width of every point that was measured, in any run."""
    return [int(line) for line in (book.root / "measured").read_text().split()]


def test_a_record_is_made_once_and_again_only_when_settings_change_or_it_is_forced(first, study):
    chapter, made = study.chapter("halves"), first[1]
    assert made.ran and [claim.name for claim in made.claims] == ["the rate", "the gap"]
    again = record_chapter(study, chapter, "full")
    assert not again.ran and again.claims == made.claims and measured(study) == [4, 8, 16]
    other = record_chapter(study, chapter, "full", ("seed=90",))
    assert other.claims[0].measured == pytest.approx(1.9)
    # It is kept although a claim of it fails.
    assert str(other).endswith("1 of 2 claims as expected: not so: the rate")
    assert not record_chapter(study, chapter, "full", ("seed=90",)).ran
    assert record_chapter(study, chapter, "full", ("seed=90",), force=True).ran
    assert measured(study) == 3 * [4, 8, 16]


def test_a_chapter_finds_the_record_from_any_folder_of_the_book_and_none_elsewhere(study, monkeypatch, tmp_path):
    monkeypatch.chdir(study.root / "chapters")
    assert recorded("halves").width.to_numpy().tolist() == [4, 8, 16]
    monkeypatch.chdir(tmp_path)
    assert recorded("halves") is None


def test_a_damaged_record_is_replaced_and_a_recording_that_stopped_goes_on_with_the_points_left(study, monkeypatch):
    chapter, path = study.chapter("halves"), study.root / "results" / "recorded" / "halves.nc"
    path.write_bytes(damaged := path.read_bytes().replace(b"gap", b"gab"))
    monkeypatch.chdir(study.root)
    with pytest.raises(ResultError, match="is damaged"):
        recorded("halves")
    (study.root / "hold").touch()
    with pytest.raises(BookError, match="PointFailed: width=8: RuntimeError: held"):
        record_chapter(study, chapter, "full")
    assert path.read_bytes() == damaged and points_of(study, chapter).is_dir()
    (study.root / "hold").unlink()
    for point in points_of(study, chapter).glob("*.nc"):
        save(load(point).assign_attrs(seconds=1000.0), point)
    assert record_chapter(study, chapter, "full").ran and recorded("halves") is not None
    assert measured(study)[3:] == [4, 8, 8, 16]
    # What the kept point took counts, and how long the cores worked for it is not known.
    assert recorded("halves").attrs["seconds"] > 1000 and "core_seconds" not in recorded("halves").attrs
    assert not points_of(study, chapter).exists()


def test_what_no_run_can_be_made_from_is_one_sentence(study):
    chapter = study.chapter("halves")
    with pytest.raises(UsageError, match="no parameter 'wdith'"):
        record_chapter(study, chapter, "full", ("wdith=3",))
    chapter.path.write_text(study_text(STUDY[0], STUDY[1].replace("keep(", "print("), STUDY[2]))
    with pytest.raises(BookError, match="it keeps no record: call keep"):
        record_chapter(study, chapter, "full", ("seed=1",))


def test_what_a_recording_says_names_the_claims_that_are_not_as_expected(first):
    made = first[1]
    one = made.claims[0]
    wrong = dataclasses.replace(made, claims=(dataclasses.replace(one, expected_to_fail=not one.expected_to_fail),))
    assert str(wrong).endswith(f"0 of 1 claims as expected: not so: {one.name}")
