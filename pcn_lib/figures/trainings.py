"""What the chapters on nonlinear networks, CNNs and transformers draw alike: the published figure's axes, and rates."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pcn_lib.figures.picture import Picture
from pcn_lib.figures.style import axes_grid, plot_seeds, plot_theory, width_colours

#: Colour of backpropagation's loss, which is not a width.
BP = "#c1272d"


#: A published curve: steps and cosines, to be drawn as marks.
Marks = tuple[np.ndarray, np.ndarray]


def training_picture(
    record: Any,
    describe: Callable[[Any, str], str],
    *,
    unit: str = "",
    marks: Mapping[int, Marks] | None = None,
    reading_error: float = 0.0,
) -> Picture:
    """Energies and losses, and cosines, over training.

    Args:
        record: a study's record with ``trained``, at certified equilibria and with the widths of its settings, and
            ``published``, by the script's protocol and with the widths ``by_count``; ``published`` may be None.
        describe: makes the caption of the record and a sentence.
        unit: what energy and loss are counted for, such as " per character".
        marks: the paper's own curves by width, for a record that may be held against them; None draws none.
        reading_error: half the length of the marks' bars.
    """
    trained, widths = record.trained, record.settings.widths
    by_count, counted = record.published, record.settings.by_count
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.3), sharex=True)
    steps = np.arange(trained.energy.shape[-1])
    plot_seeds(left, steps, trained.bp_loss[:, -1], colour=BP, label=f"$\\mathcal{{L}}$ (BP), $N = {widths[-1]}$")
    for i, (width, colour) in reversed(list(enumerate(zip(widths, width_colours(widths), strict=True)))):
        plot_seeds(left, steps, trained.energy[:, i], colour=colour, label=f"$\\mathcal{{F}}^*$ (PC), $N = {width}$")
        plot_seeds(right, steps, 1 - trained.one_minus_cosine[:, i], colour=colour)
        if by_count is not None and width in counted:
            cosines = 1 - by_count.one_minus_cosine[:, counted.index(width)].mean(axis=0)
            right.plot(np.arange(len(cosines)), cosines, color=colour, linestyle=":")
        if marks and width in marks:
            right.errorbar(*marks[width], yerr=reading_error, color=colour, fmt="x", markersize=4, elinewidth=0.8)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="training step $t$", ylabel=f"energy or loss{unit}")
    right.set(xlabel="training step $t$", ylabel="cos(BP gradient, PC gradient)")
    right.axhline(1, color="#888888", linewidth=0.8)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    dotted = "" if by_count is None else "; dotted, trained by the script's protocol"
    if marks:
        dotted += "; crosses, the paper's own curves, with the error of reading them off"
    sentence = (
        f"Left, energies{unit} at certified equilibria of networks trained by predictive coding, and the loss of the "
        f"widest one trained by backpropagation. Right, the cosine between their gradients{dotted}"
    )
    cosines = 1 - trained.one_minus_cosine.mean(axis=0)[:, 0]
    listed = ", ".join(f"{value:.3f} at N = {width}" for width, value in zip(widths, cosines, strict=True))
    alt = (
        "Two panels over the training step, one line for each width. Left, energies lie below the loss and approach "
        f"it as the width grows. Right, the cosines, which begin with {listed}."
    )
    return Picture(figure, describe(record, sentence), alt, records=(record,))


def plot_rate(axes: Axes, widths: np.ndarray, values: np.ndarray, rate: int) -> None:
    """A dashed N^-rate through the widest network."""
    line = np.array([widths[-1] / 16, widths[-1]])
    plot_theory(axes, line, values[-1] * (widths[-1] / line) ** rate, label=f"$N^{{-{rate}}}$")
