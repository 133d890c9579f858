"""Pictures of transformers: the published figure's axes, the limit, and what makes inference hard."""

import numpy as np

from pcn_lib.claims.transformers import figure_agreements
from pcn_lib.data import published
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments.comparison import BANDS, START
from pcn_lib.experiments.transformers import (
    PRESETS,
    PUBLISHED_RATE,
    PUBLISHED_STEPS,
    ProbedCurves,
    Record,
    as_published,
    comparison,
    layer_list,
)
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed
from pcn_lib.figures.trainings import Marks, training_picture

#: Colour of a recorded run, which is not a width.
RECORDED = "#D55E00"
#: Steps of a training that the table of published values shows; the figure shows all.
SHOWN = (0, 5, 10, 20, 50, 90)


@styled()
def training(record: Record) -> Picture:
    """Energies and losses, and cosines, over training: the axes of the published figure."""
    marks = _published_curves() if as_published(record) else None
    return training_picture(record, _caption, unit=" per character", marks=marks, reading_error=FIGURE4_ERROR)


def _published_curves() -> dict[int, Marks]:
    """The paper's own curves by width, from where they can be read."""
    return {
        curve.width: (curve.steps, curve.cosine) for curve in published.figure4("transformer") if len(curve.steps) > 1
    }


@styled()
def published_start(record: Record) -> Picture:
    """The cosine before the first update against width, every draw of it, and the paper's own values."""
    figure, axes = axes_grid(size=(7.4, 4.2))
    s = record.settings
    for curves, widths, identity, colour, shift in (
        (record.start, s.all_widths, s.identity_layer, "#0072B2", 1.0),
        (record.other_list, s.other_list, not s.identity_layer, "#D55E00", 1.06),
    ):
        angles = curves.one_minus_cosine[..., 0]
        places = shift * np.array(widths)
        axes.plot(places, angles.mean(axis=0), color=colour, label=f"errors in: {layer_list(identity)}")
        for row in angles:
            axes.plot(places, row, ".", color=colour, alpha=0.5)
    if as_published(record):
        readings = START["transformer"]
        widths, angles = list(readings), 1 - np.array([value for value, _ in readings.values()])
        axes.errorbar(widths, angles, yerr=FIGURE4_ERROR, fmt="x", color="black", markersize=8, label="paper", zorder=4)
    axes.set(xscale="log", yscale="log", xlabel="width $N$", ylabel="$1 - \\cos$")
    axes.set_xticks(s.all_widths, s.all_widths)
    axes.minorticks_off()
    axes.legend()
    sentence = (
        f"Before the first update: one minus the cosine of each of {s.draws} passages and initialisations (dots) and "
        "their mean, with prediction errors after the layers named"
    )
    if as_published(record):
        sentence += "; crosses, the paper's figure, read with an error of 0.003"
    alt = (
        "A panel on logarithmic axes. One minus the cosine falls with the width; the line with the identity layer lies "
        "a little above the other, and single draws scatter about both."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def against_figure(record: Record) -> Table:
    """The paper's cosines at the first step and later, ours, and how many standard deviations they are apart."""
    headings = ("inference and layers with errors", "N", "t", "paper", "ours", "one run", "runs", "deviations")
    rows = tuple(
        (row.protocol, str(row.width), str(row.step), f"{row.published:.3f}", f"{row.mean:.4f}",
         "–" if np.isnan(row.scatter) else f"{row.scatter:.4f}", str(row.runs),
         "–" if np.isnan(row.deviations) else f"{row.deviations:+.1f}")
        for row in comparison(record) if row.step in SHOWN
    )  # fmt: skip
    if not rows:
        return Table(headings, (("this run's network, batch or text is not the published one", *("–",) * 7),), "")
    found = figure_agreements(record)
    note = "; ".join(f"{name}: chi-squared per width {item.per_value:.1f}" for name, item in found.items())
    bands = " and ".join(str(width) for width in BANDS["transformer"])
    return Table(headings, rows, f"{note} (t = 0). At N = {bands} curves lie on each other: only a band can be read.")


@styled()
def limit(record: Record, larger: Record | None = None) -> Picture:
    """The gap, the angle and the displacement before the first update, against width.

    Args:
        record: this run.
        larger: a recorded run of larger size, drawn beside it; None where there is none.
    """
    figure, axes = axes_grid(1, 3, size=(12.5, 3.9))
    for ax, (widths, values, rate, label) in zip(axes, _limits(record), strict=True):
        plot_seeds(ax, widths, values[..., 0], colour="#0072B2", marker="o", label="certified equilibrium")
        end = values[..., 0].mean(axis=0)[-1]
        plot_theory(ax, widths, end * (widths[-1] / widths) ** rate, label=f"$N^{{-{rate}}}$")
        ax.set(xscale="log", yscale="log", xlabel="width $N$", ylabel=label)
        ax.set_xticks(widths, widths)
        ax.minorticks_off()
    if larger is not None:
        for ax, (widths, values, *_) in zip(axes, _limits(larger), strict=True):
            ax.plot(widths, values[..., 0].mean(axis=0), "s", color=RECORDED, label="recorded")
    axes[2].plot(
        record.settings.widths,
        record.predicted_displacement.mean(axis=0),
        "x",
        color="black",
        markersize=9,
        label="one sweep",
    )
    for ax in axes:
        ax.legend()
    sentence = (
        "Before the first update: the energy's gap to the loss, one minus the cosine, and how far the top activities "
        "move from the feedforward pass in units of their own size; crosses, one sweep of backpropagation's deltas"
    )
    if larger is not None:
        sentence += f"; squares, a recorded run: {larger.provenance.data_set}, {larger.settings.blocks} blocks"
    alt = (
        "Three panels on logarithmic axes against the width. The gap is of the order of 1e-5 and falls with slope -1, "
        "one minus the cosine falls with slope -2 from a few per cent, the displacement with slope -1 from a third."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, larger))


