"""Lazy and rich learning: deep linear networks over the output scale gamma_0, and their limit of infinite width (E4).

Source: arXiv:2602.07697, Figures A.3 (without skips, with the limit's curve) and A.22 (with skips).
"""

import time
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, toy_task
from pcn_lib.dmft import InfiniteWidth, LearningCurve, kernel_regression, learning_curve
from pcn_lib.experiments.output_scales import Trainings, stack_trainings, train_at_scales
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.network import MLP
from pcn_lib.results import Provenance, provenance


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of the data and of the first initialisation.
        inputs: D.
        samples: P, all in one batch.
        depth: L.
        gammas: output scales gamma_0, ascending.
        lazy: further gamma_0, near zero, at which only the limit is solved.
        widths: N without skips, ascending.
        skip_widths: N with skips, ascending.
        rate: eta.
        steps: T, measured before each of as many updates.
        seeds: initialisations.

    Raises:
        SettingsError: a size too small, or a gamma_0 that is not positive.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    depth: int = 5
    gammas: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 3.0, 4.0)
    lazy: tuple[float, ...] = (0.025, 0.05, 0.1)
    widths: tuple[int, ...] = (32, 128, 512)
    skip_widths: tuple[int, ...] = (32, 256)
    rate: float = 0.015
    steps: int = 100
    seeds: int = 1

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, depth=2, widths=2, skip_widths=2, steps=2, seeds=1)
        for name in ("gammas", "lazy"):
            if len(getattr(self, name)) < 2 or not min(getattr(self, name)) > 0:
                raise SettingsError(f"{name} = {getattr(self, name)} given; two or more positive numbers are needed")
        for name in ("gammas", "lazy", "widths", "skip_widths"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))

    def limit(self, gamma_0: float) -> InfiniteWidth:
        """The network of infinite width at one output scale."""
        return InfiniteWidth(self.depth, self.rate, self.steps, gamma_0)


PRESETS = {
    "smoke": Settings(gammas=(0.1, 1.0, 4.0), widths=(64, 256), skip_widths=(16, 64)),
    "quick": Settings(),
    "full": Settings(widths=(32, 128, 512, 2048), skip_widths=(32, 128, 512)),
    "paper": Settings(widths=(32, 128, 512, 2048), skip_widths=(32, 128, 512, 2048), seeds=3),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        trained: networks without skips; axes [widths, seeds, gammas, steps].
        skips: networks with skips; axes [skip_widths, seeds, gammas, steps].
        limit_loss: Loss at infinite width, without skips; axes [gammas, steps].
        limit_moved: ||h(t) - h(0)|| / ||h(0)|| of the last hidden layer there; axes [gammas, steps].
        disagreement: the largest certificate of these limits.
        lazy_distance: largest |Delta - Delta of kernel regression|, for ``settings.lazy``.
        lazy_moved: movement of the last hidden layer at the last step, for ``settings.lazy``.
        regression_loss: Loss of kernel regression with the kernel L Kx; axes [steps].
    """

    settings: Settings
    provenance: Provenance
    trained: Trainings
    skips: Trainings
    limit_loss: Float[np.ndarray, "gammas steps"]
    limit_moved: Float[np.ndarray, "gammas steps"]
    disagreement: float
    lazy_distance: Float[np.ndarray, " lazy"]
    lazy_moved: Float[np.ndarray, " lazy"]
    regression_loss: Float[np.ndarray, " steps"]


def run(settings: Settings) -> Record:
    """Solve the limits, and train networks of every width at every output scale; the claims assume float64.

    Raises:
        NoLearningCurve: gradient descent diverges at this rate, at infinite width.
    """
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    y, Kx = task.y[:, 0], task.x @ task.x.T / settings.inputs
    limits = [learning_curve(Kx, y, settings.limit(gamma)).require() for gamma in settings.gammas]
    lazy = [learning_curve(Kx, y, settings.limit(gamma)).require() for gamma in settings.lazy]
    regression = kernel_regression(Kx, y, settings.limit(settings.lazy[0]))
    outputs = np.array([y - curve.residuals for curve in limits])
    trained = _train_widths(settings, task, settings.widths, False, outputs)
    skips = _train_widths(settings, task, settings.skip_widths, True, np.full_like(outputs, np.nan))
    seconds = time.perf_counter() - start
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    return Record(
        settings,
        provenance(settings, seconds=seconds, data_set=task.note, seeds=seeds),
        trained,
        skips,
        np.array([curve.loss for curve in limits]),
        np.array([moved(curve) for curve in limits]),
        max(curve.disagreement for curve in limits),
        np.array([np.abs(curve.residuals - regression).max() for curve in lazy]),
        np.array([moved(curve)[-1] for curve in lazy]),
        np.mean(regression**2, axis=1) / 2,
    )


def moved(curve: LearningCurve) -> Float[np.ndarray, " steps"]:
    """||h(t) - h(0)|| / ||h(0)|| of the last hidden layer at infinite width, norms over samples and units."""
    now, overlap = (np.trace(kernels[-1], axis1=1, axis2=2) for kernels in (curve.features, curve.overlaps))
    # A difference of nearly equal numbers: rounding may leave a small negative one where nothing has moved.
    return np.sqrt(np.maximum(now - 2 * overlap + now[0], 0) / now[0])


def _train_widths(
    settings: Settings, task: Dataset, widths: tuple[int, ...], skips: bool, limits: np.ndarray
) -> Trainings:
    data = tuple(jnp.asarray(a, jnp.zeros(()).dtype) for a in (task.x, task.y))
    mlp = MLP(settings.inputs, widths[0], settings.depth, skips=skips)
    return stack_trainings(
        [
            stack_trainings(
                [
                    train_at_scales(
                        replace(mlp, width=width),
                        data,
                        settings.gammas,
                        settings.rate,
                        seed=settings.seed + seed,
                        limits=limits,
                    )
                    for seed in range(settings.seeds)
                ]
            )
            for width in widths
        ]
    )
