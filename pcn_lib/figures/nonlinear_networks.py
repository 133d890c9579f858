"""Pictures of nonlinear residual networks: the published figure and ours, the limit, and a fixed count of steps."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.nonlinear_networks import PRESETS, SEARCHED_SAMPLES, Record
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed
from pcn_lib.figures.trainings import plot_rate, training_picture
from pcn_lib.spectrum import skip_chain_residual

#: Colour of the script's protocol, which is not a width.
PUBLISHED = "#D55E00"
#: Colour of the run at full size that is kept with the book.
RECORDED = "#666666"


@styled()
def training(record: Record) -> Picture:
    """Energies and losses, and cosines, over training: the axes of the published figure."""
    return training_picture(record, _caption)


@styled()
def limit(record: Record, recorded: Record | None = None) -> Picture:
    """The energy's gap to the loss, and the gradients' distance in direction, against width.

    Args:
        record: this run.
        recorded: the run at full size that is kept with the book, drawn in grey; None for none.
    """
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.8))
    widths, start = np.array(record.all_widths), record.start
    gap, angle = start.gap[..., 0], start.one_minus_cosine[..., 0]
    plot_seeds(left, widths, gap, colour="#0072B2", marker="o", label="certified equilibrium")
    left.plot(
        record.settings.untrained,
        record.predicted_gap.mean(axis=0),
        "x",
        color="black",
        markersize=9,
        label="Moreau envelope, 1st order",
    )
    plot_seeds(right, widths, angle, colour="#0072B2", marker="o", label="certified equilibrium")
    _stopped((left, right), record)
    if recorded is not None:
        _overlay((left, right), recorded)
    shown = sorted({*record.all_widths, *(recorded.all_widths if recorded is not None else ())})
    for axes, values, rate in ((left, gap, 1), (right, angle, 2)):
        plot_rate(axes, widths, values.mean(axis=0), rate)
        axes.axvline(record.settings.depth, color="#888888", linewidth=1, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="width $N$")
        axes.set_xticks(shown, shown, rotation=45 if len(shown) > 6 else 0)
        axes.minorticks_off()
    # The right panel adds only its own rate.
    named = {
        label: line for axes in (left, right) for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
    left.set(ylabel="$1 - \\mathcal{F} / \\mathcal{L}$")
    right.set(ylabel="$1 - \\cos$")
    sentence = (
        "Before the first update: the energy's gap to the loss (left) and one minus the cosine (right) against width, "
        "dashed the predicted rates, dotted N = L; squares, inference stopped after 100 H steps"
    ) + _kept(recorded)
    alt = (
        "Two panels on logarithmic axes against the width. The gap between energy and loss falls with slope -1 and one "
        "minus the cosine with slope -2 once the width exceeds the depth. Squares for 100 H steps lie "
        "beside the certified values and do not coincide with them."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


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
        place = record.all_widths.index(width)
        certified = 1 - record.start.one_minus_cosine[:, place, 0].mean()
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
        "Two panels against the number of inference steps. Left, on logarithmic axes, the residual after 100 H "
        f"steps, {STEPS_PER_LAYER * hidden}, is far above the certificate's tolerance for every width. "
        "Right, the cosines at that point differ from their values at the equilibrium."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _stopped(panels: tuple[Axes, Axes], record: Record) -> None:
    """Squares for inference stopped after 100 H steps."""
    place = record.settings.counts.index(STEPS_PER_LAYER)
    for axes, values in zip(panels, (record.stopped.gap, record.stopped.one_minus_cosine), strict=True):
        values = values[:, :, place].mean(axis=0)
        axes.plot(
            record.settings.published, values, "s", color=PUBLISHED, label=f"stopped after {STEPS_PER_LAYER} H steps"
        )


def _overlay(panels: tuple[Axes, Axes], recorded: Record) -> None:
    """The recorded run: certified in grey circles, stopped after 100 H steps in grey squares."""
    place = recorded.settings.counts.index(STEPS_PER_LAYER)
    gap, angle = recorded.start.gap[..., 0], recorded.start.one_minus_cosine[..., 0]
    stopped = (recorded.stopped.gap, recorded.stopped.one_minus_cosine)
    for axes, values, rule in zip(panels, (gap, angle), stopped, strict=True):
        style = dict(color=RECORDED, linewidth=1, markersize=9, fillstyle="none")
        axes.plot(recorded.all_widths, values.mean(axis=0), "o-", label="recorded: full size, certified", **style)
        kept = rule[:, :, place].mean(axis=0)
        axes.plot(recorded.settings.published, kept, "s", label="recorded: full size, stopped", **style)


def _kept(recorded: Record | None) -> str:
    return "" if recorded is None else f"; grey, the recorded run at full size on {recorded.provenance.data_set}"


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = (
        f"{settings.activation} residual networks, H = {settings.depth - 1} hidden layers, muPC, {settings.loss}, "
        f"Adam {settings.rate:g} (scaled), seeds: {settings.seeds}"
    )
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def protocols(record: Record, recorded: Record | None = None) -> Table:
    """What 100 H steps do to the cosine at each width, with the residuals that it leaves."""
    rows = _rule_rows(record, "")
    if recorded is not None:
        rows += _rule_rows(recorded, "recorded, ")
    steps = STEPS_PER_LAYER * (record.settings.depth - 1)
    headings = (
        "width", "residual, stopped", "residual, certified", "cos, stopped", "cos, certified",
        "1 − cos, stopped", "1 − cos, certified", "stopped over certified", "gradient's length, stopped over BP",
    )  # fmt: skip
    caption = f"Before the first update, seed means: inference stopped after {steps} steps, and at the equilibrium."
    if recorded is not None:
        caption += f" Recorded: {recorded.provenance.data_set}."
    return Table(headings, tuple(rows), caption)


def _rule_rows(record: Record, prefix: str) -> list[tuple[str, ...]]:
    """One row for each width at which inference is stopped by count."""
    settings, place = record.settings, record.settings.counts.index(STEPS_PER_LAYER)
    residual = record.start.residual[..., 0].mean(axis=0)
    angle = record.start.one_minus_cosine[..., 0].mean(axis=0)
    rows = []
    for i, width in enumerate(settings.published):
        at = record.all_widths.index(width)
        left, apart, length = (
            float(values[:, i, place].mean())
            for values in (record.stopped.residual, record.stopped.one_minus_cosine, record.stopped.norm_ratio)
        )
        cells = (f"{left:.1e}", f"{residual[at]:.1e}", f"{1 - apart:.4f}", f"{1 - angle[at]:.4f}")
        more = (f"{apart:.2e}", f"{angle[at]:.2e}", f"{apart / angle[at]:.2f}", f"{length:.3f}")
        rows.append((f"{prefix}N = {width}", *cells, *more))
    return rows


def kinks(record: Record, recorded: Record | None = None) -> Table:
    """ReLU beside tanh, before the first update: what the certificate rests on."""
    rows = _kink_rows(record, "")
    if recorded is not None:
        rows += _kink_rows(recorded, "recorded, ")
    headings = ("network", "dF/dz vanishes", "stands still", "neither", "residual", "1 − F/Loss", "cos")
    return Table(
        headings,
        tuple(rows),
        "Share of samples by what their certificate rests on; the residual is the largest of the batch.",
    )


def _kink_rows(record: Record, prefix: str) -> list[tuple[str, ...]]:
    rows = []
    for i, width in enumerate(record.settings.kinked):
        if width in record.all_widths:
            at = record.all_widths.index(width)
            start = record.start.take([at])
            means = (start.converged, start.residual, start.gap, start.one_minus_cosine)
            sure, residual, gap, angle = (float(values.mean()) for values in means)
            shares = (f"{sure:.0%}", "–", f"{1 - sure:.0%}")
            name = f"{prefix}{record.settings.activation}, N = {width}"
            rows.append((name, *shares, f"{residual:.1e}", f"{gap:.4f}", f"{1 - angle:.4f}"))
        k = record.kinked
        shares = tuple(f"{float(v[:, i].mean()):.0%}" for v in (k.by_gradient, k.standing, k.uncertified))
        numbers = (
            f"{k.residual[:, i].max():.1e}",
            f"{k.gap[:, i].mean():.4f}",
            f"{1 - k.one_minus_cosine[:, i].mean():.4f}",
        )
        rows.append((f"{prefix}relu, N = {width}", *shares, *numbers))
    return rows


def below(record: Record, recorded: Record | None = None) -> Table:
    """What another method finds below the points where ReLU networks stand still."""
    rows = []
    for prefix, run in (("", record), ("recorded, ", recorded)):
        for i, width in enumerate(run.settings.searched if run else ()):
            excess, still, found = (
                values[:, i].mean() for values in (run.below.excess, run.below.still, run.below.found)
            )
            rows.append((f"{prefix}N = {width}", f"{excess:.1e}", f"{1 - still:.4f}", f"{1 - found:.4f}"))
    headings = ("ReLU network", "(F still − F found) / (Loss − F found)", "cos, still", "cos, found")
    return Table(headings, tuple(rows), f"Before the first update, for {SEARCHED_SAMPLES} samples; found by BFGS.")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s = record.settings
    paper = PRESETS["paper"]
    same, smaller = "–", "time; the trend is in the rate, not in the largest width"
    rows = (
        (
            "data",
            "CIFAR-10, 64 images in [-1, 1], cropped, flipped, rotated",
            record.provenance.data_set,
            "what this machine has",
        ),
        ("activation", "tanh", s.activation, same),
        ("hidden layers H", "31", str(s.depth - 1), same),
        ("widths trained", listed(paper.widths), listed(s.widths), same if s.widths == paper.widths else smaller),
        ("wider, untrained", "none", listed(s.wide), "to read off the rate"),
        (
            "loss",
            "squared error (found; the script's default is cross-entropy)",
            s.loss,
            same if s.loss == "squared error" else "as asked for",
        ),
        ("optimiser", "Adam 0.001, scaled by (N L)^-1/2", f"Adam {s.rate:g}, scaled alike", same),
        ("training steps", "100", str(s.steps), same if s.steps == 100 else "time; curves change little"),
        (
            "trained by 100 H steps",
            listed(paper.widths),
            listed(s.by_count) + (f"; {s.published_steps} steps" if s.by_count else ""),
            "time: 3100 gradient steps before each update",
        ),
        (
            "inference",
            "equilibrium (found; the script takes 100 H gradient steps, rate 0.3)",
            f"to a residual of {s.tolerance:g}",
            "the theory is about equilibria",
        ),
        ("seeds", "1", str(s.seeds), same if s.seeds == 1 else "to show the spread"),
        ("precision", "float32", record.provenance.dtype, same),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")
