"""Pictures of the tutorial's network: its limit in width, and its training."""

import numpy as np

from pcn_lib.experiments.your_own_network import Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours


@styled()
def limit(record: Record) -> Picture:
    """The energy's gap to the loss beside its prediction by the rescaling, and 1 - cos, against width."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    widths = np.array(record.settings.widths)
    gap, predicted, angle = (v[:, :, 0] for v in (record.gap, record.predicted_gap, record.one_minus_cosine))
    plot_seeds(left, widths, gap, colour="#0072B2", marker="o", label="certified equilibrium")
    left.plot(widths, predicted.mean(axis=0), "x", color="black", markersize=9, label="rescaling $S$")
    plot_seeds(right, widths, angle, colour="#0072B2", marker="o", label="certified equilibrium")
    for axes, values, power in ((left, gap, 1), (right, angle, 2)):
        line = np.array([widths[-1] / 8, widths[-1]])
        plot_theory(axes, line, values[:, -1].mean() * (widths[-1] / line) ** power, label=f"$N^{{-{power}}}$")
        axes.axvline(record.settings.depth, color="#888888", linewidth=1, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="width $N$")
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
        axes.legend()
    left.set(ylabel="$1 - \\mathcal{F}^* / \\mathcal{L}$")
    right.set(ylabel="$1 - \\cos$")
    sentence = (
        "A gated residual network of Flax layers, before training: the energy's gap to the loss and its first-order "
        "prediction (left), one minus the cosine of the two gradients (right); dashed the rates, dotted N = L"
    )
    alt = (
        "Two panels on logarithmic axes against the width. The energy's gap falls with slope -1, and the crosses of "
        "the prediction lie on it in wide networks; one minus the cosine falls with slope -2."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


@styled()
def training(record: Record) -> Picture:
    """Energy under PC and loss under BP, for the narrowest and the widest network."""
    figure, axes = axes_grid()
    ends = (record.settings.widths[0], record.settings.widths[-1])
    steps = np.arange(record.settings.steps)
    energy, bp_loss = (values[:, (0, -1)].mean(axis=0) for values in (record.energy, record.bp_loss))
    for i, (width, colour) in enumerate(zip(ends, width_colours(ends), strict=True)):
        axes.plot(steps, energy[i], color=colour, label=f"$\\mathcal{{F}}^*$ (PC), $N = {width}$")
        axes.plot(steps, bp_loss[i], color=colour, linestyle=":", label=f"$\\mathcal{{L}}$ (BP), $N = {width}$")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="training step $t$", ylabel="energy or loss", ylim=(0, None))
    axes.legend()
    sentence = (
        "Training the narrowest and the widest network: PC's energy at certified equilibria (solid) and BP's loss "
        "(dotted), two trainings from the same weights, means over seeds"
    )
    alt = (
        f"Four lines against the training step. At the end the wide network has energy {energy[1, -1]:.3f} and loss "
        f"{bp_loss[1, -1]:.3f}; the narrow one energy {energy[0, -1]:.3f} and loss {bp_loss[0, -1]:.3f}."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"L = {settings.depth}, muPC, squared error, gradient descent {settings.rate:g}, seeds: {settings.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
