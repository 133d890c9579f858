"""Pictures of nonlinear residual networks: the published figure's axes, the limit, and the published stopping rule."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.nonlinear_networks import PRESETS, Curves, Record
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER, Stopped, skip_chain_residual
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table

#: Colour of backpropagation's loss and of the published protocol, neither of which is a width.
BP, PUBLISHED = "#c1272d", "#D55E00"


@styled()
def training(record: Record) -> Picture:
    """Energies and losses, and cosines, over training: the axes of the published figure."""
    curves, widths = record.trained, record.settings.widths
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.3), sharex=True)
    steps = np.arange(curves.energy.shape[-1])
    plot_seeds(left, steps, curves.bp_loss[:, -1], colour=BP, label=f"$\\mathcal{{L}}$ (BP), $N = {widths[-1]}$")
    for i, (width, colour) in reversed(list(enumerate(zip(widths, width_colours(widths), strict=True)))):
        plot_seeds(left, steps, curves.energy[:, i], colour=colour, label=f"$\\mathcal{{F}}^*$ (PC), $N = {width}$")
        plot_seeds(right, steps, 1 - curves.one_minus_cosine[:, i], colour=colour)
        if record.published and width in record.settings.published_trained:
            j = record.settings.published_trained.index(width)
            cosines = 1 - record.published.one_minus_cosine[:, j].mean(axis=0)
            right.plot(steps, cosines, color=colour, linestyle=":")
    left.set(xlabel="training step $t$", ylabel="energy or loss")
    right.set(xlabel="training step $t$", ylabel="cos(BP gradient, PC gradient)")
    right.axhline(1, color="#888888", linewidth=0.8)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    dotted = "; dotted, trained by the published protocol" if record.published else ""
    sentence = (
        "Left, energies at certified equilibria of networks trained by predictive coding, and the loss of the widest "
        f"one trained by backpropagation. Right, the cosine between their gradients{dotted}"
    )
    cosines = 1 - curves.one_minus_cosine.mean(axis=0)[:, 0]
    alt = (
        "Two panels over the training step, one line for each width. Left, energies lie below the loss and approach it "
        f"as the width grows. Right, the cosines change little from their first values, {_list(widths, cosines)}."
    )
    return Picture(figure, _caption(record, sentence), alt)


@styled()
def limit(record: Record) -> Picture:
    """The energy's gap to the loss, and the gradients' distance in direction, against width."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    widths = np.array(record.all_widths)
    gap = record.at_start(lambda curves: curves.gap)
    angle = record.at_start(lambda curves: curves.one_minus_cosine)
    plot_seeds(left, widths, gap, colour="#0072B2", marker="o", label="certified equilibrium")
    wide = record.settings.wide
    left.plot(
        wide, record.predicted_gap.mean(axis=0), "x", color="black", markersize=9, label="Moreau envelope, 1st order"
    )
    plot_seeds(right, widths, angle, colour="#0072B2", marker="o", label="certified equilibrium")
    place = record.settings.counts.index(STEPS_PER_LAYER)
    for axes, values in ((left, record.stopped.gap), (right, record.stopped.one_minus_cosine)):
        values = values[:, :, place].mean(axis=0)
        axes.plot(
            record.settings.published, values, "s", color=PUBLISHED, label=f"stopped after {STEPS_PER_LAYER} H steps"
        )
    for axes, values, rate in ((left, gap, 1), (right, angle, 2)):
        _power(axes, widths, values.mean(axis=0), rate)
        axes.axvline(record.settings.depth, color="#888888", linewidth=1, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="width $N$")
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
        axes.legend()
    left.set(ylabel="$1 - \\mathcal{F} / \\mathcal{L}$")
    right.set(ylabel="$1 - \\cos$")
    sentence = (
        "Before the first update: the energy's gap to the loss (left) and one minus the cosine (right) against width, "
        "dashed the predicted rates, dotted N = L; squares, inference stopped by the published rule"
    )
    alt = (
        "Two panels on logarithmic axes against the width. The gap between energy and loss falls with slope -1 and one "
        "minus the cosine with slope -2 once the width exceeds the depth. Squares for the published stopping rule lie "
        "beside the certified values and do not coincide with them."
    )
    return Picture(figure, _caption(record, sentence), alt)