def _limits(record: Record) -> tuple[tuple[np.ndarray, np.ndarray, int, str], ...]:
    """Widths, values, their rate and their name, panel by panel."""
    s, start, trained = record.settings, record.start, record.trained
    return (
        (np.array(s.all_widths), start.gap, 1, "$1 - \\mathcal{F}^* / (T \\mathcal{L})$"),
        (np.array(s.all_widths), start.one_minus_cosine, 2, "$1 - \\cos$"),
        (np.array(s.widths), trained.displacement, 1, "$\\| z^* - h \\| / \\| h \\|$, top layer"),
    )


@styled()
def hardness(record: Record) -> Picture:
    """What inference costs while a transformer learns, and what has changed in it by then."""
    figure, axes = axes_grid(2, 2, size=(10.2, 7.2), sharex=True)
    curves, widths = record.learning, record.settings.learning_widths
    steps = np.arange(curves.energy.shape[-1])
    panels = (
        (curves.pc_loss, "loss per character", False),
        (curves.inference_steps, "inference steps", False),
        (np.abs(curves.contraction), "contraction of a sweep", True),
        (curves.sharpness, "sharpness of attention, nats", False),
    )
    for ax, (values, label, logarithmic) in zip(axes.flat, panels, strict=True):
        for i, (width, colour) in enumerate(zip(widths, width_colours(widths), strict=True)):
            plot_seeds(ax, steps, values[:, i], colour=colour, label=f"$N = {width}$")
        ax.set(ylabel=label)
        if logarithmic:
            ax.set(yscale="log")
            ax.axhline(1, color="#888888", linewidth=1, linestyle=":")
    for ax in axes[1]:
        ax.set(xlabel="training step $t$")
    axes[0, 0].legend()
    sentence = (
        f"Training by predictive coding at the larger rate {record.settings.learning_rate:g}: as the loss falls, a "
        "sweep contracts less (dotted, where sweeps stop converging) and inference takes more steps; beside it, how "
        "far attention is from reading the whole past alike"
    )
    alt = (
        "Four panels over the training step. The loss falls, the number of inference steps rises, the contraction "
        "factor of a sweep rises by orders of magnitude, the sharpness of attention stays small at first."
    )
    return Picture(figure, _own_caption(record, sentence), alt, records=(record,))


def _rows(name: str, width: int, curves: ProbedCurves, place: int) -> tuple[str, ...]:
    start = [values[:, place, 0].mean() for values in (curves.one_minus_cosine, curves.displacement)]
    steps, reached = curves.inference_steps[:, place], curves.converged[:, place].mean()
    contraction = np.abs(curves.contraction[:, place, 0]).mean()
    losses = curves.pc_loss[:, place, -1].mean()
    return (
        f"{name}, N = {width}", f"{contraction:.1e}", f"{start[1]:.2g}", f"{1 - start[0]:.4f}",
        f"{steps[..., 0].mean():.0f} to {steps.max():.0f}", f"{reached:.0%}", f"{losses:.3f}",
    )  # fmt: skip


