"""The map of the paper takes its verdicts from the runs."""

from dataclasses import replace

import pytest

from pcn_lib.book import report
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.records import Claimed
from pcn_lib.book.tables import summarised
from pcn_lib.study import close, fails_outside


def claimed(name: str, measured: float = 1.0, source: str = "paper, Figure 1", must_fail: bool = False) -> Claimed:
    claim = close(name, "It is 1.", predicted=1, measured=measured, tolerance=0.1, because="rounding", source=source)
    return Claimed(fails_outside(claim) if must_fail else claim, "CPU", "float64")


class Run:
    """A run that made these claims."""

    def __init__(self, *claims: Claimed):
        self.claims, self.record = claims, None


def state(book: Project, *claims: Claimed) -> report.ChapterReport:
    found = report.chapter_report(book, book.chapter("halves"), "quick")
    return replace(found, run=Run(*claims), current=True)


def test_without_patterns_the_papers_claims_are_counted(book: Project):
    found = state(book, claimed("a", measured=0.95), claimed("b", source="ours", measured=9.0))
    assert summarised(found, ()) == ("a (0.95\xa0≈\xa01)", "holds")
    assert summarised(found, ("b",))[0] == "b (9\xa0not\xa0≈\xa01)"


def test_patterns_choose_claims_by_name_and_more_than_three_are_counted(book: Project):
    found = state(book, *(claimed(f"rate, L = {depth}") for depth in (2, 4, 8, 16)), claimed("other"))
    names = "; ".join(f"rate, L = {depth} (1\xa0≈\xa01)" for depth in (2, 4, 8))
    assert summarised(found, ("rate*",)) == (f"{names}; and 1 more", "holds")


@pytest.mark.parametrize(
    "claims, verdict",
    [
        ((claimed("a", 9.0), claimed("b")), "1 of 2 not as expected"),
        ((claimed("a", 9.0, must_fail=True),), "fails, as it should"),
        ((claimed("a"), claimed("b", 9.0, must_fail=True)), "holds, and fails where it should"),
        ((claimed("a", float("nan")),), "1 of 1 not as expected"),
    ],
)
def test_the_verdict_is_that_of_the_claims(book: Project, claims, verdict):
    assert summarised(state(book, *claims), ("*",))[1] == verdict


def test_a_claim_that_no_run_makes_is_refused_and_a_chapter_not_run_says_so(book: Project):
    with pytest.raises(BookError, match="the claim 'c', which 01_halves does not make"):
        summarised(state(book, claimed("a")), ("c",))
    assert summarised(replace(state(book), current=False), ("c",)) == ("–", "not run")