@styled()
def stopping(record: Record) -> Picture:
    """What gradient descent on the activities leaves, against the number of its steps."""
    settings = record.settings
    hidden = settings.depth - 1
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0), sharex=True)
    steps = hidden * np.array(settings.counts)
    for i, (width, colour) in enumerate(zip(settings.published, width_colours(settings.published), strict=True)):
        plot_seeds(left, steps, record.stopped.residual[:, i], colour=colour, marker="s", label=f"$N = {width}$")
        plot_seeds(right, steps, 1 - record.stopped.one_minus_cosine[:, i], colour=colour, marker="s")
        if width in record.all_widths:
            place = record.all_widths.index(width)
            certified = 1 - record.at_start(lambda curves: curves.one_minus_cosine)[:, place].mean()
            right.axhline(certified, color=colour, linestyle="-.", linewidth=1.2)
    range_of_steps = np.unique(np.geomspace(hidden, 1000 * hidden, 60).astype(int))
    chain = [skip_chain_residual(hidden, ACTIVITY_RATE, int(count)) for count in range_of_steps]
    plot_theory(left, range_of_steps, chain, label="skips alone")
    left.axhline(settings.tolerance, color="#888888", linewidth=1, linestyle="-.", label="certificate")
    left.set(xscale="log", yscale="log", ylim=(settings.tolerance / 3, 1.5), xlabel="inference steps $T$")
    left.set(ylabel="relative norm of $\\partial\\mathcal{F}/\\partial z$")
    right.set(xscale="log", xlabel="inference steps $T$", ylabel="cos(BP gradient, PC gradient)")
    left.legend(loc="lower left")
    sentence = (
        "Gradient descent on the activities, rate 0.3, before the first update: the residual (left; dashed, a chain of "
        "skips without branches) and the cosine (right; dash-dotted, its value at the certified equilibrium)"
    )
    alt = (
        "Two panels against the number of inference steps. Left, on logarithmic axes, the residual after the published "
        f"number of steps, {STEPS_PER_LAYER * hidden}, is far above the certificate's tolerance for every width. "
        "Right, the cosines at that point differ from their values at the equilibrium."
    )
    return Picture(figure, _caption(record, sentence), alt)


def _power(axes: Axes, widths: np.ndarray, values: np.ndarray, rate: int) -> None:
    """A dashed N^-rate through the widest network."""
    line = np.array([widths[-1] / 16, widths[-1]])
    plot_theory(axes, line, values[-1] * (widths[-1] / line) ** rate, label=f"$N^{{-{rate}}}$")


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = (
        f"{settings.activation} residual networks, H = {settings.depth - 1} hidden layers, muPC, cross-entropy, "
        f"Adam {settings.rate:g} (scaled), seeds: {settings.seeds}"
    )
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def _list(widths: tuple[int, ...], values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f} at N = {width}" for width, value in zip(widths, values, strict=True))


def protocols(record: Record) -> Table:
    """The published stopping rule beside the certified equilibrium, before the first update, width by width."""
    settings, stopped = record.settings, record.stopped
    place = settings.counts.index(STEPS_PER_LAYER)
    rows = []
    for i, width in enumerate(settings.published):
        rows.append((f"N = {width}, stopped", *_quantities(stopped, i, place)))
        for curves, widths in ((record.trained, settings.widths), (record.wide, settings.wide)):
            if width in widths:
                rows.append((f"N = {width}, certified", *_quantities(curves, widths.index(width), 0)))
    steps = STEPS_PER_LAYER * (settings.depth - 1)
    return Table(
        ("inference", "relative norm of dF/dz", "1 − F/Loss", "cos", "1 − cos", "norm ratio"),
        tuple(rows),
        f"Before the first update: inference stopped after {steps} steps, and the certified equilibrium (seed means).",
    )


def _quantities(measured: Curves | Stopped, width: int, place: int) -> tuple[str, ...]:
    def at(values: np.ndarray) -> float:
        return float(values[:, width, place].mean())

    apart = at(measured.one_minus_cosine)
    numbers = (f"{at(measured.gap):.4f}", f"{1 - apart:.4f}", f"{apart:.2e}", f"{at(measured.norm_ratio):.3f}")
    return (f"{at(measured.residual):.1e}", *numbers)


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s = record.settings
    paper = PRESETS["paper"]
    same, smaller = "–", "time; the trend is in the rate, not in the largest width"
    rows = (
        (
            "data",
            "CIFAR-10, 64 images",
            record.provenance.data_set,
            "what this machine has",
        ),
        ("activation", "tanh", s.activation, same),
        ("hidden layers H", "31", str(s.depth - 1), same),
        ("widths trained", _sizes(paper.widths), _sizes(s.widths), same if s.widths == paper.widths else smaller),
        ("wider, untrained", "none", _sizes(s.wide), "to read off the rate"),
        ("loss", "cross-entropy", "cross-entropy", same),
        ("optimiser", "Adam 0.001, scaled by (N L)^-1/2", f"Adam {s.rate:g}, scaled alike", same),
        ("training steps", "100", str(s.steps), same if s.steps == 100 else "time; curves change little"),
        (
            "inference",
            "100 H gradient steps, rate 0.3",
            f"to a residual of {s.tolerance:g}",
            "the theory is about equilibria",
        ),
        ("seeds", "1", str(s.seeds), same if s.seeds == 1 else "to show the spread"),
        ("precision", "float32", record.provenance.dtype, same),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")


def _sizes(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))
