"""What a training measured, as the named variables of a grid."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from pcn_lib.training import History


def curves(history: "History", *, output_precision: float = 1.0, axes: tuple[str, ...] = ("step",)) -> dict[str, tuple]:
    """A history's variables, for ``measure`` of :func:`pcn_lib.study.grid` to return.

        def measure(width, seed):
            return curves(train(problem(width, seed), Adam(1e-3), Schedule(100, solver)).history)

    Args:
        history: of :func:`~pcn_lib.training.train`, or of :func:`~pcn_lib.training.at_start` with ``axes=()``.
        output_precision: lambda; energies are divided by it, so that an energy and a loss have one unit.
        axes: names of the history's leading axes.

    Returns:
        ``energy`` (F* / lambda), ``pc_loss``, ``bp_loss``, ``one_minus_cosine`` and ``norm_ratio`` of the whole
        gradient, ``layers`` (1 - cos of each layer with weights, further axis ``layer``), ``residual``,
        ``converged``, ``inference_steps``; and the probe's, if it returned a mapping or a named tuple of scalars.
    """
    total, layers = history.comparison.total, history.comparison.layers
    found: dict[str, Any] = dict(
        energy=history.energy / output_precision,
        pc_loss=history.pc_loss,
        bp_loss=history.bp_loss,
        one_minus_cosine=total.one_minus_cosine,
        norm_ratio=total.norm_ratio,
        residual=history.residual,
        converged=history.converged,
        inference_steps=history.inference_steps,
    )
    probe = history.probe
    if probe is not None:
        found |= probe if isinstance(probe, Mapping) else probe._asdict()
    named = {name: (axes, jnp.asarray(values)) for name, values in found.items()}
    return named | {"layers": ((*axes, "layer"), layers.one_minus_cosine)}


def parts(values: ArrayLike, count: int) -> tuple[str, np.ndarray]:
    """A curve as at most ``count`` means over equal parts of the training, for ``measure`` of a grid to return.

    Args:
        values: one for each update; those that fill no part are left out at the beginning.
        count: of parts.
    """
    values = np.asarray(values)
    length = max(1, len(values) // count)
    return "part", values[len(values) % length :].reshape(-1, length).mean(axis=1)[-count:]
