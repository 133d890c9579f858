"""Pictures of solvers on their way to the equilibrium, and of the minima that they may find."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.published_inference import STEPS_PER_LAYER
from pcn_lib.experiments.reaching_the_equilibrium import Minima, Record
from pcn_lib.experiments.solver_curves import README_STEPS, Case
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled
from pcn_lib.figures.table import Table

MARKERS = ("o", "s", "^", "v", "D", "P", "X")
#: Fields of a Curve, as they are written on an axis.
LABELS = {
    "residual": r"$\|\partial F/\partial z\|$, relative",
    "energy_gap": r"$|F / F^* - 1|$",
    "gradient_error": "PC gradient, relative error",
    "one_minus_cosine": r"$1 - \cos(\mathrm{PC}, \mathrm{BP})$",
}
#: Energies and gradients nearer than this are told apart by rounding alone.
FLOOR = 1e-14


@styled()
def solvers(record: Record, activation: str) -> Picture:
    """Residual, energy gap, gradient error and 1 - cos against cost in BP steps, one column for each shape."""
    cases = [case for case in record.cases if case.activation == activation]
    if not cases:
        known = sorted({case.activation for case in record.cases})
        raise ValueError(f"activation {activation!r} given; this record holds {', '.join(known)}: choose one of these")
    figure, panels = axes_grid(
        len(LABELS), len(cases), size=(1.6 + 3.7 * len(cases), 11.5), sharex="col", sharey="row", squeeze=False
    )
    for column, case in zip(panels.T, cases, strict=True):
        for axes, field in zip(column, LABELS, strict=True):
            _curves(axes, case, field)
        width, depth = getattr(record.settings, case.shape)
        column[0].set_title(f"{case.shape}: $N = {width}$, $L = {depth}$\n", pad=8)
        _counts(column, case)
        column[-1].axhline(case.reference.one_minus_cosine, color="#222222", linestyle="--", linewidth=1.2)
        column[-1].set(xlabel="cost in BP steps (CPU time)")
    for row, label in zip(panels, LABELS.values(), strict=True):
        row[0].set(ylabel=label)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(4, 2 * len(cases)))
    return Picture(
        figure,
        _caption(
            f"Solvers on {activation} networks, stopped at increasing budgets. Dotted: the numbers of gradient-descent "
            "steps of the authors' script, 100 H, and of its README, 100,000, at "
            "their measured cost; dashed: 1 - cos at "
            "the certified equilibrium",
            record,
        ),
        alt=f"Log-log panels for {activation}: four measures of the distance from the equilibrium against cost, a "
        "column for each shape of network. In the wide network sweeps and Newton's method fall steeply within a few "
        "BP steps while descents on the activities take tens to hundreds; in narrow networks plain sweeps do not fall.",
        records=(record,),
    )


def _curves(axes: Axes, case: Case, field: str) -> None:
    for i, curve in enumerate(case.curves):
        values = np.abs(getattr(curve, field))
        shown = np.where(values > FLOOR, values, np.nan)
        axes.plot(curve.cost, shown, color=f"C{i}", marker=MARKERS[i], label=curve.method, linewidth=1.4)
    axes.set(xscale="log", yscale="log")


def _counts(column: np.ndarray, case: Case) -> None:
    """The script's and the README's counts as lines through a column, named at its top."""
    hidden = case.curve("gradient descent").steps[-1] / STEPS_PER_LAYER
    for steps, name in ((STEPS_PER_LAYER * hidden, "100 $H$"), (README_STEPS, "100,000")):
        place = steps * case.step_cost
        for axes in column:
            axes.axvline(place, color="#777777", linestyle=":", linewidth=1.3)
        column[0].annotate(
            name, (place, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9, color="#555555"
        )


@styled()
def minima(record: Record) -> Picture:
    """The energies at which descents from different starts end, sample by sample, in a wide and in a narrow network."""
    figure, panels = axes_grid(1, len(record.minima), size=(9.6, 3.8), squeeze=False)
    for axes, found in zip(panels[0], record.minima, strict=True):
        _ends(axes, found)
        width, depth = getattr(record.settings, found.shape)
        axes.set(title=f"{found.shape}: $N = {width}$, $L = {depth}$", xlabel="sample")
    panels[0, 0].set(ylabel=r"$F \,/\, F^*$ where the descent ends")
    panels[0, 0].legend()
    return Picture(
        figure,
        _caption(
            f"tanh networks: energies of every sample after {record.settings.descent} H^2 steps of momentum on the "
            f"activities (at least {100 * record.settings.descent}), from the feedforward pass and from "
            f"{record.settings.starts - 1} others; dashed, the default solver from the feedforward pass",
            record,
        ),
        alt="Energies at the ends of descents, for each sample. In the wide network all of them are equal to that of "
        "the default solver; in the narrow and deep network those of some samples differ from it.",
        records=(record,),
    )


def _ends(axes: Axes, found: Minima) -> None:
    samples = np.arange(1, len(found.certified) + 1)
    lines = axes.plot(samples, found.ratios[:, 1:], "oC0", alpha=0.5)
    lines[0].set_label("other starts")
    axes.plot(samples, found.ratios[:, 0], "DC1", markersize=8, fillstyle="none", label="feedforward start")
    plot_theory(axes, samples, np.ones(len(samples)), label="default solver")
    axes.set_xticks(samples if len(samples) <= 16 else samples[::4])
    # Equal energies are drawn as equal: no axis that magnifies their rounding.
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.99), max(high, 1.01))


def stops(record: Record) -> Table:
    """What the script's number of steps reaches, network by network, beside the certified equilibrium."""
    rows = []
    for case in record.cases:
        end = case.curve("gradient descent")
        cells = (f"{end.steps[-1]}", f"{end.residual[-1]:.0e}", f"{end.gradient_error[-1]:.0e}")
        angles = (f"{end.one_minus_cosine[-1]:.1e}", f"{case.reference.one_minus_cosine:.1e}")
        rows.append((f"{case.activation}, {case.shape}", *cells, *angles))
    headings = ("network", "steps", "residual", "gradient error", "1 − cos", "1 − cos at equilibrium")
    return Table(headings, tuple(rows), "Gradient descent on the activities after 100 H steps, rate 0.3.")


def ends(record: Record) -> Table:
    """Whether the ends of long descents are equilibria, and how many minima they are."""
    rows = []
    for found in record.minima:
        left = f"{found.residuals.min():.0e} to {found.residuals.max():.0e}"
        spread = f"{found.ratios.min():.6f} to {found.ratios.max():.6f}"
        rows.append((found.shape, left, spread, f"{found.several} of {len(found.certified)}"))
    headings = ("network", "residuals", "F / F*", "samples with several minima")
    return Table(headings, tuple(rows), f"Ends of descents from {record.settings.starts} starts of every sample.")


def kinks(record: Record) -> Table:
    """What the certificates of the ReLU networks rest on."""
    cases = [case for case in record.cases if case.activation == "relu"]
    rows = tuple(
        (case.shape, f"{case.reference.residual:.2f}", f"{case.stationary}", f"{case.uncertified}") for case in cases
    )
    headings = ("network", "residual", "samples stationary", "uncertified")
    return Table(headings, rows, f"ReLU networks, the default solver, {record.settings.samples} samples.")


def _caption(sentence: str, record: Record) -> str:
    sizes = f"residual networks, muPC, at initialisation, K = {record.settings.outputs}"
    made = record.provenance
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
