"""The numbers that a figure shows, read back from its axes: as a table to download, and as places to point at.

Whatever is drawn is found by what it is, not by who drew it, so a figure gets its data file without its study
writing one: lines and marks, bands between two curves, bars and heat maps.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pcn_lib.tables import greek

HEADINGS = ("panel", "series", "kind", "x", "y", "value")
#: What the columns mean, for whoever has the file alone.
COLUMNS = (
    "x and y are read on the panel's axes, value is a cell's; kind is line, theory (dashed), points, bar, cell, "
    "reference (across the panel), or least and greatest (the edges of a shade or an error bar)"
)
#: TeX commands that are a sign, those that are read as they are written, and what only groups.
SYMBOLS = {
    "partial": "∂", "nabla": "∇", "ell": "ℓ", "infty": "∞", "times": "×", "cdot": "·", "propto": "∝", "approx": "≈",
    "leq": "≤", "geq": "≥", "ll": "≪", "gg": "≫", "to": "→", "rightarrow": "→", "pm": "±", "top": "ᵀ", "sqrt": "√",
    "Vert": "‖", "lVert": "‖", "rVert": "‖", "|": "‖", "Delta": "Δ", "sum": "Σ",
    "langle": "⟨", "rangle": "⟩",
}  # fmt: skip
WORDS = ("cos", "log", "exp", "max", "min", "det", "tr")
BRACES = {ord("{"): None, ord("}"): None}
#: Scales on which a place in the picture can be found from a number.
MAPPED = ("linear", "log")


@dataclass(frozen=True)
class Point:
    """One number of a figure: where it is drawn, and, in a heat map, what is drawn there."""

    panel: int
    series: str
    kind: str
    x: float
    y: float
    value: float | None = None

    def cells(self) -> tuple[str, ...]:
        """The point as a row of text."""
        numbers = ("" if number is None else f"{number:.7g}" for number in (self.x, self.y, self.value))
        return (str(self.panel), self.series, self.kind, *numbers)


def points(figure: Figure) -> tuple[Point, ...]:
    """Every finite number that is drawn in a figure, panel by panel."""
    every = enumerate(panels(figure), start=1)
    found = (_called(point, axes) for panel, axes in every for point in _drawn(axes, panel))
    return tuple(point for point in found if np.isfinite([point.x, point.y]).all())


def _called(point: Point, axes: Axes) -> Point:
    """The point under the name of its series; of one without a label, under that of what the panel shows."""
    texts = {kind: text for kind, text in _words(axes) if text}
    order = ("title", "y") if point.kind == "cell" else ("y", "title")
    return replace(point, series=point.series or next((texts[kind] for kind in order if kind in texts), ""))


def panels(figure: Figure) -> list[Axes]:
    """The axes that show something, colour bars left out."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def table(figure: Figure, about: Sequence[str] = ()) -> str:
    """The figure's numbers as CSV, after lines that say what they are about, what each panel shows and how to read it.

    Args:
        figure: drawn.
        about: what the figure does not say itself, such as its caption and the origin of its records.
    """
    buffer = io.StringIO()
    buffer.writelines(f"# {' '.join(line.split())}\n" for line in about)
    for panel, axes in enumerate(panels(figure), start=1):
        words = (f"{kind}: {text}" for kind, text in _words(axes) if text)
        buffer.write(f"# panel {panel}: {'; '.join(words)}\n")
    buffer.write(f"# columns: {COLUMNS}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(point.cells() for point in points(figure))
    return buffer.getvalue()


def places(figure: Figure) -> str:
    """Where each panel lies in the picture and what its axes span, as JSON; for pointing at numbers.

    A list with one entry for each panel, None where an axis is neither linear nor logarithmic:
    ``{"box": [left, top, width, height] as fractions, "x": [from, to, "linear" or "log"], "y": ...}``.
    The figure must have been drawn, since drawing settles its layout.
    """
    return json.dumps([_place(axes) for axes in panels(figure)], separators=(",", ":"))


def plain(text: str) -> str:
    """A label without TeX, for a table or a tooltip: ``$\\gamma_0 = 1$`` becomes ``γ_0 = 1``."""
    return " ".join(re.sub(r"\\([A-Za-z]+|.)", _symbol, text.replace("$", "")).translate(BRACES).split())


def _symbol(command: re.Match) -> str:
    name = command[1]
    try:
        return SYMBOLS.get(name) or greek(name)
    except KeyError:
        return name if name in WORDS else ""


def _place(axes: Axes) -> dict | None:
    scales = axes.get_xscale(), axes.get_yscale()
    if axes.name == "3d" or not set(scales) <= set(MAPPED):
        return None
    box = axes.get_position()
    limits = (axes.get_xlim(), axes.get_ylim())
    spans = [[*(float(f"{end:.7g}") for end in ends), scale] for ends, scale in zip(limits, scales, strict=True)]
    corner = (box.x0, 1 - box.y1, box.width, box.height)
    return {"box": [round(float(number), 4) for number in corner], "x": spans[0], "y": spans[1]}


def _words(axes: Axes) -> tuple[tuple[str, str], ...]:
    texts = (("title", axes.get_title()), ("x", axes.get_xlabel()), ("y", axes.get_ylabel()))
    return tuple((kind, plain(text)) for kind, text in texts)


def _drawn(axes: Axes, panel: int) -> Iterator[Point]:
    names = _names(axes)
    if axes.name == "3d":
        # A surface is drawn between its marks, which have the numbers.
        for line in axes.lines:
            for x, y, value in zip(*line.get_data_3d(), strict=True):
                yield Point(panel, names[line], "point", float(x), float(y), float(value))
        return
    bars = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
    caps = {cap for _, ends, _ in bars for cap in ends}
    for line in (line for line in axes.lines if line not in caps):
        # Lines across the whole panel (axhline, axvline) live in its own coordinates along one axis.
        if line.get_transform() == axes.transData:
            kind = "theory" if line.get_linestyle() == "--" else "line"
            yield from _pairs(panel, names[line], kind, line.get_xdata(), line.get_ydata())
        else:
            yield from _across(line, axes, panel, names[line])
    for artist in (*axes.collections, *axes.images):
        yield from _collected(artist, panel, names[artist])
    for container in bars:
        yield from _errors(container, panel, _label(container))
    for bars in (container for container in axes.containers if isinstance(container, BarContainer)):
        for bar in bars:
            yield from _bar(bar, panel, _label(bars), bars.orientation == "horizontal")


def _names(axes: Axes) -> dict:
    """What each artist is called: its label, or that of the first of its colour that has one."""
    artists = [*axes.lines, *axes.collections, *axes.images]
    bars = {bars.lines[0]: _label(bars) for bars in axes.containers if isinstance(bars, ErrorbarContainer)}
    by_colour = {_colour(artist): _label(artist) for artist in reversed(artists) if _label(artist)}
    return {artist: _label(artist) or bars.get(artist) or by_colour.get(_colour(artist), "") for artist in artists}


def _label(artist) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else plain(label)


def _colour(artist) -> tuple | None:
    if isinstance(artist, Line2D):
        return to_rgb(artist.get_color())
    colours = artist.get_facecolor() if isinstance(artist, PolyCollection | PathCollection) else ()
    return tuple(map(float, colours[0][:3])) if len(colours) else None


def _pairs(panel: int, series: str, kind: str, xs, ys) -> Iterator[Point]:
    for x, y in np.broadcast(np.ravel(xs).astype(float), np.ravel(ys).astype(float)):
        yield Point(panel, series, kind, float(x), float(y))


def _across(line: Line2D, axes: Axes, panel: int, series: str) -> Iterator[Point]:
    """A line over the whole panel, as its two ends."""
    vertical = len(set(np.ravel(line.get_xdata()))) == 1
    xs = [line.get_xdata()[0]] * 2 if vertical else axes.get_xlim()
    ys = axes.get_ylim() if vertical else [line.get_ydata()[0]] * 2
    yield from _pairs(panel, series, "reference", xs, ys)


def _collected(artist, panel: int, series: str) -> Iterator[Point]:
    if isinstance(artist, PathCollection):
        offsets = np.ma.getdata(artist.get_offsets())
        yield from _pairs(panel, series, "points", offsets[:, 0], offsets[:, 1])
    elif isinstance(artist, QuadMesh):
        # The middle as it is seen: of the logarithms, on a logarithmic axis.
        scale = artist.axes.transScale
        corners = artist.get_coordinates()
        corners = scale.transform(corners.reshape(-1, 2)).reshape(corners.shape)
        centres = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
        values = np.ma.getdata(artist.get_array()).ravel()
        places = scale.inverted().transform(centres.reshape(-1, 2))
        if sizes := getattr(artist, "pcn_sizes", None):
            # A cell that stands for two sizes is known by these.
            places = np.stack(np.meshgrid(*sizes), axis=-1).reshape(-1, 2)
        for (x, y), value in zip(places, values, strict=True):
            yield Point(panel, series, "cell", float(x), float(y), float(value))
    elif isinstance(artist, AxesImage):
        yield from _image(artist, panel, series)
    elif isinstance(artist, PolyCollection):
        for path in artist.get_paths():
            yield from _band(path.vertices, panel, series)


def _errors(container: ErrorbarContainer, panel: int, series: str) -> Iterator[Point]:
    """The two ends of each error bar."""
    for ends in (np.asarray(segment) for bars in container[2] for segment in bars.get_segments() if len(segment)):
        for kind, (x, y) in zip(("least", "greatest"), (ends.min(axis=0), ends.max(axis=0)), strict=True):
            yield Point(panel, series, kind, float(x), float(y))


def _image(image: AxesImage, panel: int, series: str) -> Iterator[Point]:
    values = np.ma.getdata(image.get_array())
    if values.ndim != 2:
        return
    left, right, bottom, top = image.get_extent()
    first, last = (top, bottom) if image.origin == "upper" else (bottom, top)
    rows, columns = values.shape
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            x, y = left + (right - left) * (j + 0.5) / columns, first + (last - first) * (i + 0.5) / rows
            yield Point(panel, series, "cell", float(x), float(y), float(value))


def _band(vertices: np.ndarray, panel: int, series: str) -> Iterator[Point]:
    """The two edges of what fill_between drew: out along one, back along the other, and closed."""
    count = (len(vertices) - 3) // 2
    if count < 1 or len(vertices) != 2 * count + 3:
        return
    edges = vertices[1 : count + 1], vertices[count + 2 : 2 * count + 2][::-1]
    lower, upper = edges if edges[0][:, 1].sum() <= edges[1][:, 1].sum() else edges[::-1]
    for kind, edge in (("least", lower), ("greatest", upper)):
        yield from _pairs(panel, series, kind, edge[:, 0], edge[:, 1])


def _bar(bar: Rectangle, panel: int, series: str, lying: bool) -> Iterator[Point]:
    """The end of a bar, at the middle of its foot."""
    (x0, y0), (x1, y1) = bar.get_bbox().get_points()
    yield Point(panel, series, "bar", *((x1, (y0 + y1) / 2) if lying else ((x0 + x1) / 2, y1)))
