"""Pictures of stability in width."""

import numpy as np
from matplotlib.axes import Axes

from pcn_lib.experiments.stable_widths import METHODS, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled

#: Exponents beyond this are all "explodes" to the eye.
CLIP = 2.0
NAMES = {"output": "prediction $f$", "hidden": "features $h_{L-1}$"}


@styled()
def phase_diagram(record: Record) -> Picture:
    """Fitted exponents over (d, c), of prediction and features, PC beside BP, with the predicted boundaries."""
    figure, axes = axes_grid(2, 2, size=(9.6, 7.6), sharex=True, sharey=True)
    for row, which in zip(axes, NAMES, strict=True):
        for panel, method, fitted in zip(row, METHODS, record.fitted(which), strict=True):
            image = _cells(panel, record, fitted)
            panel.set_title(f"{method}: {NAMES[which]}")
    for panel in axes[:, 0]:
        panel.set_ylabel("rate exponent $c$")
    for panel in axes[1]:
        panel.set_xlabel("readout exponent $d$")
    figure.colorbar(image, ax=axes, label="fitted exponent in $N$ (blue shrinks, red grows)", shrink=0.8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return Picture(
        figure,
        _caption(
            f"Exponent in N of what {record.settings.steps} steps of gradient descent move. Nothing explodes on and "
            "above both lines; stable pairs lie on the dashed one, and at muPC, where they meet, features move too",
            record,
        ),
        alt="Four maps over the readout exponent d and the rate exponent c: prediction above, features below, "
        "predictive coding left, backpropagation right. Colours change from blue to red along the dashed line c = -2d "
        "for the prediction and the dotted line c = -d - 1/2 for the features; left and right look alike there.",
        records=(record,),
    )


def _cells(panel: Axes, record: Record, fitted: np.ndarray):
    d, c = record.settings.ds, record.settings.cs
    image = panel.pcolormesh(d, c, np.clip(fitted, -CLIP, CLIP).T, cmap="RdBu_r", vmin=-CLIP, vmax=CLIP)
    edge = np.array([min(d), max(d)])
    panel.plot(edge, -2 * edge, color="#222222", linestyle="--", label=r"$\Delta f = \Theta(1)$: $c = -2d$")
    panel.plot(edge, -edge - 0.5, color="#222222", linestyle=":", label=r"$\Delta h = \Theta(h)$: $c = -d - 1/2$")
    mark = dict(linestyle="none", markersize=9, markeredgecolor="#222222", markerfacecolor="white")
    panel.plot([0.5], [-1.0], marker="*", label="muPC", **mark | {"markersize": 14})
    panel.plot([0.0], [0.0], marker="o", label="NTP", **mark)
    panel.plot([0.0], [-1.0], marker="X", label="SP, but for its input layer", **mark)
    panel.grid(False)
    return image


@styled()
def standard(record: Record) -> Picture:
    """How far the output moves at each step against width: SP beside muPC, PC beside BP."""
    settings = record.settings
    figure, axes = axes_grid(1, 2, sharey=True)
    d, c = settings.ds.index(0.5), settings.cs.index(-1.0)
    mupc = record.grid.output[d * len(settings.cs) + c]
    for panel, method, sp, flat in zip(axes, METHODS, record.sp.output[0], mupc, strict=True):
        for step in range(settings.steps):
            label = f"SP, step {step + 1}"
            plot_seeds(panel, settings.widths, sp[step].T, colour=f"C{step}", marker="o", label=label)
        plot_seeds(panel, settings.widths, flat[-1].T, colour="C6", marker="s", label=f"muPC, step {settings.steps}")
        base = sp[0, 0].mean()
        plot_theory(panel, settings.widths, base * np.array(settings.widths) / settings.widths[0], label=r"$\propto N$")
        panel.set(xlabel="width $N$", xscale="log", yscale="log", title=method)
        panel.set_xticks(settings.widths, settings.widths)
        panel.minorticks_off()
    axes[0].set_ylabel("movement of the output, rms of $f(t) - f(0)$")
    axes[0].legend()
    return Picture(
        figure,
        _caption("Output after 1, 2 and 3 steps at a rate that does not depend on width: mean and range", record),
        alt="Movement of the output against width on logarithmic axes. Under SP the first step grows as N for "
        "predictive coding and backpropagation alike; predictive coding's lines lie several times lower. Under muPC "
        "they are flat.",
        records=(record,),
    )


@styled()
def equilibrium(record: Record) -> Picture:
    """F*/Loss and z* - h against width for every d."""
    settings = record.settings
    figure, (left, right) = axes_grid(1, 2)
    widths = np.array(settings.widths, dtype=float)
    for i, d in enumerate(settings.ds):
        cell = i * len(settings.cs)
        look = dict(colour=f"C{i % 7}", marker="o", label=f"$d = {d:g}$")
        plot_seeds(left, widths, record.grid.energy_ratio[cell].T, **look)
        plot_theory(left, widths, 1 / (1 + (settings.depth - 1) * widths ** (-2 * d)))
        shift = record.grid.shift[cell]
        plot_seeds(right, widths, shift.T, **look)
        plot_theory(right, widths, shift[-1].mean() * (widths / widths[-1]) ** (-d - 0.5))
    left.set(ylabel=r"$\mathcal{F}^* / \mathcal{L}$", ylim=(0, 1.04))
    right.set(ylabel="rms of $z^*_{L-1} - h_{L-1}$", yscale="log")
    right.legend()
    for panel in (left, right):
        panel.set(xlabel="width $N$", xscale="log")
        panel.set_xticks(settings.widths, settings.widths)
        panel.minorticks_off()
    return Picture(
        figure,
        _caption(
            "At initialisation: energy over loss, and how far inference moves the activities (dashed: theory)", record
        ),
        alt="Left: F*/Loss against width. It rises to 1 for every positive d and stays at one over L for d = 0. Right: "
        "the distance of the equilibrium from the feedforward pass falls with width for every d, as N to the -d - 1/2.",
        records=(record,),
    )


def _caption(sentence: str, record: Record) -> str:
    settings, made = record.settings, record.provenance
    widths = ", ".join(map(str, settings.widths))
    sizes = f"linear networks, N = {widths}, L = {settings.depth}, {settings.seeds} seeds"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
