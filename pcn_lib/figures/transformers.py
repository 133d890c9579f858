"""Pictures of transformers: the published figure's axes, the limit, and what makes inference hard."""

import numpy as np

from pcn_lib.experiments.transformers import (
    PRESETS,
    PUBLISHED_RATE,
    PUBLISHED_STEPS,
    VARIANTS,
    ProbedCurves,
    Record,
)
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed
from pcn_lib.figures.trainings import training_picture

#: Colour of a recorded run, which is not a width.
RECORDED = "#D55E00"


@styled()
def training(record: Record) -> Picture:
    """Energies and losses, and cosines, over training: the axes of the published figure."""
    return training_picture(record, _caption, unit=" per character")


@styled()
def limit(record: Record, larger: Record | None = None) -> Picture:
    """The gap, the angle and the displacement before the first update, against width.

    Args:
        record: this run.
        larger: a recorded run of larger size, drawn beside it; None where there is none.
    """
    figure, axes = axes_grid(1, 3, size=(12.5, 3.9))
    widths, curves = np.array(record.settings.widths), record.trained
    panels = (
        (curves.gap, 1, "$1 - \\mathcal{F}^* / (T \\mathcal{L})$"),
        (curves.one_minus_cosine, 2, "$1 - \\cos$"),
        (curves.displacement, 1, "$\\| z^* - h \\| / \\| h \\|$, top layer"),
    )
    for ax, (values, rate, label) in zip(axes, panels, strict=True):
        plot_seeds(ax, widths, values[..., 0], colour="#0072B2", marker="o", label="certified equilibrium")
        end = values[..., 0].mean(axis=0)[-1]
        plot_theory(ax, widths, end * (widths[-1] / widths) ** rate, label=f"$N^{{-{rate}}}$")
        ax.set(xscale="log", yscale="log", xlabel="width $N$", ylabel=label)
        ax.set_xticks(widths, widths)
        ax.minorticks_off()
    if larger is not None:
        made = larger.trained
        for ax, values in zip(axes, (made.gap, made.one_minus_cosine, made.displacement), strict=True):
            ax.plot(larger.settings.widths, values[..., 0].mean(axis=0), "s", color=RECORDED, label="recorded")
    axes[2].plot(
        widths, record.predicted_displacement.mean(axis=0), "x", color="black", markersize=9, label="one sweep"
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
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


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
    for width in settings.variant_widths:
        rows.append(_rows("as published", width, record.trained, settings.widths.index(width)))
        for i, (name, *_) in enumerate(VARIANTS):
            place = i * len(settings.variant_widths) + settings.variant_widths.index(width)
            rows.append(_rows(name, width, record.variants, place))
    headings = ("network", "contraction", "displacement", "cos", "inference steps", "certified", "last loss")
    note = (
        "Before the first update: contraction factor of a sweep, displacement of the top activities, cosine. Over "
        f"training: inference steps at first and at most, share of steps certified, loss after {settings.steps - 1} "
        f"updates. {record.provenance.data_set}"
    )
    return Table(headings, tuple(rows), note)


def protocols(record: Record) -> Table:
    """The published protocol beside the certified equilibrium, before the first update."""
    settings, rows = record.settings, []
    for i, width in enumerate(settings.published):
        for j, count in enumerate(settings.counts):
            residual, cosine = (v[:, i, j].mean() for v in (record.stopped.residual, record.stopped.one_minus_cosine))
            rows.append((f"N = {width}, {count} steps", f"{residual:.1e}", f"{cosine:.3e}"))
        place = settings.widths.index(width)
        residual = record.trained.residual[:, place, 0].mean()
        cosine = record.trained.one_minus_cosine[:, place, 0].mean()
        steps = record.trained.inference_steps[:, place, 0].mean()
        rows.append((f"N = {width}, certified in {steps:.0f} steps", f"{residual:.1e}", f"{cosine:.3e}"))
    note = f"Gradient descent on the activities at rate {PUBLISHED_RATE:g}, before the first update"
    return Table(("inference", "relative residual", "1 - cos"), tuple(rows), f"{note}. {record.provenance.data_set}")


def against_paper(record: Record) -> Table:
    """The paper's setting, this run's, and why they differ."""
    ours, paper, made = record.settings, PRESETS["paper"], record.provenance
    rows = (
        ("text", "Tiny Shakespeare", made.data_set, "a play ships with the library; named under every figure"),
        ("windows", "overlapping, one character apart", "one after another", "more text in a batch"),
        ("blocks", str(paper.blocks), str(ours.blocks), "minutes on a laptop"),
        ("widths", listed(paper.widths), listed(ours.widths), "minutes on a laptop"),
        ("T, B", f"{paper.length}, {paper.samples}", f"{ours.length}, {ours.samples}", "minutes on a laptop"),
        ("inference", f"{PUBLISHED_STEPS} steps", f"to {ours.tolerance:g}, certified", "the point of this chapter"),
        (
            "trained by the published protocol",
            listed(paper.by_count),
            listed(ours.by_count) + (f"; {ours.published_steps} steps" if ours.by_count else ""),
            f"time: {PUBLISHED_STEPS} gradient steps before each update",
        ),
        ("layers with errors", "embedding, blocks, identity", "embedding, blocks", "the identity adds no weights"),
        ("hidden weights", "0.02 at every width", "the same", "CompleteP itself: falling as N^-1/2"),
    )
    return Table(("", "paper", "this run", "why"), rows, "Figure 4c of the paper beside this run")


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = (
        f"{settings.blocks} blocks, {settings.heads} heads, T = {settings.length}, CompleteP, cross-entropy, "
        f"AdamW {settings.rate:g} (scaled), seeds: {settings.seeds}"
    )
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