def variants(record: Record) -> Table:
    """The published network beside the options of the authors' script."""
    settings, rows = record.settings, []
    for place, width in enumerate(settings.variant_widths):
        for i, name in enumerate(settings.variants):
            rows.append(_rows(name, width, record.variants, i * len(settings.variant_widths) + place))
    headings = ("network", "contraction", "displacement", "cos", "inference steps", "certified", "last loss")
    note = (
        "Before the first update: contraction factor of a sweep, displacement of the top activities, cosine. Over "
        f"training: inference steps at first and at most, share of steps certified, loss after "
        f"{settings.variant_steps - 1} updates. {settings.own_blocks} blocks, {_own_windows(record)}"
    )
    return Table(headings, tuple(rows), note)


def protocols(record: Record) -> Table:
    """The script's protocol beside the certified equilibrium, before the first update, of the first draw."""
    settings, rows = record.settings, []
    for i, width in enumerate(settings.published):
        for j, count in enumerate(settings.counts):
            residual, cosine = (v[0, i, j] for v in (record.stopped.residual, record.stopped.one_minus_cosine))
            rows.append((f"N = {width}, {count} steps", f"{residual:.1e}", f"{cosine:.3e}"))
        place = settings.all_widths.index(width)
        residual, cosine = (v[0, place, 0] for v in (record.start.residual, record.start.one_minus_cosine))
        steps = record.start.inference_steps[0, place, 0]
        rows.append((f"N = {width}, certified, sweeps: {steps}", f"{residual:.1e}", f"{cosine:.3e}"))
    note = f"Gradient descent on the activities at rate {PUBLISHED_RATE:g}, before the first update, first draw"
    return Table(("inference", "relative residual", "1 - cos"), tuple(rows), f"{note}. {record.provenance.data_set}")


def against_paper(record: Record) -> Table:
    """The paper's setting, this run's, and why they differ."""
    ours, paper, made = record.settings, PRESETS["paper"], record.provenance
    smaller, same = "minutes on a laptop", "–"
    rows = (
        ("text", "Tiny Shakespeare", made.data_set, "a play ships with the library; named under every figure"),
        ("windows", "overlapping: one passage", f"overlapping: one passage, {ours.draws} draws", "to know the scatter"),
        ("blocks", str(paper.blocks), str(ours.blocks), same if ours.published_size else smaller),
        ("widths trained", listed(paper.widths), listed(ours.widths), "time; the wide ones' curves lie at 1"),
        ("widths before training", listed(paper.all_widths), listed(ours.all_widths), smaller),
        ("T, B", f"{paper.length}, {paper.samples}", f"{ours.length}, {ours.samples}", smaller),
        ("inference", f"{PUBLISHED_STEPS} steps", f"to {ours.tolerance:g}, certified", "the point of this chapter"),
        (
            "trained by the script's protocol",
            listed(paper.by_count),
            listed(ours.by_count) + (f"; {ours.published_steps} steps" if ours.by_count else ""),
            f"time: {PUBLISHED_STEPS} gradient steps before each update",
        ),
        ("layers with errors", "script: " + layer_list(True), layer_list(ours.identity_layer), "fits the figure best"),
        ("hidden weights", "0.02 at every width", "the same", "CompleteP itself: falling as N^-1/2"),
    )
    return Table(("", "paper", "this run", "why"), rows, "Figure 4c of the paper beside this run")


def _own_windows(record: Record) -> str:
    s, title = record.settings, record.provenance.data_set.partition(" of ")[2].partition(" of ")[2]
    return f"{s.own_samples} consecutive windows of {s.length} characters of {title.partition(',')[0]}"


def _own_caption(record: Record, sentence: str) -> str:
    s, made = record.settings, record.provenance
    sizes = f"{s.own_blocks} blocks, {s.heads} heads, CompleteP, cross-entropy, seeds: 1"
    return caption(sentence, data=_own_windows(record), sizes=sizes, device=f"{made.device}, {made.dtype}")


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = (
        f"{settings.blocks} blocks, {settings.heads} heads, T = {settings.length}, CompleteP, cross-entropy, "
        f"AdamW {settings.rate:g} (scaled), seeds: {settings.seeds}"
    )
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
