"""Which settings the published Figure 4a has: eight hypotheses held against its values before the first update.

The loss, how inference is done and how images are prepared are not in the picture; each combination predicts other
cosines.  tanh residual networks on CIFAR-10, a batch and an initialisation for each seed.

Source: arXiv:2602.07697, Figure 4a; the comparison is ours, see the chapter "Nonlinear networks".
"""

import itertools
import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import Preparation, Selection, figure4, images
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.energy import Loss, Problem, cross_entropy, squared_error
from pcn_lib.experiments.concurrently import at_once
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.experiments.published_inference import published_inference
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Solver, SweepsThenNewton
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import Provenance, provenance
from pcn_lib.statistics import Agreement, agreement

#: The three choices, in the order of the record's axes.
LOSSES: dict[str, Loss] = {"squared error": squared_error, "cross-entropy": cross_entropy}
INFERENCE = ("equilibrium", "100 H steps")
PREPARATIONS = ("authors", "standardised")


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        widths: N.
        depth: L.
        samples: B, in one batch.
        batches: each with an initialisation of its own.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seed: of the first batch.
    """

    data_set: str = "digits"
    widths: tuple[int, ...] = (8, 16)
    depth: int = 32
    samples: int = 64
    batches: int = 3
    tolerance: float = 1e-5
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, depth=2, samples=1, batches=2)

    @property
    def solvers(self) -> tuple[Solver, Solver]:
        """Those of :data:`INFERENCE`."""
        return SweepsThenNewton(tolerance=self.tolerance), published_inference(self.depth - 1)


PUBLISHED_WIDTHS = (8, 32, 64, 128, 256, 512)
PRESETS = {
    "smoke": Settings(widths=(8,), depth=8, samples=8, batches=2),
    "quick": Settings(),
    "full": Settings(data_set="cifar10", widths=PUBLISHED_WIDTHS, batches=24),
    "paper": Settings(data_set="cifar10", widths=PUBLISHED_WIDTHS, batches=24),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """What the study measured; axes [losses, inference, preparations, batches, widths].

    Attributes:
        settings: how.
        provenance: where and when, with the data set really used.
        data_name: of that data set.
        cosine: of predictive coding's gradient and backpropagation's before the first update.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
    """

    settings: Settings
    provenance: Provenance
    data_name: str
    cosine: Float[np.ndarray, "losses inference preparations batches widths"]
    residual: Float[np.ndarray, "losses inference preparations batches widths"]

    def draws(self, loss: str, inference: str, prepared: str) -> Float[np.ndarray, "batches widths"]:
        """The cosines of one hypothesis."""
        return self.cosine[list(LOSSES).index(loss), INFERENCE.index(inference), PREPARATIONS.index(prepared)]


def run(settings: Settings) -> Record:
    """Measure every hypothesis on the same batches and weights, in float32 as the paper does."""
    start = time.perf_counter()
    seeds = range(settings.seed, settings.seed + settings.batches)
    sets = {
        prepared: [
            images(
                settings.data_set,
                Selection(settings.samples, seed),
                preparation=Preparation.named(prepared),
                default="digits",
            )
            for seed in seeds
        ]
        for prepared in PREPARATIONS
    }
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    stacks = [
        tuple(jnp.asarray(np.stack([getattr(data, name) for data in batches]), "float32") for name in ("x", "y"))
        for batches in sets.values()
    ]
    size = (len(LOSSES), len(INFERENCE), len(PREPARATIONS), settings.batches, len(settings.widths))
    found = np.empty((2, *size))

    def fill(place: tuple[int, int, int]) -> None:
        i, j, k = place
        (x, y), loss, solver = stacks[0], list(LOSSES.values())[i], settings.solvers[j]
        mlp = MLP(x.shape[-1], settings.widths[k], settings.depth, y.shape[-1], activation=jnp.tanh, skips=True)
        for p, batches in enumerate(stacks):
            found[:, i, j, p, :, k] = _measure(mlp, loss, solver, keys, batches)

    at_once(fill, np.ndindex(len(LOSSES), len(INFERENCE), len(settings.widths)))
    data = sets[PREPARATIONS[0]][0]
    made = provenance(
        settings, seconds=time.perf_counter() - start, data_set=data.note, seeds=tuple(seeds), dtype="float32"
    )
    return Record(settings, made, data.name, *found)


@partial(jax.jit, static_argnames=("mlp", "loss", "solver"))
def _measure(mlp: MLP, loss: Loss, solver: Solver, keys: Array, batches: tuple[Array, Array]) -> Float[Array, "2 _"]:
    """Cosines and largest residuals of all batches at once: a step of many small networks fills an accelerator."""

    def one(key, x, y):
        problem = Problem(mlp.init(key, mupc_skips(), "float32"), x, y, loss)
        reached = solver(problem)
        alike = compare(pc_gradient(problem, reached), bp_gradient(problem)).total
        return jnp.stack([alike.cosine, jnp.max(reached.residual)])

    return jax.vmap(one, out_axes=1)(keys, *batches)


#: The hypothesis that the published values agree with.
FITTING = ("squared error", "equilibrium", "authors")


def is_papers(record: Record | None) -> bool:
    """Whether a record can be held against the published picture: CIFAR-10, its depth, its widths."""
    if record is None or record.data_name != "cifar10" or record.settings.depth != 32:
        return False
    return record.settings.widths == PUBLISHED_WIDTHS


def published_start(widths: tuple[int, ...]) -> Float[np.ndarray, " widths"]:
    """The published cosines at the first step that can be read, t = 1; one update moves them by less than that."""
    curves = {curve.width: curve for curve in figure4("mlp")}
    return np.array([curves[width].cosine[0] for width in widths])


def agreements(record: Record) -> dict[tuple[str, str, str], Agreement]:
    """Each hypothesis held against the published cosines, the nearest first."""
    published = published_start(record.settings.widths)
    found = {
        choice: agreement(published, record.draws(*choice), error=FIGURE4_ERROR)
        for choice in itertools.product(LOSSES, INFERENCE, PREPARATIONS)
    }
    return dict(sorted(found.items(), key=lambda item: item[1].distance))
