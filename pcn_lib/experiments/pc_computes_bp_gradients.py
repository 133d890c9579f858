"""How near predictive coding's gradient is to backpropagation's: deep linear networks over width, depth and gamma_0.

Everything is measured at initialisation, at the exact equilibrium, beside what theory predicts with no constant left
to fit (:func:`predict`).
"""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, loss
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.experiments.square_networks import square_cosines
from pcn_lib.gap import Gap
from pcn_lib.gradients import Similarity, bp_gradient, compare, pc_gradient
from pcn_lib.network import MLP
from pcn_lib.numerics import tree_norm
from pcn_lib.parameterisation import Exponents, Parameterisation, abcd, mupc_skips
from pcn_lib.rescaling import LinearExact, rescaling
from pcn_lib.results import Provenance, provenance


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of data and weights.
        inputs: D.
        samples: B.
        widths: N, ascending.
        depths: L, ascending; every width is measured at every depth.
        seeds: initialisations of each network.
        gammas: gamma_0, measured at the middle width and depth.
        squares: N = L of networks as deep as they are wide.
        square_seeds: initialisations of each of these.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    widths: tuple[int, ...] = (32, 128, 512)
    depths: tuple[int, ...] = (2, 8, 32)
    seeds: int = 4
    gammas: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
    squares: tuple[int, ...] = (16, 64)
    square_seeds: int = 20

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=2, widths=2, depths=2, seeds=2)
        check_sizes(self, squares=2, square_seeds=2)
        for name in ("widths", "depths", "gammas", "squares"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))


PRESETS = {
    "smoke": Settings(widths=(32, 128), depths=(2, 8), seeds=3, gammas=(0.125, 0.25, 0.5, 1.0)),
    "quick": Settings(),
    "full": Settings(
        widths=(32, 64, 128, 256, 512, 1024),
        depths=(2, 4, 8, 16, 32),
        seeds=10,
        squares=(16, 32, 64, 128, 256, 512),
        square_seeds=10,
    ),
    "paper": Settings(
        widths=(32, 64, 128, 256, 512, 1024, 2048),
        depths=(2, 4, 8, 16, 32, 64),
        seeds=10,
        squares=(16, 32, 64, 128, 256, 512),
    ),
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
        alignment: q = ||(1/B) sum_i y_i x_i||^2 / D of the data.
        gap: over the grid; axes [depths, widths, seeds].
        loss_gradient: ||grad Loss|| over the grid; axes [depths, widths, seeds].
        layers: 1 - cos of each layer's gradient, one array for each depth; axes [widths, seeds, L].
        by_gamma: over gamma_0 at the middle sizes; axes [gammas, seeds].
        lazy: the widest network at the middle depth, with a readout multiplier N^-1/2 instead of 1/N; axes [seeds].
        square: cos(grad F*, grad Loss) where N = L; axes [squares, square_seeds].
        residual: the largest relative ||dF/dz|| of all equilibria.
    """

    settings: Settings
    provenance: Provenance
    alignment: float
    gap: Gap
    loss_gradient: Float[np.ndarray, "depths widths seeds"]
    layers: tuple[Float[np.ndarray, "widths seeds _"], ...]
    by_gamma: Gap
    lazy: Gap
    square: Float[np.ndarray, "squares square_seeds"]
    residual: float

    @property
    def middle(self) -> tuple[int, int]:
        """(N, L) at which gamma_0 is varied."""
        return middle(self.settings)

    @property
    def square_cosines(self) -> dict[int, float]:
        """The mean cosine where N = L, by size."""
        means = np.asarray(self.square).mean(axis=1).round(3)
        return dict(zip(self.settings.squares, means.tolist(), strict=True))


def middle(settings: Settings) -> tuple[int, int]:
    """The middle width and depth of the grid."""
    return settings.widths[len(settings.widths) // 2], settings.depths[len(settings.depths) // 2]


@dataclass(frozen=True)
class Measurement:
    """One network: its gap, ||grad Loss||, 1 - cos of each layer, and the certificate."""

    gap: tuple[float, float, float, float]
    loss_gradient: float
    layers: np.ndarray
    residual: float


def run(settings: Settings) -> Record:
    """Measure the whole grid, gamma_0, and the lazy parameterisation; the chapter's claims assume float64."""
    start = time.perf_counter()
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    x, y = (jnp.asarray(a, jnp.zeros(()).dtype) for a in (task.x, task.y))
    grid = [
        [_measure(settings, (x, y), (width, depth), mupc_skips()) for width in settings.widths]
        for depth in settings.depths
    ]
    by_gamma = [_measure(settings, (x, y), middle(settings), mupc_skips(gamma)) for gamma in settings.gammas]
    # Depth-muP's hidden multipliers with the lazy readout, d = 0.
    ntp_skips = abcd(Exponents(d=0.0, c=0.0, alpha=0.5))
    lazy = _measure(settings, (x, y), (settings.widths[-1], middle(settings)[1]), ntp_skips)
    square = square_cosines(task.x, task.y, settings.squares, seeds=settings.square_seeds, seed=settings.seed)
    everything = [m for row in grid for cell in row for m in cell] + [m for cell in [*by_gamma, lazy] for m in cell]
    return Record(
        settings,
        provenance(settings, seconds=time.perf_counter() - start, data_set=task.note, seeds=(settings.seed,)),
        float(jnp.sum(jnp.mean(x * y, axis=0) ** 2)) / settings.inputs,
        _gap([[[m.gap for m in cell] for cell in row] for row in grid]),
        np.array([[[m.loss_gradient for m in cell] for cell in row] for row in grid]),
        tuple(np.array([[m.layers for m in cell] for cell in row]) for row in grid),
        _gap([[m.gap for m in cell] for cell in by_gamma]),
        _gap([m.gap for m in lazy]),
        square,
        max(m.residual for m in everything),
    )


def _gap(values: list) -> Gap:
    return Gap(*np.moveaxis(np.array(values), -1, 0))


def _measure(
    settings: Settings, data: tuple[Array, Array], size: tuple[int, int], parameterisation: Parameterisation
) -> list[Measurement]:
    """Every seed's network of one size (N, L)."""
    mlp = MLP(settings.inputs, *size, skips=True)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    found = []
    for key in keys:
        problem = Problem(mlp.init(key, parameterisation, data[0].dtype), *data)
        s, energy, norm, total, layers, residual = jax.device_get(_compare_gradients(problem))
        gap = tuple(map(float, (s - 1, 1 - energy, total.relative_error, total.one_minus_cosine)))
        found.append(Measurement(gap, float(norm), layers.one_minus_cosine, float(residual)))
    return found


@jax.jit
def _compare_gradients(problem: Problem) -> tuple[Array, Array, Array, Similarity, Similarity, Array]:
    """s, F*/Loss, ||grad Loss||, the comparison of the gradients (total, layers), and the certificate."""
    equilibrium = LinearExact()(problem)
    backward = bp_gradient(problem)
    comparison = compare(pc_gradient(problem, equilibrium), backward)
    s = rescaling(problem.network)[0, 0]
    ratio, residual = equilibrium.energy / loss(problem), jnp.max(equilibrium.residual)
    return s, ratio, tree_norm(backward), comparison.total, comparison.layers, residual
