"""Pictures of what parameterisations keep constant."""

import numpy as np

from pcn_lib.experiments.parameterisations import (
    KINDS,
    METHODS,
    Record,
    after,
    fitted_exponents,
    initial_scales,
    update_exponents,
)
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table

MARKERS = ("o", "s", "^", "v", "D")
#: Beyond these nothing is of interest but that it left.
MOVED = (1e-4, 1e3)


@styled()
def initial(record: Record) -> Picture:
    """Forward and backward scale against width and against depth, one line for each parameterisation."""
    settings = record.settings
    figure, panels = axes_grid(2, 2, size=(10.5, 7.6), sharex="col")
    columns = (
        (settings.widths, record.by_width, [(width, settings.depth) for width in settings.widths], "width $N$"),
        (settings.depths, record.by_depth, [(settings.width, depth) for depth in settings.depths], "depth $L$"),
    )
    for column, (ticks, found, sizes, name) in enumerate(columns):
        places = np.array(ticks)
        for i, kind in enumerate(KINDS):
            theory = [initial_scales(kind, n, inputs=settings.inputs, input_square=record.input_square) for n in sizes]
            for row, values in enumerate((found.forward, found.backward)):
                axes = panels[row, column]
                style = dict(colour=f"C{i}", marker=MARKERS[i], label=kind.name)
                plot_seeds(axes, places, np.sqrt(values[i].T), **style)
                plot_theory(axes, places, np.sqrt([both[row] for both in theory]))
        for axes in panels[:, column]:
            axes.set(xscale="log", yscale="log")
            axes.set_xticks(places, places)
            axes.xaxis.minorticks_off()
        panels[1, column].set_xlabel(name)
    panels[0, 0].set_ylabel(r"forward, $h_{L-1}$")
    panels[1, 0].set_ylabel(r"backward, $\|P_1\|$")
    plot_theory(panels[0, 0], [], [], label="expected")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Picture(
        figure,
        _caption("Scales at initialisation, mean and range over seeds; dashed, root of the expected square", record),
        alt="Four log-log panels. Forward scales are flat against width; against depth SP with skips rises steeply, "
        "the others stay within a factor of two. Backward scales are flat against width for SP and NTP and fall with "
        "slope minus one half for muPC; against depth they behave as the forward scales.",
        records=(record,),
    )


@styled()
def coordinate_check(record: Record) -> Picture:
    """What one step changes, against width: a line for each layer, a column for each parameterisation."""
    settings, widths = record.settings, np.array(record.settings.widths)
    figure, panels = axes_grid(len(METHODS), len(KINDS), size=(13.0, 6.0), sharex=True, sharey=True)
    names = [rf"$h_{layer}$" for layer in range(1, settings.depth)] + ["$f$"]
    for row, moved in zip(panels, (record.pc, record.bp), strict=True):
        for axes, kind, values in zip(row, KINDS, after(moved, 1), strict=True):
            exponents = update_exponents(kind.parameterisation, settings.depth)
            for layer, name in enumerate(names):
                sizes = values[..., layer]
                plot_seeds(axes, widths, sizes.T, colour=f"C{layer}", marker=MARKERS[layer % 5], label=name)
                middle = np.exp(np.mean(np.log(sizes))) / np.exp(np.mean(np.log(widths))) ** exponents[layer]
                plot_theory(axes, widths, middle * widths ** exponents[layer])
            axes.set(xscale="log", yscale="log")
            axes.set_xticks(widths, widths)
            axes.xaxis.minorticks_off()
    _label(figure, panels, "width $N$", "changed by one step")
    plot_theory(panels[0, 0], [], [], label="predicted slope")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=settings.depth + 1)
    return Picture(
        figure,
        _caption(
            "Coordinate check: change of f and relative change of every h in one step, mean and range over seeds",
            record,
        ),
        alt="Ten log-log panels, predictive coding above and backpropagation below, one column for each "
        "parameterisation, change against width. SP: output and later layers rise, the first layer falls. NTP: hidden "
        "layers fall, the output is flat. muPC with and without skips: all lines flat. Both rows look alike.",
        records=(record,),
    )


@styled()
def training(record: Record) -> Picture:
    """Change of the last hidden layer over training steps, coloured by width."""
    settings = record.settings
    figure, panels = axes_grid(len(METHODS), len(KINDS), size=(13.0, 5.8), sharex=True, sharey=True)
    steps = np.arange(1, settings.steps + 1)
    for row, moved in zip(panels, (record.pc, record.bp), strict=True):
        for axes, values in zip(row, moved.hidden[..., -1], strict=True):
            for width, colour, found in zip(settings.widths, width_colours(settings.widths), values, strict=True):
                plot_seeds(axes, steps, found, colour=colour, marker="o", label=f"$N = {width}$")
            axes.set(yscale="log", ylim=MOVED)
            axes.set_xticks(steps)
    _label(figure, panels, "training step", "change of the last hidden layer")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(settings.widths))
    return Picture(
        figure,
        _caption(
            "Change of the last hidden layer over training, relative to its start; lines that leave explode", record
        ),
        alt="Ten panels, predictive coding above and backpropagation below, change against training step, one colour "
        "for each width. SP: lines fan out upwards and leave the panel, the widest first. NTP: wider networks move "
        "less. muPC with and without skips: the widths lie on one line.",
        records=(record,),
    )


def exponents(record: Record) -> Table:
    """Exponents of N in what one step changes, predicted and fitted, of the outer layers and the output."""
    settings = record.settings
    places = (("first layer", 0), ("last hidden layer", -2), ("output", -1))
    fits = [fitted_exponents(settings, moved) for moved in (record.pc, record.bp)]
    rows = []
    for i, kind in enumerate(KINDS):
        predicted = update_exponents(kind.parameterisation, settings.depth)
        cells = (f"{predicted[at]:+.1f} · " + " · ".join(f"{fit[i, at]:+.2f}" for fit in fits) for _, at in places)
        rows.append((kind.name, *cells))
    headings = ("", *(name for name, _ in places))
    return Table(headings, tuple(rows), "Exponents of N: predicted · fitted for PC · fitted for BP.")


def _label(figure, panels, x: str, y: str) -> None:
    for axes, kind in zip(panels[0], KINDS, strict=True):
        axes.set_title(kind.name)
    for axes, method in zip(panels[:, 0], METHODS, strict=True):
        axes.set_ylabel(method)
    for axes in panels[-1]:
        axes.set_xlabel(x)
    figure.supylabel(y)


def _caption(sentence: str, record: Record) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear networks, L = {settings.depth} over width, N = {settings.width} over depth, {settings.seeds} seeds"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
