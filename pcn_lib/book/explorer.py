"""The explorer: theory as five sliders move it, the recorded measurements around it, the paper's settings marked.

What depends on the depth alone, two constants for each, comes from :func:`pcn_lib.gap.predict`; the rest is five lines
of ``_static/explorer.js``, which a test holds against the library.  Without a script a table shows both.
"""

import ast
import functools
import html
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book.project import BookError
from pcn_lib.book.tables import table
from pcn_lib.gap import predict, rounds_to, sweeps_to
from pcn_lib.provenance import provenance_of
from pcn_lib.study.records import FOLDER, Record, load

#: The sliders' names, symbols and words; the first four are the first fields of a point.
SLIDERS = {
    "width": ("<i>N</i>", "width"),
    "depth": ("<i>L</i>", "depth"),
    "gamma_0": ("<i>γ</i><sub>0</sub>", "output scale"),
    "precision": ("<i>λ</i>", "output precision"),
    "alignment": ("<i>q</i>", "alignment of targets and inputs"),
}
#: How near the equilibrium sweeps are to bring the errors, and multipliers the cosine to 1.
ACCURACY, COSINE = 1e-6, 0.99
LEGEND = "".join(f'<span><svg viewBox="0 0 {width} 10">{mark}</svg> {words}</span>' for width, mark, words in (
    (24, '<path class="theory" d="M0 5h24"/>', "theory at this depth"),
    (10, '<circle class="here" cx="5" cy="5" r="4.5"/>', "measured at this depth"),
    (10, '<circle class="else" cx="5" cy="5" r="2.5"/>', "at others"),
    (10, '<path d="M5 1l-4 7h8z"/>', "the paper’s widths"),
))  # fmt: skip
#: A record by its stem.
Records = Callable[[str], Record]


@dataclass(frozen=True)
class Point:
    """What a record measured of one network, means over seeds; None where it did not.

    Attributes:
        width, depth, gamma_0, precision: N, L, gamma_0 and lambda.
        ratio: F* / (lambda Loss).
        angle: between the two gradients, in degrees.
        sweeps: to ``ACCURACY``.
        rounds: of multipliers to ``COSINE``.
    """

    width: int
    depth: int
    gamma_0: float = 1.0
    precision: float = 1.0
    ratio: float | None = None
    angle: float | None = None
    sweeps: float | None = None
    rounds: float | None = None


