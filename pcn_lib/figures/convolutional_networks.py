"""Pictures of residual convolutional networks: the published figure's axes, the limit, layers, and both protocols."""

import numpy as np

from pcn_lib.data import published
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments.comparison import BANDS, START
from pcn_lib.experiments.convolutional_networks import PRESETS, PUBLISHED_STEPS, Record, comparison
from pcn_lib.experiments.trainings import Curves
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed
from pcn_lib.figures.trainings import plot_rate, training_picture

#: Colours of certified equilibria, and of a recorded run.
CERTIFIED, RECORDED = "#0072B2", "#D55E00"


@styled()
def training(record: Record) -> Picture:
    """Energies and losses, and cosines, over training: the axes of the published figure."""
    return training_picture(record, _caption)


@styled()
def limit(record: Record, recorded: Record | None = None) -> Picture:
    """The energy's gap to the loss, and the gradients' distance in direction, against width."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    widths, start = np.array(record.all_widths), record.start
    for axes, rate, quantity in ((left, 1, "gap"), (right, 2, "one_minus_cosine")):
        values = getattr(start, quantity)[..., 0]
        plot_seeds(axes, widths, values, colour=CERTIFIED, marker="o", label="certified equilibrium")
        if recorded:
            name = f"recorded: full size, {_data_set(recorded)}"
            there = getattr(recorded.start, quantity)[..., 0]
            plot_seeds(axes, np.array(recorded.all_widths), there, colour=RECORDED, marker="^", label=name)
        plot_rate(axes, widths, values.mean(axis=0), rate)
        axes.set(xscale="log", yscale="log", xlabel="channels $N$")
        axes.set_xticks(widths, widths)
        axes.minorticks_off()
    predicted = record.predicted_gap.mean(axis=0)
    left.plot(record.settings.untrained, predicted, "x", color="black", markersize=9, label="first order")
    left.set(ylabel="$1 - \\mathcal{F}^* / \\mathcal{L}$")
    right.set(ylabel="$1 - \\cos$")
    left.legend()
    right.legend()
    sentence = (
        "Before the first update: the energy's gap to the loss (left) and one minus the cosine (right) against the "
        "number of channels, dashed the predicted rates"
    )
    alt = (
        "Two panels on logarithmic axes against the number of channels. The gap between energy and loss falls with "
        "slope -1 and one minus the cosine with slope -2."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


@styled()
def layers(record: Record) -> Picture:
    """One minus the cosine of each layer with weights, width by width, before the first update."""
    figure, axes = axes_grid(size=(7.4, 4.0))
    start, names = record.start.layers[:, :, 0], layer_names(record)
    places = np.arange(len(names))
    for i, (width, colour) in enumerate(zip(record.all_widths, width_colours(record.all_widths), strict=True)):
        plot_seeds(axes, places, start[:, i], colour=colour, marker="o", label=f"$N = {width}$")
    axes.set(yscale="log", ylabel="$1 - \\cos$ of the layer's gradients", xlabel="layer, from input to output")
    axes.set_xticks(places, names)
    axes.legend(ncols=2)
    sentence = "Before the first update: one minus the cosine of predictive coding's and backpropagation's gradients"
    alt = (
        "A panel with a logarithmic axis. For every width, one minus the cosine grows from the first convolution to "
        "the readout; it is smaller in wider networks at every layer."
    )
    return Picture(figure, _caption(record, f"{sentence}, layer by layer"), alt, records=(record,))


@styled()
def large(record: Record) -> Picture:
    """Both protocols on large images: before the first update, draw by draw, and over the training of narrow ones."""
    figure, (left, right) = axes_grid(1, 2, size=(10.8, 4.2))
    s, both = record.settings, record.large
    widths = np.array(s.large_widths)
    for curves, colour, shift, name in (
        (both.certified, CERTIFIED, 1.0, "certified equilibrium"),
        (both.stopped, RECORDED, 1.08, f"{PUBLISHED_STEPS} steps"),
    ):
        cosines = 1 - curves.one_minus_cosine[..., 0]
        for i, row in enumerate(cosines):
            left.plot(shift * widths, row, "o", color=colour, alpha=0.6, label=None if i else name)
    steps = np.arange(s.large_steps)
    colours = width_colours((*s.large_trained, 2 * max(s.large_trained)))
    for i, (width, colour) in enumerate(zip(s.large_trained, colours, strict=False)):
        right.plot(steps, 1 - both.trained.one_minus_cosine[0, i], color=colour, label=f"$N = {width}$, certified")
        script = 1 - both.script.one_minus_cosine[0, i]
        right.plot(steps, script, color=colour, linestyle=":", label=f"$N = {width}$, {PUBLISHED_STEPS} steps")
    if both.published:
        _marks(left, right, widths)
    left.set(xscale="log", xlabel="channels $N$", ylabel="cos(BP gradient, PC gradient)")
    left.set_xticks(widths, widths)
    left.minorticks_off()
    right.set(xlabel="training step $t$")
    for axes in (left, right):
        axes.axhline(1, color="#888888", linewidth=0.8)
        axes.legend()
    sentence = (
        f"Images enlarged to {both.side} pixels, {s.large_samples} in a batch. Left, before the first update, "
        f"{s.large_draws} batches and initialisations. Right, the first of them over training"
    )
    if both.published:
        sentence += "; crosses and bars, the paper's figure (other images of this size)"
    alt = (
        "Two panels of cosines. At the certified equilibrium every cosine lies at 1. After the script's count of steps "
        "wide networks lie a little below 1, and some of the narrowest far below."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _marks(left, right, widths: np.ndarray) -> None:
    """The paper's own values: where curves begin, the band of those that lie on each other, and the readable curve."""
    for width in widths:
        if width in START["cnn"]:
            value, error = START["cnn"][width]
            left.errorbar(width / 1.12, value, yerr=error, fmt="x", color="black", label="paper", zorder=4)
        if width in BANDS["cnn"]:
            left.plot([width / 1.12] * 2, BANDS["cnn"][width], color="black", linewidth=2)
    for curve in (curve for curve in published.figure4("cnn") if len(curve.steps) > 1):
        error = dict(yerr=FIGURE4_ERROR, elinewidth=0.8, markersize=4)
        label = f"paper, $N = {curve.width}$"
        right.errorbar(curve.steps[1:], curve.cosine[1:], fmt="x", color="black", label=label, **error)


