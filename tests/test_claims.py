"""Claims: predicates that can fail, the table that shows them, and the file the report page reads."""

import dataclasses
import json
import math
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.provenance import provenance
from pcn_lib.study import ClaimFailed, Relation, at_least, at_most, close, fails_outside, report

WORDS = ("a name", "A statement.")


def near(measured, **settings):
    return close(*WORDS, predicted=-2.0, measured=measured, because="three sizes", **settings)


def below(measured):
    return at_most(*WORDS, bound=0.5, measured=measured, because="rounding")


@pytest.mark.parametrize(
    "measured, holds", [(-2.0, True), (-2.125, True), (-1.875, True), (-2.126, False), (2.0, False)]
)
def test_a_close_claim_holds_within_its_tolerance_and_not_beyond(measured, holds):
    assert near(measured, tolerance=0.125).holds is holds


def test_a_relative_tolerance_is_a_share_of_the_predicted_size():
    assert near(-2.5, relative_tolerance=0.25).holds
    assert not near(-2.51, relative_tolerance=0.25).holds


@pytest.mark.parametrize("settings", [{}, {"tolerance": 0.1, "relative_tolerance": 0.1}])
def test_a_close_claim_needs_exactly_one_tolerance(settings):
    with pytest.raises(ValueError, match="exactly one is needed"):
        near(1.0, **settings)


def test_a_bound_holds_on_its_own_side_and_at_the_bound():
    assert below(0.5).holds and below(-9.0).holds and not below(0.6).holds
    above = at_least(*WORDS, bound=0.5, measured=0.5, because="rounding")
    assert above.holds and not dataclasses.replace(above, measured=0.4).holds


def test_what_was_not_measured_never_holds_and_is_never_as_expected():
    for claim in (near(math.nan, tolerance=9.0), below(math.nan)):
        assert not claim.holds and not claim.as_expected and claim.verdict == "not measured"
        assert not fails_outside(claim).as_expected


def test_a_claim_outside_the_theorem_is_as_expected_only_when_it_fails():
    assert fails_outside(below(3.0)).as_expected and fails_outside(below(3.0)).verdict == "fails, as it should"
    assert not fails_outside(below(0.1)).as_expected


@pytest.mark.parametrize("measured", [np.float32(0.25), np.array(0.25), jnp.array(0.25), 0])
def test_a_measurement_of_any_kind_becomes_a_number(measured):
    assert type(below(measured).measured) is float


@pytest.mark.parametrize(
    "broken", [{"because": " "}, {"name": ""}, {"tolerance": -1.0}, {"tolerance": math.nan}, {"predicted": math.nan}]
)
def test_a_claim_that_says_too_little_is_refused(broken):
    with pytest.raises(ValueError, match="claim"):
        dataclasses.replace(below(0.1), **broken)


def test_a_report_of_claims_that_hold_shows_them_and_counts_them(monkeypatch):
    monkeypatch.delenv("PCN_RUN_FOLDER", raising=False)
    table = report([below(0.1), dataclasses.replace(fails_outside(below(3.0)), name="another")])
    assert "2 of 2 claims as expected" in str(table)
    assert "a name" in str(table) and "fails, as it should" in str(table)


def test_the_table_escapes_what_authors_wrote_and_can_be_scrolled(monkeypatch):
    monkeypatch.delenv("PCN_RUN_FOLDER", raising=False)
    shown = report([dataclasses.replace(below(0.1), statement="N < L & more")])._repr_html_()
    assert "N &lt; L &amp; more" in shown and "N < L" not in shown
    assert "overflow-x:auto" in shown and 'scope="row"' in shown and ">holds<" in shown


def test_a_failed_claim_is_shown_then_raised_by_name_and_still_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PCN_RUN_FOLDER", str(tmp_path))
    with pytest.raises(ClaimFailed, match=r"a name: fails: measured 3, predicted ≤ 0.5"):
        report([below(3.0)])
    assert "0 of 1 claims as expected" in capsys.readouterr().out
    assert json.loads((tmp_path / "claims.json").read_text())[0]["holds"] is False


def test_the_run_folder_receives_every_claim_with_where_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("PCN_RUN_FOLDER", str(tmp_path))
    report([fails_outside(below(3.0))])
    (entry,) = json.loads((tmp_path / "claims.json").read_text())
    assert (entry["predicted"], entry["measured"], entry["tolerance"]) == (0.5, 3.0, 0.0)
    assert (entry["holds"], entry["expected_to_fail"], entry["as_expected"]) == (False, True, True)
    assert (entry["dtype"], entry["relation"]) == ("float64", Relation.AT_MOST.value)
    assert [file.name for file in tmp_path.iterdir()] == ["claims.json"]


def test_a_report_on_a_record_from_elsewhere_names_the_device_it_was_measured_on(monkeypatch):
    monkeypatch.delenv("PCN_RUN_FOLDER", raising=False)

    @dataclasses.dataclass(frozen=True)
    class Settings:
        seed: int = 0

    elsewhere = dataclasses.replace(provenance(Settings(), seconds=1.0), device="Abacus", dtype="float32")
    assert str(report([below(0.1)], elsewhere)).endswith("Abacus · float32")


def test_a_report_of_nothing_or_of_two_of_one_name_is_refused():
    with pytest.raises(ValueError, match="no claims given"):
        report([])
    with pytest.raises(ValueError, match="two claims named a name"):
        report([below(0.1), below(0.2)])


def test_making_a_claim_needs_no_notebook():
    code = "import pcn_lib.study, sys; assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