class Explorer(SphinxDirective):
    """```{pcn-explorer}```: sliders, panels and numbers, for those with a script."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", controls(data(_records(self))), format="html")]


class SideBySide(SphinxDirective):
    """```{pcn-side-by-side}```: theory and record as a table, for all."""

    def run(self) -> list[nodes.Node]:
        shown = nodes.container()
        self.state.nested_parse(StringList(side_by_side(_records(self))), self.content_offset, shown)
        return shown.children


def kept(root: Path) -> Records:
    """The records kept with a book, each read once; one that is missing stops the build."""

    @functools.cache
    def record(stem: str) -> Record:
        if not (path := root / FOLDER / f"{stem}.nc").is_file():
            raise BookError(f"The explorer shows '{stem}', of which no run is kept: `pcn record {stem}` makes one.")
        return load(path)

    return record


def data(records: Records) -> dict:
    """All that the script is given, by name; sizes and settings in the units of a point."""
    surfaces, measured = records("width_depth_surfaces"), list(points(records))
    toy, cifar = _distinct([_toy_alignment(records), float(surfaces.alignment.sel(data_set="cifar10"))])
    paper = {name: surfaces[name].values.tolist() for name in ("width", "depth")}
    paper |= {"gamma_0": records("learning_regimes")["plain"].gamma_0.values.tolist()}
    paper |= {"precision": [1], "alignment": [cifar]}
    octaves = {
        "width": np.rint(2 ** np.arange(1, 11.5, 0.5)),
        "depth": np.rint(2 ** np.arange(1, 6.5, 0.5)),
        "gamma_0": 2 ** np.arange(-4, 2.5, 0.5),
        "precision": 2 ** np.arange(-6, 9.5, 0.5),
        "alignment": (toy, *10 ** np.arange(-3, 0.125, 0.125)),
    }
    of_points = dict(zip(SLIDERS, zip(*(astuple(one)[:4] for one in measured), strict=True), strict=False))
    values = {name: _distinct(octaves[name], of_points.get(name, ()), paper[name]) for name in SLIDERS}
    return {
        "constants": constants(values["depth"]),
        "values": values,
        "points": [{name: value for name, value in asdict(one).items() if value is not None} for one in measured],
        "paper": paper,
        "places": _places(paper, toy, cifar),
        "toy": toy,
        "accuracy": ACCURACY,
        "cosine": COSINE,
    }


def constants(depths: Iterable[int]) -> dict[int, tuple[float, float]]:
    """By depth gamma_0^2 N (s - 1) / lambda and s tan gamma_0 N sqrt(q) / lambda, which nothing else changes."""
    gaps = {depth: predict(1, depth, alignment=1.0).gap for depth in depths}
    return {depth: (float(gap.rescaling), float((1 + gap.rescaling) * gap.tan)) for depth, gap in gaps.items()}


def points(records: Records) -> Iterator[Point]:
    """Every measurement of linear residual networks in muPC at initialisation that the explorer can show."""
    one = records("overview")
    for width, depth in _sizes(one):
        at = one.sel(width=width, depth=depth)
        yield Point(width, depth, ratio=_mean(at.energy_ratio), angle=_angle(at.one_minus_cosine))
    rates = records("pc_computes_bp_gradients")
    width, depth = (sizes[len(sizes) // 2] for sizes in (_setting(rates, "widths"), _setting(rates, "depths")))
    for gamma_0 in (one := rates["by_gamma"].to_dataset()).gamma_0.values.tolist():
        at = one.sel(gamma_0=gamma_0)
        yield Point(width, depth, gamma_0, ratio=1 - _mean(at.energy), angle=_angle(at.direction))
    apart = records("beyond_backpropagation")
    one, depth = apart["start"].to_dataset(), _setting(apart, "depth")
    for width, exponent in itertools.product(one.width.values.tolist(), one.exponent.values.tolist()):
        at = one.sel(width=width, exponent=exponent)
        ratio, angle = _mean(1 / (1 + at.metric)), _angle(at.one_minus_cosine)
        yield Point(width, depth, precision=(width / depth) ** exponent, ratio=ratio, angle=angle)
    yield from _counted(records)


def _counted(records: Records) -> Iterator[Point]:
    """Sweeps (of networks with several outputs, as that chapter has) and rounds, where all seeds arrived."""
    one = records("one_sweep_is_backpropagation")["wide"].to_dataset().sel(activation="linear")
    for width, depth in _sizes(one):
        within = one.distance.sel(width=width, depth=depth) <= ACCURACY
        if within.any("sweeps").all():
            yield Point(width, depth, sweeps=_mean(within.argmax("sweeps")))
    rounds = records("multipliers")
    one = rounds["linear"].to_dataset().sel(outputs=1, penalty=1.0)
    for shape, size in _setting(rounds, "linear").items():
        within = one.cosine.sel(shape=shape) >= COSINE
        if within.any("round").all():
            yield Point(*size, rounds=_mean(within.argmax("round") + 1))


def side_by_side(records: Records) -> list[str]:
    """Theory and record as a table in Markdown: every second size of the overview, and where else was measured."""
    found = {astuple(one)[:4]: one for one in points(records) if one.angle is not None}
    widths, depths = (sorted({size[k] for size in found})[::2] for k in (0, 1))
    shown = [*itertools.product(widths, depths, [1.0], [1.0])]
    shown += [size for size in found if size[2] != 1 or size[3] == size[0] / size[1] > 1]
    symbols = ("$N$", "$L$", r"$\gamma_0$", r"$\lambda$", "$s$", r"$\mathcal{F}^*/(\lambda\mathcal{L})$")
    return table(
        (*symbols, "angle", "sweeps", "rounds"), [_row(found[size], _toy_alignment(records)) for size in shown]
    )


def _row(one: Point, alignment: float) -> tuple[str, ...]:
    sizes = dict(gamma_0=one.gamma_0, output_precision=one.precision, alignment=alignment)
    gap = predict(one.width, one.depth, **sizes).gap
    sweeps, degrees = sweeps_to(gap, ACCURACY), np.degrees(np.arctan(gap.tan))
    measured = (f"{1 - gap.energy:.3f} ({one.ratio:.3f})", f"{degrees:.1f}° ({one.angle:.1f}°)")
    counts = ("never" if np.isinf(sweeps) else str(sweeps), str(rounds_to(gap, COSINE)))
    return (*(f"{value:g}" for value in astuple(one)[:4]), f"{1 + gap.rescaling:.3f}", *measured, *counts)


def controls(given: dict) -> str:
    """The sliders and empty places for numbers and panels, hidden until the script fills them."""
    button = '<button type="button" data-place="{0}">{0}</button>'
    places = "".join(button.format(html.escape(name)) for name in given["places"])
    return (
        '<div class="pcn-explorer" hidden>'
        f'<div class="pcn-places" role="group" aria-label="Places to look at">{places}</div>'
        f'<div class="pcn-sliders">{"".join(_slider(name, given) for name in SLIDERS)}</div>'
        f'<dl></dl><p role="status"></p><p class="pcn-legend">{LEGEND}</p><div class="pcn-panels"></div>'
        f'<script type="application/json">{json.dumps(given, separators=(",", ":"))}</script></div>'
        '<script src="../_static/explorer.js"></script>'
    )


def _slider(name: str, given: dict) -> str:
    symbol, words = SLIDERS[name]
    values = given["values"][name]
    marks = "".join(f'<option value="{values.index(value)}"></option>' for value in given["paper"][name])
    return (
        f'<label><span>{words} {symbol} = <output></output></span><input type="range" name="{name}" min="0" '
        f'max="{len(values) - 1}" step="1" list="pcn-{name}"></label><datalist id="pcn-{name}">{marks}</datalist>'
    )


def _places(paper: dict, toy: float, cifar: float) -> dict[str, dict[str, float]]:
    """Named settings, the first of which is shown first; lambda = N / L keeps PC different from BP."""
    book = dict(width=512, depth=8, gamma_0=1, precision=1, alignment=toy)
    figure = book | dict(alignment=cifar)
    return {
        "Wide": book,
        "Narrow and deep": book | dict(width=8, depth=32),
        "Kept apart, λ = N/L": book | dict(precision=book["width"] / book["depth"]),
        "The paper’s widest": figure | dict(width=max(paper["width"]), depth=min(paper["depth"])),
        "The paper’s narrowest and deepest": figure | dict(width=min(paper["width"]), depth=max(paper["depth"])),
    }


def _records(directive: SphinxDirective) -> Records:
    root = Path(directive.env.srcdir)
    directive.env.note_dependency(str(root / FOLDER))
    return kept(root)


def _toy_alignment(records: Records) -> float:
    return float(records("pc_computes_bp_gradients")["gaps"].alignment)


def _distinct(*values: Iterable[float]) -> list[float]:
    """All values to six digits, once each and ascending."""
    rounded = {float(f"{value:.6g}") for value in itertools.chain(*values)}
    return sorted(int(value) if value.is_integer() else value for value in rounded)


def _sizes(one: xr.Dataset) -> Iterator[tuple[int, int]]:
    return itertools.product(one.width.values.tolist(), one.depth.values.tolist())


def _mean(values: xr.DataArray) -> float:
    return float(values.mean(skipna=False))


def _angle(one_minus_cosine: xr.DataArray) -> float:
    return _mean(np.degrees(np.arccos(1 - one_minus_cosine)))


def _setting(record: Record, name: str):
    """What a record's provenance says of one setting."""
    return ast.literal_eval(dict(provenance_of(record).settings)[name])