def against_figure(record: Record) -> Table:
    """The paper's cosines where they can be read, and ours on images of that size."""
    headings = ("inference", "N", "t", "paper", "ours", "one run", "runs")
    rows = tuple(
        (row.protocol, str(row.width), str(row.step), f"{row.published:.3f} ± {row.reading_error:.3f}",
         f"{row.mean:.4f}", "–" if np.isnan(row.scatter) else f"{row.scatter:.4f}", str(row.runs))
        for row in comparison(record) if row.step in (0, 45, 70, 98)
    )  # fmt: skip
    if not rows:
        return Table(headings, (("this run's images are smaller than the published ones", *("–",) * 6),), "")
    note = "Published curves of 8 and more channels lie on each other: only a band can be read. Ours: enlarged images"
    return Table(headings, rows, f"{note}. {record.provenance.data_set}")


def layer_names(record: Record) -> tuple[str, ...]:
    """The layers with weights; those of the authors' comparison are the stages' convolutions and the readout."""
    blocks = record.settings.blocks // 3
    names = []
    for stage in (1, 2, 3):
        names += [f"conv {stage}", *(f"block {stage}" + ("abcdefghij"[i] if blocks > 1 else "") for i in range(blocks))]
    return (*names, "readout")


@styled()
def closed_form(record: Record) -> Picture:
    """The rescaling of linear networks against width, and the gap against the size of the images."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    s, linear = record.settings, record.linear
    widths = np.array(s.linear)
    plot_seeds(left, widths, linear.rescaling, colour=CERTIFIED, marker="o", label="measured")
    line = np.geomspace(widths[0], max(widths[-1], 2 * widths[0]), 20)
    plot_theory(left, line, linear.expected[0] * widths[0] / line, label="expected, a constant over $N$")
    left.set(xscale="log", yscale="log", xlabel="channels $N$", ylabel="trace$(S) / K - 1$")
    left.set_xticks(widths, widths)
    sides = np.array(s.enlarged) * record.image[0]
    gap = record.enlarged.gap[..., 0]
    plot_seeds(right, sides, gap, colour=CERTIFIED, marker="o", label=f"{s.activation}, measured")
    expected = record.enlarged_rescaling
    plot_theory(right, sides, gap.mean(axis=0)[0] * expected / expected[0], label="∝ rescaling of the linear network")
    right.set(xscale="log", yscale="log", xlabel="side of the images, pixels")
    right.set(ylabel="$1 - \\mathcal{F}^* / \\mathcal{L}$")
    right.set_xticks(sides, sides)
    for axes in (left, right):
        axes.minorticks_off()
        axes.legend()
    sentence = (
        f"Left, the rescaling of linear networks, mean and range over {s.draws} initialisations. Right, the energy's "
        f"gap to the loss with N = {s.enlarged_width} channels on the same images, enlarged"
    )
    alt = (
        "Two panels on logarithmic axes. The rescaling of linear networks falls as one over the number of channels, on "
        "the dashed line; the gap falls as the images grow, along the dashed line of the linear rescaling."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _data_set(record: Record) -> str:
    return record.provenance.data_set.partition(" (")[0]


def _caption(record: Record, sentence: str) -> str:
    s, made = record.settings, record.provenance
    height, width, channels = record.image
    sizes = (
        f"residual CNNs of {s.blocks} blocks on {height} × {width} × {channels} pixels, {s.activation}, muPC, "
        f"cross-entropy, Adam {s.rate:g} (scaled), seeds: {s.seeds}"
    )
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def protocols(record: Record) -> Table:
    """The script's stopping rule beside the certified equilibrium, before the first update, width by width."""
    s, rows = record.settings, []
    for i, width in enumerate(s.published):
        rows += [
            (f"N = {width}, {count} steps", *_quantities(record.stopped, i, j)) for j, count in enumerate(s.counts)
        ]
        place = record.all_widths.index(width)
        sweeps = int(record.start.inference_steps[:, place].max())
        rows.append((f"N = {width}, certified, {sweeps} sweeps", *_quantities(record.start, place, 0)))
    return Table(
        ("inference", "relative norm of dF/dz", "1 − F/Loss", "cos", "cos, first conv", "cos, readout", "norm ratio"),
        tuple(rows),
        f"Before the first update: gradient descent on the activities ({PUBLISHED_STEPS} steps are the script's "
        "number), and the certified equilibrium (seed means).",
    )


