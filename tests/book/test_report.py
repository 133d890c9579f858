import dataclasses
import json
from collections.abc import Sequence

import pytest
import xarray as xr

from pcn_lib.book import fingerprint, report
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.records import Run, RunRecord, run_of
from pcn_lib.study.records import FOLDER, save
from tests.book.conftest import CLAIM

HALF = [CLAIM]


def record(book: Project, **changes) -> RunRecord:
    values = {
        "chapter": "01_halves", "profile": "quick", "parameters": {}, "error": None, "seconds": 65.0,
        "platform": "cpu", "device": "cpu", "started": "2026-01-01T00:00:00+00:00", "versions": {},
        "sources": fingerprint.sources(book, book.chapter("halves")), "key": "k", "files": {},
    }  # fmt: skip
    return RunRecord(**values | changes)


def put(book: Project, record: RunRecord, claims: Sequence[dict] = ()) -> Run:
    run = run_of(book, book.chapter("halves"), record.profile)
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text(json.dumps(dataclasses.asdict(record)))
    (run.folder / "claims.json").write_text(json.dumps(claims))
    return run


def problem(book: Project) -> str | None:
    return report.chapter_report(book, book.chapter("halves"), "quick").problem


def test_a_chapter_that_was_not_run_says_so_and_how_to_run_it(book: Project):
    assert "has not been run" in problem(book) and "pcn run 01_halves" in problem(book)


def test_a_run_of_the_code_as_it_stands_has_no_problem(book: Project):
    put(book, record(book))
    assert problem(book) is None


def test_a_run_of_other_code_is_not_shown(book: Project):
    put(book, record(book, sources="of yesterday"), HALF)
    assert "has changed since it was run" in problem(book)
    assert report.claim_rows(book, report.chapter_reports(book, "quick")) == ()


def test_a_failed_run_is_named_with_its_error_even_if_the_code_is_the_same(book: Project):
    put(book, record(book, error="ClaimFailed: a `half` is not 1"))
    assert "`ClaimFailed: a 'half' is not 1`" in problem(book)


@pytest.mark.parametrize("text", ['{"chapter": ', "[]", '{"chapter": "01_halves"}', ""])
def test_a_damaged_record_is_no_run_and_the_page_says_so(book: Project, text: str):
    run = put(book, record(book))
    (run.folder / "run.json").write_text(text)
    assert "is damaged (run.json is cut short" in problem(book) and run.record is None
    assert report.chapter_reports(book, "quick")[0].state == "damaged"


def test_a_claim_is_confirmed_on_a_gpu_only_where_a_gpu_run_made_it_too(book: Project):
    put(book, record(book), HALF)
    (row,) = report.claim_rows(book, report.chapter_reports(book, "quick"))
    assert (row.device, row.confirmed) == ("CPU, float64", False)
    put(book, record(book, profile="full", platform="gpu", device="gpu (NVIDIA H200)"), HALF)
    (row,) = report.claim_rows(book, report.chapter_reports(book, "quick"))
    assert row.confirmed


@pytest.mark.parametrize(
    "made, confirmed",
    [
        ({"device": "NVIDIA H200"}, True),
        ({"device": "CPU"}, False),
        ({"device": "TPU v4"}, False),
        ({"device": "NVIDIA H200", "name": "A third"}, False),
        ({"device": "NVIDIA H200", "measured": 0.6}, False),
    ],
)
def test_a_record_kept_with_the_book_confirms_what_it_claims_rightly_and_was_made_on_a_gpu(book, made, confirmed):
    save(xr.Dataset(attrs={"claims": json.dumps([CLAIM | made])}), book.root / FOLDER / "halves.nc")
    put(book, record(book), HALF)
    (row,) = report.claim_rows(book, report.chapter_reports(book, "quick"))
    assert row.confirmed is confirmed


def test_a_damaged_record_is_one_sentence_of_the_report(book: Project):
    kept = save(xr.Dataset(attrs={"claims": json.dumps([CLAIM])}), book.root / FOLDER / "halves.nc")
    kept.write_bytes(kept.read_bytes()[:-1])
    put(book, record(book), HALF)
    with pytest.raises(BookError, match="halves.nc is damaged"):
        report.claim_rows(book, report.chapter_reports(book, "quick"))


def test_all_is_well_only_when_every_chapter_ran_and_every_claim_came_out(book: Project):
    reports = report.chapter_reports(book, "quick")
    assert not report.all_well(book, reports)  # nothing was run
    put(book, record(book), HALF)
    (halves, _) = report.chapter_reports(book, "quick")
    assert report.all_well(book, (halves,))
    (halves.run.folder / "claims.json").write_text(json.dumps([CLAIM | {"measured": 0.6}]))
    assert not report.all_well(book, (halves,))


def test_a_chapter_is_named_by_its_number_and_the_state_of_its_run(book: Project):
    put(book, record(book))
    assert [(one.title, one.state) for one in report.chapter_reports(book, "quick")] == [
        ("1\xa0· Halves", "done"),
        ("2\xa0· Thirds", "not run"),
    ]


@pytest.mark.parametrize("changes, state", [({"error": "x"}, "failed"), ({"sources": "earlier"}, "out of date")])
def test_a_run_that_failed_or_is_of_other_code_is_in_that_state(book: Project, changes, state):
    put(book, record(book, **changes))
    assert report.chapter_reports(book, "quick")[0].state == state


def test_a_claim_that_must_fail_and_does_counts_as_predicted(book: Project):
    put(book, record(book), [CLAIM | {"measured": 0.6, "expected_to_fail": True}])
    (halves, _) = report.chapter_reports(book, "quick")
    assert report.all_well(book, (halves,))
    assert "fails, as it should" in report.terminal(book, (halves,))


def test_a_claim_that_was_not_measured_is_shown_as_such(book: Project):
    put(book, record(book), [CLAIM | {"measured": float("nan")}])
    (halves, _) = report.chapter_reports(book, "quick")
    assert not report.all_well(book, (halves,))
    assert "not measured" in report.terminal(book, (halves,))
