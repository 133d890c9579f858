"""The one style: how every figure looks, and the three marks that mean the same in all of them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

STYLE = Path(__file__).with_name("pcn.mplstyle")
#: Inches of one panel.
PANEL = (6.0, 3.8)
#: Range of the colour map that is dark enough to read on white.
DARKEST, LIGHTEST = 0.05, 0.78


def styled():
    """The house style, as ``with styled():`` or as the decorator ``@styled()``."""
    return style.context(STYLE)


def axes_grid(rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **sharing) -> tuple:
    """A figure in the house style with a grid of axes.

    The figure belongs to no window or notebook, so it is shown once, by its picture.

    Args:
        rows, columns: of panels.
        size: inches (width, height); by default one panel of 6 x 3.8, narrower panels where several stand side by side.
        sharing: whatever else ``Figure.subplots`` takes: ``sharex``, ``sharey``, ``subplot_kw``.

    Returns:
        The figure and its axes: one ``Axes``, or an array of them.
    """
    default = (PANEL[0] * (1 + 0.65 * (columns - 1)), PANEL[1] * (1 + 0.85 * (rows - 1)))
    with styled():
        figure = Figure(figsize=size or default)
        return figure, figure.subplots(rows, columns, **sharing)


def width_colours(widths: Sequence[int]) -> tuple[str, ...]:
    """One colour for each width N, in their order: dark to light as log N grows.

    Raises:
        ValueError: no widths, or one that is not positive.
    """
    if not len(widths) or min(widths) <= 0:
        raise ValueError(f"widths {list(widths)} given; colours need positive widths: give those of the record")
    logs = np.log(np.asarray(widths, dtype=float))
    spread = np.ptp(logs)
    places = (logs - logs.min()) / spread if spread else np.zeros_like(logs)
    scale = matplotlib.colormaps["viridis"]
    return tuple(to_hex(scale(DARKEST + (LIGHTEST - DARKEST) * place)) for place in places)


def plot_seeds(
    axes: Axes, x: ArrayLike, values: ArrayLike, *, colour: str, label: str | None = None, marker: str = ""
) -> None:
    """The mean over seeds as a line, and their range as a shade.

    Args:
        x: where; [n].
        values: what was measured; [seeds, n].
    """
    values = np.asarray(values, dtype=float)
    axes.plot(x, values.mean(axis=0), color=colour, label=label, marker=marker)
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)


def plot_theory(axes: Axes, x: ArrayLike, y: ArrayLike, *, colour: str = "#222222", label: str | None = None) -> None:
    """A prediction, dashed; [n] against [n]."""
    axes.plot(x, y, color=colour, label=label, linestyle="--", linewidth=1.4, zorder=3)
