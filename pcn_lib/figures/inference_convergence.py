"""Pictures of inference by gradient descent: gap and direction against its steps, and the condition number."""

import numpy as np

from pcn_lib.claims.inference_convergence import LATE, measured_decay, predicted_decay
from pcn_lib.experiments.inference_convergence import FAMILIES, PRESETS, RATE_SHARE, WITH_SKIPS, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table, listed

#: Colours and marks of the two parameterisations.
COLOURS = ("#D55E00", "#0072B2")
LINES = ("-", "-.", ":")


@styled()
def convergence(record: Record, recorded: Record | None = None) -> Picture:
    """The energy's gap to the equilibrium against the steps; dashed, the slowest mode's decay."""
    figure, panels = axes_grid(1, 2, size=(10.2, 4.9), sharey=True)
    hidden = record.settings.hidden
    decay = predicted_decay(record)
    for i, (axes, family) in enumerate(zip(panels, WITH_SKIPS, strict=True)):
        for j, (H, colour) in enumerate(zip(hidden, width_colours(hidden), strict=True)):
            label = f"$H = {H}$, $\\kappa = {_kappa(record)[i, j]:,.0f}$"
            axes.plot(record.counts, np.maximum(record.descent.gap[i, j], 1e-30), color=colour, label=label)
            end = record.descent.gap[i, j, -1]
            if H > 1 and end > 1e-24 and decay[i, j] * record.counts[-1] >= LATE:
                late = record.counts[record.counts >= record.counts[-1] / 20]
                plot_theory(axes, late, end * np.exp(2 * decay[i, j] * (late[-1] - late)), colour="#222222")
        if recorded is not None:
            _overlay(axes, recorded, i)
        axes.set(xscale="log", yscale="log", ylim=(1e-12, 3), xlabel="inference steps $T$", title=family.name)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    panels[0].set(ylabel="$(\\mathcal{F} - \\mathcal{F}^*) / (\\mathcal{L} - \\mathcal{F}^*)$")
    sentence = (
        "The energy above its equilibrium value during gradient descent on the activities, by number of hidden layers, "
        f"each network at its own rate {RATE_SHARE} / mu_max; dashed, the decay of the slowest mode" + _more(recorded)
    )
    alt = (
        "Two panels on logarithmic axes. Under muPC all curves fall to nothing, the later the deeper the network. "
        "Under SP the deepest network's curve is still high when the others have ended."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


def _overlay(axes, recorded: Record, family: int) -> None:
    """The recorded run, thin and grey, at its deepest network."""
    gap = np.maximum(recorded.descent.gap[family, -1], 1e-30)
    label = f"recorded: $N = {recorded.settings.width}$, $H = {recorded.settings.hidden[-1]}$"
    axes.plot(recorded.counts, gap, color="#777777", linewidth=3, alpha=0.5, label=label)


@styled()
def directions(record: Record, recorded: Record | None = None) -> Picture:
    """1 - cos from the exact gradient and from backpropagation's, against the steps."""
    figure, panels = axes_grid(1, 2, size=(10.2, 4.3), sharex=True)
    hidden = record.settings.hidden
    for i, family in enumerate(WITH_SKIPS):
        for j, H in enumerate(hidden):
            style = dict(color=COLOURS[i], linestyle=LINES[j % len(LINES)])
            panels[0].plot(record.counts, np.maximum(record.descent.from_exact[i, j], 1e-20), **style)
            panels[1].plot(record.counts, record.descent.from_bp[i, j], label=f"{family.name}, $H = {H}$", **style)
            panels[1].plot(record.counts[-1], record.exact_from_bp[i, j], "o", color=COLOURS[i], markersize=6)
        if recorded is not None:
            panels[1].plot(recorded.counts, recorded.descent.from_bp[i, -1], color=COLOURS[i], linewidth=4, alpha=0.25)
    panels[0].set(xscale="log", yscale="log", ylim=(1e-12, 2), xlabel="inference steps $T$")
    panels[0].set(ylabel="$1 - \\cos$(PC, exact PC)")
    panels[1].set(yscale="log", xlabel="inference steps $T$", ylabel="$1 - \\cos$(PC, BP)")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    sentence = (
        "One minus the cosine of predictive coding's gradient when inference stops after T steps: to the gradient of "
        "the exact equilibrium (left) and to backpropagation's (right; dots, the exact equilibrium itself)"
    )
    wide = f"; broad pale lines, the recorded run, N = {recorded.settings.width}" if recorded is not None else ""
    alt = (
        "Two panels on logarithmic axes. Left, every line falls, under SP with many hidden layers not to the bottom. "
        "Right, the lines settle on the dots, except SP's deepest one, which passes on its way."
    )
    return Picture(figure, _caption(record, sentence + wide), alt, records=(record, recorded))


@styled()
def conditioning(record: Record, recorded: Record | None = None) -> Picture:
    """The condition number of the activity Hessian against depth, all four families."""
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.0))
    shown = recorded if recorded is not None else record
    colours, marks = (*COLOURS, *COLOURS), ("o", "s", "o", "s")
    for i, family in enumerate(FAMILIES):
        line = "-" if family.skips else ":"
        style = dict(color=colours[i], linestyle=line, marker=marks[i], fillstyle="full" if family.skips else "none")
        label = f"{family.name}{', skips' if family.skips else ''}"
        left.plot(record.settings.hidden, record.condition[i, -1], label=label, **style)
        right.plot(shown.settings.widths, shown.condition[i, :, -1], **style)
    left.set(yscale="log", xlabel="hidden layers $H$", ylabel="condition number $\\kappa$")
    left.set_xticks(record.settings.hidden)
    right.set(xscale="log", yscale="log", xlabel="width $N$", ylabel=f"$\\kappa$ at $H = {shown.settings.hidden[-1]}$")
    right.set_xticks(shown.settings.widths, shown.settings.widths)
    right.minorticks_off()
    left.legend()
    sentence = (
        f"Condition number of the activity Hessian: against depth at N = {record.settings.widths[-1]} (left), and "
        "against width (right)" + (", of the recorded run" if recorded is not None else "")
    )
    alt = (
        "Two panels. Left, the condition number rises with depth, for SP with skips by orders of magnitude more than "
        "for the three others, of which the two without skips coincide. Right, every line is flat in the width."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


def speeds(record: Record) -> Table:
    """Curvature, predicted and measured late rate, and the steps that a tenth of a per cent of the gap takes."""
    predicted, measured = predicted_decay(record), measured_decay(record)
    rows = []
    for i, family in enumerate(WITH_SKIPS):
        for j, H in enumerate(record.settings.hidden):
            low, high = record.followed_smallest[i, j], record.followed_largest[i, j]
            done = record.counts[record.descent.gap[i, j] <= 1e-3]
            late = f"{measured[i, j]:.4g}" if np.isfinite(measured[i, j]) else "not reached"
            steps = str(done[0]) if len(done) else f"> {record.counts[-1]}"
            name = f"{family.name}, H = {H}"
            rows.append(
                (name, f"{low:.2e}", f"{high:.2f}", f"{high / low:,.0f}", f"{predicted[i, j]:.4g}", late, steps)
            )
    headings = (
        "network",
        "μ min",
        "μ max",
        "κ",
        "predicted decay a step",
        "measured, late",
        "steps to 0.1 % of the gap",
    )
    return Table(headings, tuple(rows), f"Inference at N = {record.settings.width}, with skips.")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper = record.settings, PRESETS["paper"]
    same = "–"
    rows = (
        ("task", "toy task, 20 samples of 40 inputs", record.provenance.data_set, same),
        ("network", "linear, squared error", "linear, squared error, with skips", "without: curvature only"),
        (
            "hidden layers H",
            listed(paper.hidden),
            listed(s.hidden),
            same if s.hidden == paper.hidden else "as asked for",
        ),
        ("width N", str(paper.width), str(s.width), same if s.width == paper.width else "time; κ is flat in the width"),
        ("parameterisations", "SP and muPC", "SP and muPC", same),
        (
            "rate on the activities",
            "not known to us",
            f"{RATE_SHARE} / μ max of each network",
            "one for all favours some",
        ),
        ("inference steps", "not known to us", str(s.steps), "to see the late rate"),
        ("precision", "float32", record.provenance.dtype, "to follow the decay over ten decades"),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")


def _kappa(record: Record) -> np.ndarray:
    return record.followed_largest / record.followed_smallest


def _more(recorded: Record | None) -> str:
    return "" if recorded is None else f"; grey, the recorded run at full size, N = {recorded.settings.width}"


def _caption(record: Record, sentence: str) -> str:
    s, made = record.settings, record.provenance
    sizes = f"linear networks with skips, N = {s.width}, H = {', '.join(map(str, s.hidden))}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
