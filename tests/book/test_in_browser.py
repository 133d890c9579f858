"""Figures as a reader meets them: pointing at a number names it, in a browser and from a file."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from pcn_lib.book.doctor import browser
from pcn_lib.book.weight import drawings_apart
from pcn_lib.study import Picture, axes_grid, plot_theory, styled

STATIC = Path(__file__).parents[2] / "_static"
HEADLESS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000", "--dump-dom",
)  # fmt: skip
POINT = """
addEventListener("load", () => {
  const image = document.querySelector("img"), box = image.getBoundingClientRect();
  const [left, top, width, height] = JSON.parse(image.dataset.places)[0].box;
  const x = box.left + (left + %f * width) * box.width, y = box.top + (top + (1 - %f) * height) * box.height;
  image.dispatchEvent(new PointerEvent("pointermove", {clientX: x, clientY: y}));
});
"""
PRESS = """
addEventListener("load", () => {
  const stage = document.querySelector("figure > div");
  for (const key of %r) stage.dispatchEvent(new KeyboardEvent("keydown", { key }));
});
"""
pytestmark = pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")


@styled()
def picture() -> Picture:
    figure, axes = axes_grid()
    axes.plot([1, 10, 100], [0, 0.00004, 0.5], label="$N = 8$, measured")
    plot_theory(axes, [1, 100], [1, 1], label="theory")
    axes.set(xscale="log", xlim=(1, 100), ylim=(0, 1))
    return Picture(figure, "Caption.", "Description.")


@pytest.mark.parametrize(
    "place, said",
    [((0.51, 0.01), "N = 8, measured: (10, 4.000e−5)"), ((0.99, 0.99), "theory (theory): (100, 1)"), ((0.2, 0.5), "")],
    ids=["a number", "theory", "nothing near"],
)
@pytest.mark.parametrize("apart", [False, True], ids=["inside", "beside"])
def test_the_number_pointed_at_is_named(tmp_path: Path, place, said, apart):
    tip, dot = after(tmp_path, POINT % place, apart)
    assert (tip.text if "hidden" not in tip.attrs else "") == said
    assert ("hidden" in dot.attrs) == (said == "")
    if said:
        lefts = [float(part.split("px")[0]) for part in dot["style"].split("left:")[1:]]
        assert np.isfinite(lefts).all()


@pytest.mark.parametrize(
    "keys, said",
    [
        (["ArrowRight"], "N = 8, measured: (1, 0)"),
        (["ArrowRight", "ArrowRight", "ArrowLeft"], "N = 8, measured: (1, 0)"),
        (["ArrowRight", "ArrowRight", "ArrowDown"], "theory (theory): (1, 1)"),
        (["ArrowRight"] * 9, "theory (theory): (100, 1)"),
        (["ArrowRight", "Escape"], ""),
        (["Tab"], ""),
    ],
    ids=["first", "back", "next line", "the end", "away", "another key"],
)
def test_arrow_keys_lead_from_number_to_number(tmp_path: Path, keys, said):
    tip, _ = after(tmp_path, PRESS % keys)
    assert (tip.text if "hidden" not in tip.attrs else "") == said
    assert tip.parent["tabindex"] == "0" and "arrow keys" in tip.parent["aria-label"]


def test_punctuation_stays_with_the_formula_before_it(tmp_path: Path):
    x, y, z = (f'<span class="math">{letter}</span>' for letter in "xyz")
    page = seen(tmp_path, f"<p>of {x}, or {y} and {z}.5</p>")
    assert [bound.text for bound in page.select(".pcn-bound")] == ["x,"]
    assert page.p.text == "of x, or y and z.5"


def after(folder: Path, script: str, apart: bool = False) -> tuple:
    """The tip and the dot of a page with one figure, after a script has run on it."""
    figure = {"body": picture()._repr_html_(), "pathto": lambda name, resource: name}
    if apart:
        drawings_apart(SimpleNamespace(builder=SimpleNamespace(name="html"), outdir=folder), "", "", figure, None)
    page = seen(folder, figure["body"], script)
    return page.select_one(".pcn-tip"), page.select_one(".pcn-dot")


def seen(folder: Path, body: str, script: str = "") -> BeautifulSoup:
    """A page as it stands when the book's script, and then another, have run on it."""
    page, (style, ours) = folder / "page.html", ((STATIC / f"pcn.{kind}").read_text() for kind in ("css", "js"))
    whole = f"<style>{style}</style>{body}<script>{ours}</script><script>{script}</script>"
    page.write_text(f"<!doctype html><meta charset=utf-8>{whole}", encoding="utf-8")
    command = [browser(), *HEADLESS, f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    return BeautifulSoup(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "html.parser")
