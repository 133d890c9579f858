"""Pictures of the equilibrated energy's rescaling."""

import numpy as np

from pcn_lib.experiments.equilibrated_energy import ROWS, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled
from pcn_lib.statistics import mean

#: One marker for each row of the table, so that rows that coincide are both seen.
MARKERS = ("o", "s", "^", "v", "x")


@styled()
def rescaling(record: Record) -> Picture:
    """S - I against depth and against width for every row of the table, and its ratio to the expected value."""
    settings = record.settings
    figure, axes = axes_grid(2, 2, size=(8.8, 6.6), sharex="col", sharey="row")
    by_depth = [j for j, (width, _) in enumerate(settings.sizes) if width == settings.width]
    by_width = [j for j, (_, depth) in enumerate(settings.sizes) if depth == settings.depth]
    _column(axes[:, 0], record, sorted(by_depth, key=lambda j: settings.sizes[j][1]), which=1)
    _column(axes[:, 1], record, sorted(by_width, key=lambda j: settings.sizes[j][0]), which=0)
    axes[0, 0].set(ylabel="mean diagonal of $S - I$", yscale="log", title=f"width $N = {settings.width}$")
    axes[0, 1].set(title=f"depth $L = {settings.depth}$")
    axes[1, 0].set(xlabel="depth $L$", ylabel="measured / expected")
    axes[1, 1].set(xlabel="width $N$")
    handles = axes[0, 1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=6, handletextpad=0.2, columnspacing=1.2)
    return Picture(
        figure,
        caption(
            "The rescaling at initialisation: means over seeds (bars: standard errors), expected values dashed. "
            "SP and NTP coincide",
            data="none, the weights alone decide",
            sizes=f"K = {settings.outputs} outputs, {settings.seeds} seeds",
            device=record.provenance.device,
        ),
        alt="Diagonal of S minus I, on a logarithmic scale, against depth and against width. muPC, with skips and "
        "without, stays small, grows about linearly with depth and falls as one over the width. SP and NTP grow with "
        "depth and do not change with width; SP with skips doubles with every layer. Below, the ratios to the expected "
        "values scatter about 1 within their error bars.",
        records=(record,),
    )


def _column(panels: np.ndarray, record: Record, columns: list[int], which: int) -> None:
    """Means above, their ratio to the prediction below; ``which`` of (N, L) is on the horizontal axis."""
    above, below = panels
    sizes = np.array([record.settings.sizes[j][which] for j in columns])
    for i, (row, marker) in enumerate(zip(ROWS, MARKERS, strict=True)):
        predicted = record.predicted[i, columns]
        relative = np.trace(record.rescalings[i, columns], axis1=-2, axis2=-1) / record.settings.outputs
        relative = [mean(samples / m) for samples, m in zip(relative, predicted, strict=True)]
        ratio, error = np.array([(r.value, r.standard_error) for r in relative]).T
        style = dict(marker=marker, linestyle="none", markersize=6)
        above.plot(sizes, predicted * ratio, label=row.name, **style)
        plot_theory(above, sizes, predicted, label="expected" if i == len(ROWS) - 1 else None)
        # Side by side, so that the error bars of different rows can be read.
        below.errorbar(sizes * 1.06 ** (i - 2), ratio, yerr=error, **style)
    plot_theory(below, sizes, np.ones(len(sizes)))
    below.set_xscale("log", base=2)
    below.set_xticks(sizes, sizes)
    below.minorticks_off()
