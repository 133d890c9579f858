"""What counts as moved, and which runs are compared with which records."""

import dataclasses
import json

import pytest
import xarray as xr

from pcn_lib.book import cli, diff, fingerprint
from pcn_lib.book.diff import GONE, MOVED, NEW, SAME, Difference, Row, compare
from pcn_lib.book.project import Project
from pcn_lib.book.records import RunRecord, run_of
from pcn_lib.provenance import provenance
from pcn_lib.study import Claim, Report, at_least, at_most, close, fails_outside, save
from pcn_lib.study.records import FOLDER
from pcn_lib.verify import write
from tests.book.conftest import study_text
from tests.test_verify import certificate

NAN = float("nan")


def near(measured: float) -> Claim:
    return close("rate", "A rate.", predicted=-1.0, measured=measured, tolerance=0.1, because="bends")


def under(measured: float) -> Claim:
    return at_most("rounding", "An error.", bound=1e-12, measured=measured, because="rounding")


def over(measured: float) -> Claim:
    return at_least("fraction", "A fraction.", bound=0.9, measured=measured, because="all but a few")


@pytest.mark.parametrize(
    "before, now, state",
    [
        (near(-0.98), near(-0.98), SAME),
        (near(-0.98), near(-1.07), SAME),
        (near(-0.98), near(-0.85), MOVED),  # though nearer to its bound than to the record
        (near(-1.09), near(-0.92), MOVED),  # though both hold
        (under(1e-16), under(9e-13), SAME),
        (under(1e-16), under(2e-12), MOVED),
        (over(1.0), over(0.91), SAME),
        (over(1.0), over(0.8), MOVED),
        (fails_outside(under(0.5)), fails_outside(under(0.1)), SAME),
        (fails_outside(under(0.5)), fails_outside(under(1e-13)), MOVED),
        (near(NAN), near(NAN), SAME),
        (near(-1.0), near(NAN), MOVED),
        (None, near(-1.0), NEW),
        (near(-1.0), None, GONE),
    ],
)
def test_what_counts_as_moved(before: Claim | None, now: Claim | None, state: str):
    assert Row("claim", before, now).state == state


def test_claims_are_matched_by_name_whatever_their_order():
    rows = compare((near(-1.0), under(0.0)), (over(1.0), under(0.0), near(-1.0)))
    assert [(row.name, row.state) for row in rows] == [("rate", SAME), ("rounding", SAME), ("fraction", NEW)]


def test_the_text_shows_what_moved_and_on_request_the_rest():
    difference = Difference("chapter", "recorded on CPU", compare((near(-1.0), under(0.0)), (near(-0.5), under(0.0))))
    short, long = diff.text([difference]), diff.text([difference], everything=True)
    assert "chapter: 1 of 2 claims as recorded (recorded on CPU)" in short
    assert "rate" in short and "-0.5" in short and "± 0.1" in short and "rounding" not in short and "rounding" in long
    assert not diff.unmoved([difference]) and not diff.unmoved([Difference("chapter", problem="not run")])


@pytest.fixture
def recorded(book: Project, monkeypatch) -> tuple[Claim, ...]:
    """The claims of the book's first chapter, its own study, recorded at smoke size and made again in a run."""
    book.chapter("halves").path.write_text(study_text())
    made = (near(-1.0), under(0.0))
    save(by_theory("smoke", made), book.root / FOLDER / "halves.nc")
    put(book, made)
    monkeypatch.chdir(book.root)
    return made


def by_theory(profile: str, claims: tuple[Claim, ...] = (), seconds: float = 65.0) -> xr.Dataset:
    """A record as `pcn record` keeps it, made without any computation."""
    origin = provenance({}, seconds=1.0, dtype="float64").as_json()
    asked, made = json.dumps([profile, []]), json.dumps(Report(claims, "CPU", "float64").as_json())
    return xr.Dataset({"gap": 1.0}, attrs=dict(provenance=origin, recorded=asked, claims=made, seconds=seconds))


def put(book: Project, recorded: tuple[Claim, ...], **moved: float) -> None:
    """A run at smoke size that made the recorded claims, some of them with other measurements."""
    chapter = book.chapter("halves")
    made = [dataclasses.replace(claim, measured=moved.get(claim.name, claim.measured)) for claim in recorded]
    run = run_of(book, chapter, "smoke")
    run.folder.mkdir(parents=True, exist_ok=True)
    values = dict(
        chapter=chapter.name, profile="smoke", parameters={}, error=None, seconds=1.0, platform="cpu", device="cpu",
        started="2026-01-01T00:00:00+00:00", versions={}, sources=fingerprint.sources(book, chapter), key="k", files={},
    )  # fmt: skip
    (run.folder / "run.json").write_text(json.dumps(dataclasses.asdict(RunRecord(**values))))
    (run.folder / "claims.json").write_text(json.dumps(Report(tuple(made), "CPU", "float64").as_json()))


def test_a_run_that_repeats_its_record_ends_well(recorded: tuple[Claim, ...], capsys):
    assert cli.main(["diff", "halves", "--profile", "smoke"]) == 0
    assert "01_halves: 2 of 2 claims as recorded (recorded on " in capsys.readouterr().out


def test_a_number_that_moved_is_shown_and_the_exit_code_says_so(book: Project, recorded: tuple[Claim, ...], capsys):
    put(book, recorded, rate=-1.2)
    assert cli.main(["diff", "--profile", "smoke"]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 claims as recorded" in out and "rate" in out and "-1.2" in out and "moved" in out
    assert "02_thirds: nothing is recorded for it" in out


def test_a_record_of_another_profile_is_not_compared_and_said_to_be(recorded: tuple[Claim, ...], capsys):
    assert cli.main(["diff", "halves", "--profile", "quick"]) == 1
    assert "was made at profile smoke: compare with `--profile smoke`, not at profile quick" in capsys.readouterr().out


def test_a_run_of_other_code_is_not_compared(book: Project, recorded: tuple[Claim, ...], capsys):
    book.chapter("halves").path.write_text(study_text().replace("Small.", "Smaller."))
    assert cli.main(["diff", "halves", "--profile", "smoke"]) == 1
    assert "code has changed since it was run" in capsys.readouterr().out


def test_two_certificates_are_compared_precision_by_precision(tmp_path, capsys):
    paths = [write(certificate(), tmp_path / "a.json"), write(certificate(tanh=1.0), tmp_path / "b.json")]
    assert cli.main(["diff", *map(str, paths[:1] * 2)]) == 0
    assert cli.main(["diff", *map(str, paths)]) == 1
    assert "float64, matrix products highest: 11 of 12 claims as recorded" in capsys.readouterr().out
    assert cli.main(["diff", str(paths[0])]) == 2
    assert cli.main(["diff", str(paths[0]), str(tmp_path / "none.json")]) == 1
    assert "two certificates are compared" in (error := capsys.readouterr().err) and "none.json is not a" in error
