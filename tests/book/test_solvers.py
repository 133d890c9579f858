"""The tables of the page that helps to choose a solver hold what was recorded."""

import re

import pytest

from pcn_lib.book import solvers
from pcn_lib.book.explorer import kept
from tests.book.conftest import REPOSITORY


def cells(lines: list[str]) -> dict[str, list[str]]:
    """By first cell, the others."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def records():
    return kept(REPOSITORY)


def test_a_solver_is_given_with_the_first_budget_that_was_enough(records):
    found = cells(solvers.reached(records))
    curve = records("reaching_the_equilibrium")["curves"].sel(activation="tanh", shape="wide", solver="sweeps")
    steps = min(int(n) for n, r in zip(curve.steps.values, curve.residual.values, strict=True) if r <= 1e-6)
    assert found["sweeps"][0].endswith(f"BP steps ({steps} iterations)")
    assert "not after 64 iterations" in found["sweeps"][2] and "not after" in found["gradient descent"][0]
    assert [re.search(r"N = (\d+)\$, \$L = (\d+)", head).groups() for head in found["solver"]] == [
        ("512", "8"), ("32", "32"), ("8", "32"),
    ]  # fmt: skip


def test_costs_rise_with_width_over_depth_and_are_ratios_of_the_benchmarks(records):
    header, _, *rows = solvers.cost(records)
    assert header.count("|") == 6 and [row.split(" | ")[1:3] for row in rows[:1]] == [["32", "32"]]
    record = records("benchmarks")
    (at,) = (k for k, title in enumerate(record.title.values) if title == "equilibrium, cross entropy, N = 512, L = 8")
    (row,) = (row for row in rows if "| 512 | 8 |" in row)
    assert row.split(" | ")[-1].rstrip("| ") == f"{float(record.ours[at] / record.baseline[at]):.3g}"
    ratios = [float(row.split(" | ")[0].strip("| ")) for row in rows]
    assert ratios == sorted(ratios)


def test_rounding_is_the_librarys(records):
    assert cells(solvers.rounding(records))["`tensorfloat32`"] == ["GPU", "1e−02", "5e−02"]
