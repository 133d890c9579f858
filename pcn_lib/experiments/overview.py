"""How alike the gradients of predictive coding and backpropagation are, over width and depth.

The landing page's picture: deep linear residual networks at initialisation, their exact equilibria, one
comparison of gradients for each width N, depth L and seed.
"""

import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, loss
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import Provenance, provenance


@dataclass(frozen=True)
class Settings:
    """Which networks are compared.

    Attributes:
        widths: N, narrow to wide.
        depths: L, the numbers of weight layers, shallow to deep.
        seeds: initialisations of each network.
        seed: of the data and of the first initialisation.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    seeds: int
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, depths=2, seeds=1)


PRESETS = {
    "smoke": Settings(widths=(32, 128), depths=(2, 64), seeds=1),
    "quick": Settings(widths=(8, 32, 128, 512), depths=(2, 8, 32), seeds=3),
    "full": Settings(widths=(8, 16, 32, 64, 128, 256, 512, 1024), depths=(2, 4, 8, 16, 32, 64), seeds=5),
    "paper": Settings(widths=(2, 8, 32, 128, 512, 2048), depths=(2, 4, 8, 16, 32), seeds=3),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile, with those overrides that are not None."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """Predictive coding's gradient at the exact equilibrium against backpropagation's; axes [seeds, depths, widths].

    Attributes:
        settings: what was compared.
        provenance: how the numbers came about.
        one_minus_cosine: 1 - cos of the two gradients, all weights together.
        energy_ratio: F* / Loss.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
    """

    settings: Settings
    provenance: Provenance
    one_minus_cosine: Float[np.ndarray, "seeds depths widths"]
    energy_ratio: Float[np.ndarray, "seeds depths widths"]
    residual: Float[np.ndarray, "seeds depths widths"]

    @property
    def widths_per_layer(self) -> Float[np.ndarray, "depths widths"]:
        """N / L of every network."""
        return np.array(self.settings.widths) / np.array(self.settings.depths)[:, None]


def run(settings: Settings) -> Record:
    """Compare the two gradients for every width, depth and seed, in the precision of the run."""
    start = time.perf_counter()
    data = toy_task(settings.seed)
    x, y = jnp.asarray(data.x), jnp.asarray(data.y)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    rows = [[_compare(MLP(x.shape[1], N, L, skips=True), x, y, keys) for N in settings.widths] for L in settings.depths]
    # [depths, widths, quantities, seeds] to one array [seeds, depths, widths] for each quantity.
    quantities = np.transpose(np.asarray(rows), (2, 3, 0, 1))
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note)
    return Record(settings, made, *quantities)


@partial(jax.jit, static_argnames="mlp")
def _compare(mlp: MLP, x: Float[Array, "batch D"], y: Float[Array, "batch 1"], keys: Array) -> Float[Array, "3 seeds"]:
    """1 - cos, F* / Loss and the residual of one architecture."""

    def one(key: Array) -> tuple[Array, Array, Array]:
        problem = Problem(mlp.init(key, mupc_skips(), x.dtype), x, y)
        equilibrium = LinearExact()(problem)
        likeness = compare(pc_gradient(problem, equilibrium), bp_gradient(problem)).total
        return likeness.one_minus_cosine, equilibrium.energy / loss(problem), jnp.max(equilibrium.residual)

    return jnp.stack(jax.lax.map(one, keys))
