"""Pictures of the distance between predictive coding's and backpropagation's gradients."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pcn_lib.experiments.pc_computes_bp_gradients import Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.gap import joint_limit, predict

#: One for each depth; the colours of the style and these are as many.
MARKERS = ("o", "s", "^", "v", "D", "P", "X")
#: Fields of a Gap, as they are written on an axis.
LABELS = {
    "energy": r"$1 - F^*/\mathcal{L}$",
    "gradient": r"$\|\nabla F^* - \nabla\mathcal{L}\| \,/\, \|\nabla\mathcal{L}\|$",
    "direction": r"$1 - \cos(\nabla F^*, \nabla\mathcal{L})$",
}


@styled()
def rates(record: Record) -> Picture:
    """The three gaps against width, one line for each depth, with the predictions."""
    settings, widths = record.settings, np.array(record.settings.widths)
    figure, panels = axes_grid(1, 3, size=(9.0, 3.7))
    for axes, (field, label) in zip(panels, LABELS.items(), strict=True):
        for i, depth in enumerate(settings.depths):
            values = getattr(record.gap, field)[i].T
            plot_seeds(axes, widths, values, colour=f"C{i}", marker=MARKERS[i], label=f"$L = {depth}$")
            theory = [predict(width, depth, alignment=record.alignment).gap for width in settings.widths]
            plot_theory(axes, widths, np.array([getattr(gap, field) for gap in theory]))
        axes.set(xlabel="width $N$", title=label, xscale="log", yscale="log")
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
    plot_theory(panels[0], [], [], label="predicted")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return Picture(
        figure,
        _caption(
            "How far predictive coding is from backpropagation, mean and range over seeds; dashed, predicted with "
            "nothing fitted",
            record,
        ),
        alt="Three log-log panels against width: one minus F*/Loss and the relative gradient error fall with slope "
        "minus 1, one minus the cosine with slope minus 2, for each depth; deeper networks lie higher. Measurements "
        "lie on the dashed predictions, and leave them where the depth reaches the width.",
        records=(record,),
    )


@styled()
def collapse(record: Record) -> Picture:
    """The three gaps against L/N: all sizes approach one curve, the joint limit, as L grows."""
    settings = record.settings
    figure, panels = axes_grid(1, 3, size=(9.0, 4.0))
    ratios = np.array(settings.depths)[:, None] / np.array(settings.widths)
    line = np.geomspace(ratios.min(), ratios.max())
    limit = joint_limit(line, alignment=record.alignment)
    colours = width_colours(settings.widths)
    for axes, (field, label) in zip(panels, LABELS.items(), strict=True):
        for i, j in np.ndindex(ratios.shape):
            values = getattr(record.gap, field)[i, j]
            axes.plot(np.full(len(values), ratios[i, j]), values, MARKERS[i], color=colours[j], alpha=0.75)
        for depth in settings.depths:
            theory = [predict(width, depth, alignment=record.alignment).gap for width in settings.widths]
            curve = np.array([getattr(gap, field) for gap in theory])
            axes.plot(depth / np.array(settings.widths), curve, color="#888888", linestyle=":", linewidth=1.2)
        plot_theory(axes, line, getattr(limit, field))
        axes.set(xlabel="$L/N$", title=label, xscale="log", yscale="log")
    _legend_of_sizes(figure, record)
    return Picture(
        figure,
        _caption("The same networks against L/N, one point for each seed, and what is predicted", record),
        alt="Three log-log panels against L over N. Points of all widths approach one dashed curve from below as the "
        "depth grows; the curve has slope 1, 1 and 2 for small L over N and flattens at L over N near 1.",
        records=(record,),
    )


@styled()
def layers(record: Record) -> Picture:
    """1 - cos of every layer's gradient at the largest width, with the prediction."""
    settings, width = record.settings, record.settings.widths[-1]
    figure, axes = axes_grid()
    for i, depth in enumerate(settings.depths):
        # The first layer's 1 - cos is zero, which a logarithm cannot show.
        place = np.arange(2, depth + 1) / depth
        scale = (width / depth) ** 2
        measured = scale * record.layers[i][-1][:, 1:]
        plot_seeds(axes, place, measured, colour=f"C{i}", marker=MARKERS[i], label=f"$L = {depth}$")
        plot_theory(axes, place, scale * predict(width, depth, alignment=record.alignment).layers[1:])
    plot_theory(axes, [], [], label="predicted")
    axes.set(xlabel="place of the layer, $l / L$", ylabel=r"$(1 - \cos_l)\,(N/L)^2$", yscale="log")
    axes.legend()
    return Picture(
        figure,
        _caption(f"Layer by layer at N = {width}: mean and range over seeds; layer 1 has 1 - cos = 0", record),
        alt="One minus the cosine of each layer's gradient, times N over L squared, against the layer's place: it "
        "rises from the input to the output by more than a factor of ten, on the dashed prediction.",
        records=(record,),
    )


def _legend_of_sizes(figure: Figure, record: Record) -> None:
    """Colour is width, shape is depth."""
    settings = record.settings
    blank = dict(linestyle="none", marker="o")
    widths = zip(settings.widths, width_colours(settings.widths), strict=True)
    handles = [Line2D([], [], color=colour, label=f"$N = {width}$", **blank) for width, colour in widths]
    for depth, marker in zip(settings.depths, MARKERS, strict=False):
        handles.append(Line2D([], [], color="#888888", label=f"$L = {depth}$", **blank | {"marker": marker}))
    handles.append(Line2D([], [], color="#888888", linestyle=":", label="predicted, $L$ fixed"))
    handles.append(Line2D([], [], color="#222222", linestyle="--", label="joint limit"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _caption(sentence: str, record: Record) -> str:
    sizes = f"linear residual networks, muPC, at initialisation, {record.settings.seeds} seeds"
    made = record.provenance
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
