"""Pictures of networks under the standard parameterisation: the rescaling, and training at one rate for all widths."""

import numpy as np

from pcn_lib.experiments.standard_parameterisation import DRAWS, PRESETS, PUBLISHED_RATE, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.figures.table import Table
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.rescaling import expected_rescaling

MARKERS = ("o", "s", "^", "D")


@styled()
def rescaling(record: Record, larger: Record | None = None) -> Picture:
    """s - 1 at initialisation against depth and against width, with its expectation and a recorded larger run."""
    settings = record.settings
    figure, (left, right) = axes_grid(1, 2, size=(10.2, 4.6), sharey=True)
    for i, kind in enumerate(record.kinds):
        style = dict(color=f"C{i}", marker=MARKERS[i])
        left.plot(settings.depths, kind.sampled.mean(axis=1), linestyle="none", label=kind.name, **style)
        plot_theory(left, np.array(settings.depths), np.array(kind.expected))
        plot_seeds(
            right, np.array(settings.widths), kind.trained.rescaling[..., 0].T, colour=f"C{i}", marker=MARKERS[i]
        )
        if larger is not None:
            points = larger.kinds[i].trained.rescaling[..., 0].mean(axis=1)
            right.plot(larger.settings.widths, points, "o", mfc="none", color=f"C{i}", markersize=10)
    _mupc(left, right, record)
    plot_theory(left, [], [], label="expected")
    if larger is not None:
        left.plot([], [], "o", mfc="none", color="#555555", markersize=10, label="recorded: full size")
    left.set(xscale="log", yscale="log", xlabel="depth $L$", ylabel="$s - 1$", title=f"$N = {settings.widths[-1]}$")
    right.set(xscale="log", xlabel="width $N$", title=f"$L = {settings.depth}$")
    for axes, sizes in ((left, settings.depths), (right, (larger or record).settings.widths)):
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    sentence = (
        f"The rescaling before training: left, means of {settings.draws} draws against depth; right, mean and range of "
        "the trained networks' seeds against width; dashed, expected; grey, what muPC has at the same sizes"
    )
    alt = (
        "Two panels with a logarithmic vertical axis. Left, against depth the rescaling follows the dashed lines: "
        "it doubles with every layer for variance 1/N with skips, grows in proportion without, and stays near one half "
        "for variance 1/3N without skips. Right, against width it does not fall, while muPC's does."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record, larger))


def _mupc(left, right, record: Record) -> None:
    settings = record.settings
    for skips, line in ((False, ":"), (True, "-.")):
        name = f"muPC, {'with' if skips else 'without'} skips"
        parameterisation = mupc_skips() if skips else mupc()

        def expected(width: int, depth: int, skips=skips, parameterisation=parameterisation) -> float:
            return expected_rescaling(MLP(settings.inputs, width, depth, skips=skips), parameterisation)

        by_depth = [expected(settings.widths[-1], depth) for depth in settings.depths]
        left.plot(settings.depths, by_depth, color="#888888", linestyle=line, label=name)
        by_width = [expected(width, settings.depth) for width in settings.widths]
        right.plot(settings.widths, by_width, color="#888888", linestyle=line)


@styled()
def training(record: Record) -> Picture:
    """F*, losses and the rescaling over training, a column for each kind: the axes of the published figures."""
    settings = record.settings
    figure, panels = axes_grid(3, len(record.kinds), size=(12.0, 8.2), sharex=True)
    steps = np.arange(settings.steps + 1)
    for column, kind in zip(panels.T, record.kinds, strict=True):
        for i, (width, colour) in enumerate(zip(settings.widths, width_colours(settings.widths), strict=True)):
            one = kind.trained[i]
            plot_seeds(column[0], steps, _finite(one.energy), colour=colour, label=rf"$\mathcal{{F}}^*$, $N = {width}$")
            losses = _finite(one.bp_loss).mean(axis=0)
            column[0].plot(steps, losses, color=colour, linestyle=":", label=f"BP, $N = {width}$")
            plot_seeds(column[1], steps, _finite(one.rescaling), colour=colour)
            plot_seeds(
                column[2],
                steps,
                1 - np.where(np.isfinite(_finite(one.pc_loss)), one.same_weights, np.nan),
                colour=colour,
            )
        rate = f"{kind.rate:.2g}"
        column[0].set_title(f"{kind.name.replace(', ', chr(10))}\n$\\eta$ = {rate}", fontsize=11)
        column[0].set(yscale="log")
        column[1].set(yscale="log")
        column[2].set(ylim=(-1.05, 1.05), xlabel="training step $t$")
    for axes, label in zip(panels[:, 0], ("energy or loss", "$s - 1$", "cos(BP, PC)"), strict=True):
        axes.set(ylabel=label)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    sentence = (
        "SP at one rate for all widths, matched to muPC's first step at the narrowest: energies (solid) and "
        "backpropagation's losses (dotted), the rescaling and the cosine on predictive coding's weights"
    )
    alt = (
        "Four columns, one for each draw of SP without and with skips, and three rows over the training step. Energies "
        "lie far below the losses at every width, the rescaling does not fall with width, and the cosines do not "
        "approach 1 together."
    )
    return Picture(figure, _caption(record, sentence), alt, records=(record,))


def _finite(values: np.ndarray) -> np.ndarray:
    """Nothing from the step at which a training diverges."""
    with np.errstate(invalid="ignore"):
        outside = ~(np.abs(values) < 1e12)
    return np.where(np.logical_or.accumulate(outside, axis=-1), np.nan, values)


def _caption(record: Record, sentence: str) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"linear networks, SP, trained at H = {settings.depth - 1}, gradient descent, seeds: {settings.seeds}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")


def start(record: Record) -> Table:
    """The widest network before training, kind by kind."""
    rows = []
    for kind in record.kinds:
        one = kind.trained[-1, :, 0]
        numbers = (one.pc_output, one.rescaling, 1 - one.gap, 1 - one.same_weights, one.norm_ratio)
        rows.append((kind.name, f"{kind.rate:.2g}", *(f"{np.median(values):.2g}" for values in numbers)))
    width, depth = record.settings.widths[-1], record.settings.depth
    headings = ("SP", "rate", "output (rms)", "s − 1", "F*/Loss", "cos", "norm ratio PC/BP")
    return Table(headings, tuple(rows), f"Before training at N = {width}, L = {depth}: medians over the seeds.")


def against_paper(record: Record) -> Table:
    """The published settings, this run's, and why they differ."""
    s, paper, same = record.settings, PRESETS["paper"], "–"
    published, given = (", ".join(map(str, sizes)) for sizes in (paper.widths, s.widths))
    rows = (
        ("data", "toy task, D = 40, 20 samples", record.provenance.data_set, same),
        ("hidden layers H", "15", str(s.depth - 1), same if s.depth == paper.depth else "time"),
        ("widths N", published, given, same if published == given else "time"),
        ("draw", "uniform, variance 1/(3 fan-in)", " and ".join(name for name, _ in DRAWS), "both are called SP"),
        (
            "rate",
            f"{PUBLISHED_RATE:g}, as for muPC",
            ", ".join(f"{kind.rate:.2g}" for kind in record.kinds),
            "no one rate suits the four kinds: each is matched to muPC's first step at the narrowest width",
        ),
        ("training steps", "100", str(s.steps), same if s.steps == paper.steps else "time"),
        ("inference", "exact equilibrium", "exact equilibrium, certified", same),
    )
    return Table(("", "paper", "this run", "difference and why"), rows, "The published settings and this run's.")
