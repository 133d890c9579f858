"""A grid of runs ends in one table and one labelled file."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from pcn_lib.book import cli
from pcn_lib.book.project import Project
from pcn_lib.book.records import RunRecord, keep, making, run_of
from pcn_lib.book.together import stacked, together
from pcn_lib.study import load, save
from tests.book.conftest import CLAIM, study_text

RUN = RunRecord(
    chapter="01_halves", profile="smoke", parameters={}, error=None, seconds=1.0, platform="cpu", device="cpu",
    started="2026-01-02T10:30:45+00:00", versions={}, sources="s", key="k", files={},
)  # fmt: skip


def table(factor: float, *widths: int) -> xr.Dataset:
    """gap = factor / width, with a number, a truth, a text and a coordinate that follow the factor."""
    made = xr.Dataset(
        {"gap": ("width", [factor / width for width in widths]), "exact": factor > 1, "kind": f"by {factor}"},
        {"width": list(widths), "rate": ("width", [factor * width for width in widths])},
    )
    return made.assign_attrs(provenance=f"made with {factor}", units="1")


def test_records_are_joined_along_an_axis_for_each_parameter():
    joined = stacked(["steps", "loss"], {(n, loss): table(n + k, 2, 4) for n in (1, 2) for k, loss in enumerate("ab")})
    assert joined.gap.dims == ("steps", "loss", "width") and joined.loss.values.tolist() == ["a", "b"]
    for n in (1, 2):
        for k, loss in enumerate("ab"):
            at = joined.sel(steps=n, loss=loss)
            np.testing.assert_array_equal(at.gap, [(n + k) / 2, (n + k) / 4])
            np.testing.assert_array_equal(at.rate, [(n + k) * 2, (n + k) * 4])
    assert joined.attrs["units"] == "1" and json.loads(joined.provenance_of_runs)[3] == "made with 3"


def test_where_runs_have_other_sizes_or_are_missing_there_are_gaps_which_a_file_holds(tmp_path):
    runs = {((2, 4), None): table(1, 2, 4), ((2, 8), 0.5): table(2, 2, 8)}
    joined = load(save(stacked(["width", "rate"], runs), tmp_path / "joined.nc"))
    assert joined.given_width.values.tolist() == ["(2, 4)", "(2, 8)"]  # the records have a width and a rate themselves
    assert joined.given_rate.values.tolist() == ["None", "0.5"]  # in the order given
    assert joined.width.values.tolist() == [2, 4, 8]
    here = joined.sel(given_width="(2, 8)", given_rate="0.5")
    np.testing.assert_array_equal(here.gap, [1.0, np.nan, 0.25])
    assert here.kind == "by 2" and here.exact == 1
    missing = joined.sel(given_width="(2, 8)", given_rate="None")
    assert missing.gap.isnull().all() and missing.kind == "" and np.isnan(missing.exact)


def test_an_axis_without_places_may_be_longer_in_other_runs():
    runs = {(n,): xr.Dataset({"gap": ("seed", np.arange(1.0, n + 1))}, attrs=dict(provenance="")) for n in (2, 3)}
    joined = stacked(["seeds"], runs)
    np.testing.assert_array_equal(joined.gap.sel(seeds=[2, 3]), [[1, 2, np.nan], [1, 2, 3]])


def test_every_table_of_a_record_gets_the_axis():
    trees = {(n,): xr.DataTree.from_dict({"/": table(n, 2, 4), "/fine": table(10 * n, 2, 4)}) for n in (3, 1)}
    del trees[1,]["fine"]  # which is a table of one run alone
    joined = stacked(["steps"], trees)
    assert (
        joined["fine"].gap.sel(steps=3, width=4).item() == 30 / 4 and joined.gap.sel(steps=3, width=2).item() == 3 / 2
    )


def ran(book: Project, error: str | None = None, **values) -> RunRecord:
    """A run in place, as if the chapter had been run with these parameters."""
    run = run_of(book, book.chapter("halves"), "smoke", values)
    with making(run) as partial:
        if error is None:
            save(table(values["steps"], 2, 4), partial / "halves.nc")
            (partial / "claims.json").write_text(json.dumps([CLAIM | {"measured": values["steps"] / 4}]))
        return keep(partial, dataclasses.replace(RUN, parameters=values, error=error), run)


def test_runs_end_in_one_table_and_one_file_and_one_that_crashed_says_how(book: Project):
    records = [ran(book, steps=1, widths=(2, 4)), ran(book, steps=2, widths=(2, 4)),
               ran(book, "ValueError: no", steps=3, widths=(2, 4))]  # fmt: skip
    read = run_of(book, book.chapter("halves"), "smoke", {"steps": 2, "widths": (2, 4)}).record
    (made,) = together(book, [records[0], read, records[2]])  # one found done is read from its file, with lists
    rows, numbers = made.files
    assert [path.name for path in made.files] == ["01_halves@steps.csv", "01_halves@steps.nc"]
    assert load(numbers).gap.dims == ("steps", "width") and load(numbers).steps.values.tolist() == [1, 2]
    table_rows = list(csv.DictReader(rows.read_text().splitlines()))
    assert [(row["steps"], row["measured"], row["verdict"]) for row in table_rows] == [
        ("1", "0.25", "fails"), ("2", "0.5", "holds"), ("3", "–", "ValueError: no"),
    ]  # fmt: skip
    assert "ValueError: no" in str(made) and str(numbers) in str(made)


def test_runs_that_differ_in_nothing_are_left_alone(book: Project):
    assert together(book, [ran(book, steps=1), dataclasses.replace(RUN, chapter="02_thirds")]) == ()


@pytest.mark.slow
def test_the_command_gathers_what_it_ran(book: Project, monkeypatch, capsys):
    book.chapter("halves").path.write_text(study_text())
    monkeypatch.chdir(book.root)
    grid = ["-p", "seed=0", "-p", "seed=1", "-p", "widths=4,8", "-p", "widths=4,8,16"]
    assert cli.main(["run", "halves", "--profile", "smoke", *grid]) == 0
    gap = load(book.runs / "smoke" / "01_halves@seed,widths.nc").gap
    assert gap.sel(seed=1, widths="(4, 8, 16)", width=16).item() == 1.01 / 16**2
    assert gap.sel(seed=1, widths="(4, 8)").isnull().values.tolist() == [False, False, True]
    assert capsys.readouterr().out.count("the rate") == 4
