"""Pictures of the activity Hessian: its ends over width and depth, and what they cost."""

import numpy as np

from pcn_lib.experiments.activity_hessian import TOLERANCE, Record, skip_chain_ends
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled
from pcn_lib.figures.table import Table

#: A colour and a mark for each architecture.
MARKS = {
    "linear MLP": ("#009E73", "s"),
    "tanh MLP": ("#0072B2", "o"),
    "CNN": ("#D55E00", "^"),
    "transformer": ("#CC79A7", "D"),
    "transformer, trained": ("#c1272d", "*"),
}
#: Colour of the run at full size that is kept with the book.
RECORDED = "#666666"


@styled()
def ends(record: Record, recorded: Record | None = None) -> Picture:
    """Smallest and largest eigenvalue against width and against depth.

    Args:
        record: this run.
        recorded: the run at full size that is kept with the book, drawn in grey; None for none.
    """
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.3), sharey=True)
    hidden = record.settings.depth - 1
    for kind in ("linear MLP", "tanh MLP"):
        rows = record.rows(kind, hidden=hidden)
        _ends(left, record.width[rows], record, rows, kind)
    rows = record.rows("tanh MLP", width=record.settings.width)
    _ends(right, record.hidden[rows], record, rows, "tanh MLP")
    if recorded is not None:
        across = recorded.rows("tanh MLP", hidden=hidden)
        down = recorded.rows("tanh MLP", width=record.settings.width)
        for axes, x, there in ((left, recorded.width[across], across), (right, recorded.hidden[down], down)):
            for part in (recorded.smallest, recorded.largest):
                axes.plot(x, part[there], color=RECORDED, marker="o", fillstyle="none", markersize=9, linewidth=1)
        left.plot([], [], "o-", color=RECORDED, fillstyle="none", label="tanh MLP, recorded: full size")
    for axes, x in ((left, record.width[record.rows("tanh MLP", hidden=hidden)]), (right, record.hidden[rows])):
        chains = [skip_chain_ends(hidden if axes is left else int(size)) for size in x]
        plot_theory(axes, x, [low for low, _ in chains], label="bare skips")
        plot_theory(axes, x, [high for _, high in chains])
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(x, x)
        axes.minorticks_off()
    left.set(xlabel=f"width $N$ ($H = {hidden}$)", ylabel="eigenvalues of $\\partial^2\\mathcal{F}/\\partial z^2$")
    right.set(xlabel=f"hidden layers $H$ ($N = {record.settings.width}$)")
    left.legend()
    sentence = (
        "Smallest (lower) and largest (upper) eigenvalue of the activity Hessian at the equilibrium, residual MLPs, "
        "against width and against depth; dashed, the chain of bare skips"
    ) + _kept(recorded)
    alt = (
        "Two panels on logarithmic axes. Against the width both ends settle. Against the number of hidden layers the "
        "smallest falls like its square and lies below the dashed chain; the largest hardly changes."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


def _kept(recorded: Record | None) -> str:
    return "" if recorded is None else "; grey, the recorded run at full size"


def _ends(axes, x: np.ndarray, record: Record, rows: np.ndarray, kind: str) -> None:
    colour, mark = MARKS[kind]
    axes.plot(x, record.smallest[rows], color=colour, marker=mark, label=kind)
    axes.plot(x, record.largest[rows], color=colour, marker=mark)


@styled()
def cost(record: Record, recorded: Record | None = None) -> Picture:
    """Steps of gradient descent and of the solver against the condition number in z.

    Args:
        record: this run.
        recorded: the run at full size that is kept with the book, drawn in grey; None for none.
    """
    figure, axes = axes_grid(1, 1, size=(7.4, 4.6))
    for kind, (colour, mark) in MARKS.items():
        rows = record.rows(kind)
        if len(rows):
            axes.plot(record.condition[rows], record.descent_steps[rows], mark, color=colour, label=kind)
            axes.plot(record.condition[rows], record.solver_steps[rows], mark, color=colour, markerfacecolor="none")
    shown = record.condition
    if recorded is not None:
        shown = np.append(shown, recorded.condition)
        style = dict(color=RECORDED, zorder=1)
        axes.plot(recorded.condition, recorded.descent_steps, "x", label="recorded: full size", **style)
        axes.plot(recorded.condition, recorded.solver_steps, "+", **style)
    range_of_k = np.geomspace(shown.min(), shown.max(), 50)
    bound = np.log(1 / TOLERANCE) / np.log((range_of_k + 1) / (range_of_k - 1))
    plot_theory(axes, range_of_k, bound, label="descent, at most")
    axes.set(xscale="log", yscale="log", ylabel=f"steps to a residual of {TOLERANCE:g}")
    axes.set(xlabel="condition number of $\\partial^2\\mathcal{F}/\\partial z^2$")
    axes.legend(loc="upper left")
    sentence = (
        "Gradient-descent steps on the activities at the best constant rate (filled) and steps of sweeps and Newton's "
        "method in the errors (open) against the condition number; dashed, the bound for descent"
    ) + _kept(recorded)
    alt = (
        "Filled marks rise in proportion to the condition number, below the dashed bound. Open marks stay below twenty "
        "steps whatever the condition number."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, recorded))


def table(record: Record) -> Table:
    """Every network: the ends of both Hessians, and the steps of both ways of inference."""
    rows = []
    for i, kind in enumerate(record.architectures):
        rows.append((
            f"{kind}, N = {record.width[i]}, H = {record.hidden[i]}",
            f"{record.smallest[i]:.3g} to {record.largest[i]:.3g}", f"{record.condition[i]:.3g}",
            f"{record.error_smallest[i]:.3g} to {record.error_largest[i]:.3g}",
            f"{record.descent_steps[i]}", f"{record.solver_steps[i]}",
        ))  # fmt: skip
    headings = ("network", "in z", "condition", "in e", "descent", "solver")
    note = f"Ends of the spectra, and steps to a relative residual of {TOLERANCE:g}. Data: {record.provenance.data_set}"
    return Table(headings, tuple(rows), note)


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"samples: {settings.samples}, seeds: 1, muPC with skips (MLPs, CNN) and CompleteP (transformers)"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
