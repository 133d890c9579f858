"""The landing page's picture: where predictive coding computes backpropagation's gradient."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.overview import Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.tables import with_minus_signs


@styled()
def likeness(record: Record) -> Picture:
    """cos(grad F*, grad Loss) over width and depth, and 1 - cos against L/N."""
    settings, made = record.settings, record.provenance
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    _heat_map(left, record)
    _rate(right, record)
    sentence = (
        "Left, the cosine between the weight gradients of predictive coding, at its exact equilibrium, and of "
        "backpropagation; on the dotted line N = L. Right, the same networks: one minus the cosine against L/N, "
        "mean and range over seeds, dashed the predicted rate (L/N)²"
    )
    sizes = (
        f"linear residual networks, muPC, at initialisation, widths {settings.widths[0]} to {settings.widths[-1]}, "
        f"depths {settings.depths[0]} to {settings.depths[-1]}, seeds: {settings.seeds}"
    )
    mean = 1 - record.one_minus_cosine.mean(axis=0)
    alt = (
        "Two panels. Left: a heat map of the cosine over width (across) and depth (up); it is "
        f"{mean[0, -1]:.3f} for the widest and shallowest network, {mean[-1, 0]:.2f} for the narrowest and deepest. "
        "Right: on logarithmic axes, one minus the cosine against L over N, one line for each depth; "
        "the lines rise with slope 2 and bend where L reaches N."
    )
    text = caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
    return Picture(figure, text, alt, records=(record,))


def _heat_map(axes: Axes, record: Record) -> None:
    widths, depths = record.settings.widths, record.settings.depths
    cosines = 1 - record.one_minus_cosine.mean(axis=0)
    image = axes.pcolormesh(_edges(widths), _edges(depths), cosines, vmin=min(0.0, cosines.min()), vmax=1)
    for depth, row in zip(depths, cosines, strict=True):
        for width, cosine in zip(widths, row, strict=True):
            text, colour = with_minus_signs(f"{cosine:.3f}"), "white" if cosine < 0.6 else "black"
            axes.text(width, depth, text, color=colour, ha="center", va="center", zorder=2)
    axes.set(xscale="log", yscale="log", xlabel="width $N$", ylabel="depth $L$ (weight layers)")
    axes.set_title("Cosine between PC's and BP's gradient")
    axes.set_xticks(widths, widths)
    axes.set_yticks(depths, depths)
    axes.minorticks_off()
    axes.grid(False)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.plot([1, 1e6], [1, 1e6], color="white", linewidth=1.2, linestyle=":", zorder=1.5)
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.figure.colorbar(image, ax=axes, pad=0.02)


def _rate(axes: Axes, record: Record) -> None:
    widths, depths = np.array(record.settings.widths), record.settings.depths
    for i, (depth, colour) in enumerate(zip(depths, width_colours(depths), strict=True)):
        gaps = record.one_minus_cosine[:, i]
        plot_seeds(axes, depth / widths, gaps, colour=colour, label=f"$L = {depth}$", marker="o")
    # Through the network nearest to the limit: theory gives the exponent, not the constant.
    ratios = np.array([depths[0] / widths[-1], 0.5])
    nearest = record.one_minus_cosine[:, 0, -1].mean()
    plot_theory(axes, ratios, nearest * (ratios / ratios[0]) ** 2, label="$(L/N)^2$")
    axes.set(xscale="log", yscale="log", xlabel="$L / N$ (depth over width)", ylabel="$1 - \\cos$")
    axes.set_title("and how fast it approaches 1")
    axes.legend()


def _edges(sizes: Sequence[int]) -> np.ndarray:
    """Cell boundaries half-way between neighbouring sizes, on a logarithmic axis."""
    logs = np.log(np.asarray(sizes, dtype=float))
    half = np.diff(logs) / 2
    return np.exp(np.concatenate([[logs[0] - half[0]], logs[:-1] + half, [logs[-1] + half[-1]]]))
