"""Pictures of depth."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.depth import METHODS, Record, predict, predicted_scatter
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours

#: Beyond this the vertical axes stop: alpha < 1/2 leaves every scale.
CEILING = 1e4


@styled()
def exponents(record: Record) -> Picture:
    """Hidden scale, and what one step of the hidden layers moves, against depth for every alpha; PC beside BP."""
    figure, axes = axes_grid(1, 3, size=(12.0, 4.2))
    depths = record.settings.depths
    unit = _unit(record)
    for i, alpha in enumerate(record.settings.alphas):
        look = dict(colour=f"C{i % 7}", marker="o", label=rf"$\alpha = {alpha:g}$")
        theory = [predict(alpha, depth, record.settings.width) for depth in depths]
        plot_seeds(axes[0], depths, record.everything.scale[i].T / record.input_scale, **look)
        plot_theory(axes[0], depths, [p.scale for p in theory])
        for panel, method, values in zip(axes[1:], METHODS, record.hidden.output[:, i], strict=True):
            plot_seeds(panel, depths, np.minimum(values.T / unit, 10 * CEILING), **look)
            brake = [1 + p.rescaling if method == "PC" else 1 for p in theory]
            plot_theory(panel, depths, [p.hidden / s for p, s in zip(theory, brake, strict=True)])
            panel.set(title=f"{method}: update of $f$ by the hidden layers")
    axes[0].set(title="size of the last hidden layer", ylabel=r"relative to its value for $W_l = 0$")
    for panel, floor in zip(axes, (0.5, 0.02, 0.02), strict=True):
        _depth_axis(panel, depths)
        panel.set(yscale="log", ylim=(floor, CEILING))
    axes[1].set(ylabel="per unit rate and residual")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return Picture(
        figure,
        _caption(
            "Against depth: mean and range over seeds, theory dashed; alpha = 1/2 alone neither explodes nor dies out",
            record,
        ),
        alt="Three logarithmic plots against depth. The last hidden layer's size explodes for alpha below one half "
        "and stays of order one from there. The hidden layers' update of the output grows for alpha below one half, "
        "levels off at one half and falls above, for predictive coding and for backpropagation.",
        records=(record,),
    )


def _unit(record: Record) -> float:
    """BP's update at alpha = 1/2 and the smallest depth over its formula: rate times residual, common to all curves."""
    settings = record.settings
    measured = record.hidden.output[1, settings.alphas.index(0.5), 0].mean()
    return measured / predict(0.5, settings.depths[0], settings.width).hidden


@styled()
def corrections(record: Record) -> Picture:
    """How far PC's update of f is from BP's over s, against width: under muPC and with a lazy readout."""
    settings = record.settings
    figure, axes = axes_grid(1, 2, sharey=True)
    widths = np.array(settings.correction_widths, dtype=float)
    titles = (r"$\mu$PC with skips", "lazy readout, $d = 0$")
    for panel, title, power, by_depth in zip(axes, titles, (-1.5, -1.0), record.corrections, strict=True):
        for i, (depth, values) in enumerate(zip(settings.correction_depths, by_depth, strict=True)):
            plot_seeds(panel, widths, values.T, colour=f"C{i}", marker="o", label=f"$L = {depth}$")
            through = np.exp(np.log(values[-1]).mean())
            plot_theory(panel, widths, through * (widths / widths[-1]) ** power)
        panel.set(xlabel="width $N$", xscale="log", yscale="log", title=title)
        panel.set_xticks(settings.correction_widths, settings.correction_widths)
        panel.minorticks_off()
    axes[0].set_ylabel(r"$\Vert s \, \Delta f_{PC} - \Delta f_{BP} \Vert \,/\, \Vert \Delta f_{BP} \Vert$")
    axes[0].legend()
    made = record.provenance
    return Picture(
        figure,
        caption(
            "What predictive coding's first-order update has beyond the factor 1/s: mean and range over seeds; "
            "dashed, slopes -3/2 (left) and -1 (right)",
            data=made.data_set,
            sizes=f"linear residual networks, {settings.correction_seeds} seeds",
            device=f"{made.device}, {made.dtype}",
        ),
        alt="Two logarithmic plots of the corrections to predictive coding's update against width, one line for each "
        "depth. Under muPC they fall as the width to the power -3/2, with a lazy readout only as its inverse.",
        records=(record,),
    )


@styled()
def features(record: Record) -> Picture:
    """How far each layer's features move in a step of the hidden layers, at the largest depth."""
    figure, axes = axes_grid(1, 2, sharey=True)
    depth = record.settings.depths[-1]
    place = np.arange(2, depth) / depth
    for panel, method, layers in zip(axes, METHODS, record.hidden.layers, strict=True):
        for i, alpha in enumerate(record.settings.alphas):
            if alpha >= 0.5:
                plot_seeds(panel, place, layers[i, 1:].T, colour=f"C{i % 7}", label=rf"$\alpha = {alpha:g}$")
        label = r"$\alpha = 1$, rate $\times L$"
        plot_seeds(panel, place, layers[-1, 1:].T, colour="#444444", label=label)
        panel.set(xlabel="place of the layer, $l / L$", yscale="log", title=method)
    axes[0].set_ylabel(r"$\Vert \Delta h_l \Vert / \Vert h_l \Vert$")
    axes[1].legend(loc="lower right")
    return Picture(
        figure,
        _caption(f"Movement of each layer's features in one step of the hidden layers, L = {depth}", record),
        alt="Relative movement of the features against the layer's place, logarithmic. It grows along the network and "
        "is largest for alpha one half; it falls with alpha, and multiplying the rate by L lifts alpha one back up.",
        records=(record,),
    )


@styled()
def scatter(record: Record) -> Picture:
    """Variance of log||h_l||^2 over initialisations against l/N, with and without skips."""
    settings = record.settings
    figure, axes = axes_grid(1, 2)
    layers = np.arange(1, settings.scatter_depth)
    colours = width_colours(settings.scatter_widths)
    for k, (panel, title) in enumerate(zip(axes, ("without skips", r"with skips, $\alpha = 1/2$"), strict=True)):
        variance = record.scatter[k].var(axis=1, ddof=1)
        theory = predicted_scatter(settings, skips=bool(k))
        for width, colour, measured, expected in zip(settings.scatter_widths, colours, variance, theory, strict=True):
            panel.plot(layers / width, measured, color=colour, label=f"$N = {width}$")
            plot_theory(panel, layers / width, expected)
        panel.set(xlabel="$l / N$", title=title, ylim=(0, 1.25 * record.scatter[0].var(axis=1, ddof=1).max()))
    axes[0].set_ylabel(r"variance of $\log \Vert h_l \Vert^2$")
    axes[0].legend()
    made = record.provenance
    return Picture(
        figure,
        caption(
            "How unlike one another initialisations are: without skips the variance grows as 2l/N, with skips not",
            data="one input",
            sizes=f"L = {settings.scatter_depth}, {settings.scatter_seeds} initialisations",
            device=f"{made.device}, {made.dtype}",
        ),
        alt="Variance of log of the squared norm of the activities against layer over width. Without skips it rises in "
        "proportion, the same line for both widths; with skips it stays near zero.",
        records=(record,),
    )


def _depth_axis(panel: Axes, depths: tuple[int, ...]) -> None:
    panel.set(xlabel="depth $L$", xscale="log")
    panel.set_xticks(depths, depths)
    panel.minorticks_off()


def _caption(sentence: str, record: Record) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear residual networks, N = {settings.width}, {settings.seeds} seeds"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
