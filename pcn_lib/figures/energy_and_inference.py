"""Pictures of activities relaxing to their equilibrium."""

import numpy as np

from pcn_lib.experiments.energy_and_inference import PLACES, Record
from pcn_lib.figures import Picture, axes_grid, caption, plot_theory, styled


@styled()
def relaxation(record: Record) -> Picture:
    """Activities and energy of every layer against inference steps, with the certified equilibrium."""
    depth, steps = record.settings.depth, np.array(record.settings.steps)
    figure, panels = axes_grid(2, depth, size=(12.0, 5.6), sharex=True, sharey="row")
    seen, final = record.relaxation, record.equilibrium
    for layer in range(depth - 1):
        panels[0, layer].plot(steps, seen.activities[:, layer], color="C0", alpha=0.8)
        for value in final.activities[0, layer]:
            plot_theory(panels[0, layer], steps, np.full(len(steps), value))
        panels[0, layer].set_title(f"layer {layer + 1}")
    # What the output gains on its feedforward value, on the same axis as the activities.
    panels[0, -1].plot(steps, seen.outputs - seen.outputs[0], color="C1")
    plot_theory(panels[0, -1], steps, np.full(len(steps), final.outputs[0] - seen.outputs[0]))
    panels[0, -1].set_title("output")
    for layer, axes in enumerate(panels[1]):
        axes.plot(steps, seen.energies[:, layer], color="C1" if layer == depth - 1 else "C0", marker="o")
        plot_theory(axes, steps, np.full(len(steps), final.energies[0, layer]))
        axes.set_xscale("symlog", linthresh=1)
    panels[0, 0].set_ylabel(r"moved, $z_l - h_l$")
    panels[1, 0].set_ylabel(r"energy, $\frac{1}{2}\|e_l\|^2$ or loss")
    figure.supxlabel("inference steps")
    return Picture(
        figure,
        _caption(
            "Activities of some units (above) and energy (below) of every layer; dashed, certified equilibrium", record
        ),
        alt="Two rows of panels, one column for each layer and one for the output, against inference steps. Activities "
        "start at the feedforward pass, move first near the output, and settle on the dashed equilibrium values. The "
        "loss falls while the hidden layers' energies rise from zero to theirs.",
        records=(record,),
    )


@styled()
def convergence(record: Record) -> Picture:
    """What has converged when: against inference steps, and against the distance to the equilibrium."""
    figure, (left, right) = axes_grid(1, 2, size=(10.5, 4.4))
    steps, seen = np.array(record.settings.steps[1:]), record.relaxation
    places = np.array(PLACES)
    gap = seen.energies.sum(axis=1) / record.equilibrium.energies.sum() - 1
    curves = (
        (gap, record.neighbourhood.energy_gap, 2, r"energy, $F / F^* - 1$"),
        (seen.gradient_error, record.neighbourhood.gradient_error, 1, r"error of $\partial F / \partial \theta$"),
    )
    for i, (descent, between, power, label) in enumerate(curves):
        left.plot(steps, descent[1:], color=f"C{i}", marker="o", label=label)
        right.plot(places, between, color=f"C{i}", marker="o", linestyle="none")
        plot_theory(right, places, between[-1] * (places / places[-1]) ** power)
    left.plot(steps, seen.residual[1:], color="C2", marker="o", label=r"certificate, $\|\partial F / \partial z\|$")
    left.set(xlabel="inference steps", ylabel="relative to equilibrium", xscale="log", yscale="log")
    right.set(xlabel=r"place $t$ in $z^* + t\,(h - z^*)$", xscale="log", yscale="log")
    plot_theory(right, [], [], label="slopes 2 and 1")
    left.legend()
    right.legend()
    return Picture(
        figure,
        _caption(
            "Energy, gradient and certificate on the way to equilibrium, and between it and the feedforward pass",
            record,
        ),
        alt="Left, log-log against inference steps: energy gap, gradient error and relative gradient norm fall, the "
        "energy gap twice as steeply as the gradient error. Right, against the distance to equilibrium: the energy gap "
        "follows a dashed line of slope 2, the gradient error one of slope 1.",
        records=(record,),
    )


def _caption(sentence: str, record: Record) -> str:
    settings, made = record.settings, record.provenance
    sizes = f"tanh network, SP, N = {settings.width}, L = {settings.depth}, descent in steps of {settings.step_size:g}"
    return caption(sentence, data=made.data_set, sizes=sizes, device=f"{made.device}, {made.dtype}")
