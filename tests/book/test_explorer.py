"""The explorer shows the library's theory and the records' numbers."""

import itertools
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import explorer
from pcn_lib.book.doctor import browser
from pcn_lib.book.explorer import SLIDERS, Point, constants, controls, data, kept, points
from pcn_lib.book.project import BookError
from pcn_lib.gap import predict, rounds_to, sweeps_to
from tests.book.conftest import REPOSITORY
from tests.book.test_in_browser import HEADLESS

SCRIPT = REPOSITORY / "_static" / "explorer.js"
EVALUATE = """
const [given, places] = JSON.parse(require("fs").readFileSync(0)), theory = require(process.argv[1]);
console.log(JSON.stringify(places.map((at) => theory(at, given))));
"""


@pytest.fixture(scope="module")
def records():
    return kept(REPOSITORY)


@pytest.fixture(scope="module")
def given(records) -> dict:
    return data(records)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_the_script_computes_what_the_library_does():
    grid = itertools.product((2, 45, 2048), (2, 3, 8, 64), (0.0625, 1, 3), (0.01, 1, 300), (0.001, 0.0246, 1))
    places = [dict(zip(SLIDERS, place, strict=True)) for place in grid]
    given = {"constants": constants({2, 3, 8, 64}), "accuracy": 1e-6, "cosine": 0.99}
    command, said = ["node", "-e", EVALUATE, str(SCRIPT)], json.dumps([given, places])
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=True)
    for place, found in zip(places, json.loads(done.stdout), strict=True):
        sizes = {"gamma_0": place["gamma_0"], "output_precision": place["precision"], "alignment": place["alignment"]}
        gap = predict(place["width"], place["depth"], **sizes).gap
        angle = math.degrees(math.atan(gap.tan))
        computed = [found["s"], found["ratio"], found["tan"], found["angle"]]
        np.testing.assert_allclose(computed, [1 + gap.rescaling, 1 / (1 + gap.rescaling), gap.tan, angle], rtol=1e-12)
        sweeps = math.inf if found["sweeps"] is None else found["sweeps"]  # as JSON writes it
        assert (sweeps, found["rounds"]) == (sweeps_to(gap), rounds_to(gap))


def test_points_are_means_of_what_was_recorded(records):
    found = list(points(records))
    overview = records("overview").sel(width=64, depth=4)
    angles = [math.degrees(math.acos(1 - value)) for value in overview.one_minus_cosine.values]
    assert Point(64, 4, ratio=sum(overview.energy_ratio.values) / 5, angle=pytest.approx(sum(angles) / 5)) in found
    cosine = records("multipliers")["linear"].cosine.sel(shape="narrow", outputs=1, penalty=1)
    counts = [next(k for k, value in enumerate(seed, 1) if value >= 0.99) for seed in cosine.values]
    assert Point(8, 32, rounds=sum(counts) / len(counts)) in found
    varied = {(one.gamma_0, one.precision) for one in found if one.angle is not None}
    assert (0.0625, 1.0) in varied and (1.0, 64.0) in varied


def test_every_point_place_and_setting_of_the_paper_is_a_value_of_the_sliders(given):
    values = {name: np.array(values) for name, values in given["values"].items()}
    wanted = [*given["points"], *given["places"].values(), *map(dict, _each(given["paper"]))]
    for one in wanted:
        for name in SLIDERS.keys() & one.keys():
            assert np.min(abs(values[name] / one[name] - 1)) < 1e-5, (name, one)


def _each(settings: dict):
    return ([(name, value)] for name, values in settings.items() for value in values)


def test_a_record_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(BookError, match="'overview', of which no run is kept: `pcn record overview`"):
        next(points(kept(tmp_path)))


def test_the_table_has_theory_and_record(records):
    header, _, *rows = explorer.side_by_side(records)
    cells = next(row.split(" | ") for row in rows if row.startswith("| 512 | 8 | 1 | 64 |"))
    assert header.count("|") == rows[0].count("|") and cells[4] == "2.281"
    # At lambda = N / L, s - 1 = (1 + 1/L)^(L-1) - 1 at every width.
    assert float(cells[5].split()[0]) == pytest.approx((1 + 1 / 8) ** -7, abs=5e-4) and cells[7] == "never"
    foretold, measured = (float(part.strip("(°) ")) for part in cells[6].split())
    assert abs(measured - foretold) < 1


@pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")
def test_a_place_moves_the_sliders_the_numbers_and_the_panels(tmp_path: Path, given):
    page = tmp_path / "page.html"
    shutil.copy(SCRIPT, tmp_path)
    click = '<script>document.querySelectorAll("[data-place]")[1].click()</script>'
    body = controls(given).replace("../_static/", "")
    page.write_text(f"<!doctype html><meta charset=utf-8>{body}{click}", encoding="utf-8")
    command = [browser(), *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    shown = BeautifulSoup(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "html.parser")
    assert "hidden" not in shown.select_one(".pcn-explorer").attrs
    assert [slider["aria-valuetext"] for slider in shown.select("input")][:2] == ["8", "32"]
    gap = predict(8, 32, alignment=given["toy"]).gap
    numbers = [number.text for number in shown.select("dd")]
    assert float(numbers[0]) == pytest.approx(float(1 + gap.rescaling), rel=1e-3)
    assert numbers[3:] == ["never", str(rounds_to(gap))]
    assert "outside the theory" in shown.select_one("[role=status]").text
    panels = shown.select("svg[role=img]")
    assert len(panels) == 4 and "theory never at N = 8" in panels[2]["aria-label"]
    assert [dot.title.text for dot in panels[3].select("circle.here")] == ["N = 8, L = 32: measured 15.6"]