def _quantities(measured: Curves, width: int, place: int) -> tuple[str, ...]:
    def at(values: np.ndarray) -> float:
        return float(values[:, width, place].mean())

    cosines = (measured.one_minus_cosine, measured.layers[..., 0], measured.layers[..., -1])
    return (
        f"{at(measured.residual):.1e}",
        f"{at(measured.gap):.4f}",
        *(f"{1 - at(values):.4f}" for values in cosines),
        f"{at(measured.norm_ratio):.3f}",
    )


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper = record.settings, PRESETS["paper"]
    height, width, channels = record.image
    same, smaller = "–", "time; the trend is in the rate, not in the largest width"
    rows = (
        ("data", "ImageNet, 128 crops, or CIFAR-10", record.provenance.data_set, "what this machine has"),
        ("image", "224 × 224 × 3", f"{height} × {width} × {channels}", "small images show the difference, see below"),
        ("large images", "as above", f"{record.large.side} pixels, enlarged", "the published size, where time allows"),
        ("activation", "tanh", s.activation, same),
        ("residual blocks", "3", str(s.blocks), same),
        ("channels trained", listed(paper.widths), listed(s.widths), same if s.widths == paper.widths else smaller),
        ("wider, untrained", "none", listed(s.wide), "to read off the rate"),
        ("optimiser", "Adam 0.001, scaled", f"Adam {s.rate:g}, scaled alike", same),
        ("training steps", "100", str(s.steps), same if s.steps == 100 else "time; curves change little"),
        (
            "inference",
            f"{PUBLISHED_STEPS} gradient steps, rate 0.3",
            f"to a residual of {s.tolerance:g}",
            "the theory is about equilibria",
        ),
        ("cosine", "four layers of seven", "all layers, and each", "nothing left out"),
        ("precision", "float32", record.provenance.dtype, same),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")
