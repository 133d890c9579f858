"""Convolutional networks on images of the published size: the certified equilibrium, and what the script's count gives.

Source: arXiv:2602.07697, Figure 4b, whose images have 224 pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pcn_lib.energy import Problem
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.experiments.trainings import Curves, at_start, stopped_after, trained
from pcn_lib.inference import ActivityDescent, Solver
from pcn_lib.training import Optimiser, Schedule

#: Side of the published images, in pixels.
PUBLISHED_SIDE = 224


@dataclass(frozen=True)
class LargeImages:
    """Both protocols on large images.

    Attributes:
        side: of the images, in pixels.
        certified: equilibria before the first update, for ``settings.large_widths`` and every draw; one step.
        stopped: the same after the script's number of steps; one step.
        trained: the first draw trained at certified equilibria, for ``settings.large_trained``.
        script: the same trained by the script's protocol.
    """

    side: int
    certified: Curves
    stopped: Curves
    trained: Curves
    script: Curves

    @property
    def published(self) -> bool:
        """Whether the images have the published size."""
        return self.side == PUBLISHED_SIDE


def measure_large(
    problem: Callable[[int, int], Problem],
    widths: tuple[tuple[int, ...], tuple[int, ...]],
    draws: int,
    solvers: tuple[Solver, ActivityDescent],
    training: tuple[Optimiser, int],
) -> LargeImages:
    """Measure both protocols.

    Args:
        problem: the problem of a width and a draw, which is images and an initialisation.
        widths: those measured before the first update, and those trained.
        draws: how many.
        solvers: the certified one, and the script's.
        training: optimiser and number of updates.
    """
    (measured, learning), (certified, script), (optimiser, steps) = widths, solvers, training
    rows = [[problem(width, draw) for width in measured] for draw in range(draws)]
    first = [[problem(width, 0) for width in learning]]
    return LargeImages(
        int(rows[0][0].x.shape[1]),
        at_start(rows, certified),
        stopped_after(rows, (int(script.steps),), ACTIVITY_RATE),
        trained(first, optimiser, Schedule(steps, certified)),
        trained(first, optimiser, Schedule(steps, script)),
    )
