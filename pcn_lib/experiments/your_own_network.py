"""A network and a data set that the rest of this book does not know: what the tutorial measures.

Residual layers that are gated, made of Flax's own linear layers, on chemical analyses of wines.  For each width:
the certified equilibrium, predictive coding's gradient against backpropagation's, and the rescaling's first-order
prediction of the energy, at every step of a training run.
"""

import math
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from pcn_lib.energy import Problem
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.inference import Equilibrium, SweepsThenNewton
from pcn_lib.layers import draw_wrapped
from pcn_lib.network import Network, Stack
from pcn_lib.parameterisation import Role, mupc_skips
from pcn_lib.rescaling import sample_rescalings
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import GradientDescent, Schedule, train


class Gated(nnx.Module):
    """One's own Flax layer: h -> (W h) * sigmoid(V h / sqrt(N)), on one sample."""

    def __init__(self, units: int, dtype):
        weights = dict(use_bias=False, param_dtype=dtype, rngs=nnx.Rngs(0))
        self.value = nnx.Linear(units, units, **weights)
        self.gate = nnx.Linear(units, units, **weights)

    def __call__(self, h: Float[Array, " units"]) -> Float[Array, " units"]:
        return self.value(h) * nnx.sigmoid(self.gate(h) / math.sqrt(h.size))


@dataclass(frozen=True)
class Settings:
    """Which networks are made, and how long they are trained.

    Attributes:
        widths: N, narrow to wide.
        depth: L, weight layers.
        samples: wines in the batch.
        seeds: initialisations of each network.
        steps: weight updates.
        rate: eta of gradient descent.
        tolerance: relative norm of dF/dz of an equilibrium.
        seed: of the wines drawn and of the first initialisation.
    """

    widths: tuple[int, ...]
    depth: int
    samples: int
    seeds: int
    steps: int
    rate: float = 0.1
    tolerance: float = 1e-8
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, depth=3, samples=1, seeds=1, steps=1)


PRESETS = {
    "smoke": Settings(widths=(4, 64, 256), depth=6, samples=12, seeds=1, steps=3),
    "quick": Settings(widths=(4, 16, 64, 256), depth=8, samples=48, seeds=2, steps=15),
    "full": Settings(widths=(4, 8, 16, 32, 64, 128, 256, 512), depth=8, samples=178, seeds=3, steps=100),
    "paper": Settings(widths=(4, 8, 16, 32, 64, 128, 256, 512, 1024), depth=16, samples=178, seeds=3, steps=200),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile, with those overrides that are not None."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """What was measured at every step of training, PC and BP side by side; axes [seeds, widths, steps].

    Attributes:
        settings: what was made.
        provenance: how the numbers came about.
        one_minus_cosine: 1 - cos of the two gradients.
        energy: F* of the network that PC trains.
        pc_loss: Loss of the network that PC trains.
        bp_loss: Loss of the network that BP trains.
        predicted: (1/2B) sum_i r_i^T S_i^-1 r_i, from the Jacobians of the feedforward pass, for PC's network.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
    """

    settings: Settings
    provenance: Provenance
    one_minus_cosine: Float[np.ndarray, "seeds widths steps"]
    energy: Float[np.ndarray, "seeds widths steps"]
    pc_loss: Float[np.ndarray, "seeds widths steps"]
    bp_loss: Float[np.ndarray, "seeds widths steps"]
    predicted: Float[np.ndarray, "seeds widths steps"]
    residual: Float[np.ndarray, "seeds widths steps"]

    @property
    def gap(self) -> Float[np.ndarray, "seeds widths steps"]:
        """1 - F* / Loss of PC's network."""
        return 1 - self.energy / self.pc_loss

    @property
    def predicted_gap(self) -> Float[np.ndarray, "seeds widths steps"]:
        """What the rescaling predicts :attr:`gap` to be."""
        return 1 - self.predicted / self.pc_loss


def wines(samples: int, seed: int) -> tuple[Float[np.ndarray, "batch 13"], Float[np.ndarray, "batch 3"]]:
    """Chemical analyses of wines, standardised, and their three growers as one-hot rows.

    Source: scikit-learn's copy of the UCI wine data, 178 samples.

    Raises:
        ValueError: more samples than there are.
    """
    from sklearn.datasets import load_wine

    analyses, growers = load_wine(return_X_y=True)
    if samples > len(growers):
        raise ValueError(f"{samples} wines asked for; there are {len(growers)}: choose at most so many")
    chosen = np.random.default_rng(seed).permutation(len(growers))[:samples]
    standardised = (analyses - analyses.mean(axis=0)) / analyses.std(axis=0)
    return standardised[chosen], np.eye(3)[growers[chosen]]


def network(key: Array, size: tuple[int, int], x: Float[Array, "batch inputs"], outputs: int) -> Network:
    """A gated residual network of width N and depth L in muPC, to read x; ``size`` is (N, L)."""
    (width, depth), table, inputs = size, mupc_skips(), x.shape[1]
    first, middle, last = jax.random.split(key, 3)
    # Flax draws weights too; the parameterisation draws them again, in the same number type.
    kind = dict(param_dtype=x.dtype, rngs=nnx.Rngs(0))
    below, layer = nnx.Linear(inputs, width, **kind), Gated(width, x.dtype)
    above = nnx.Linear(width, outputs, **kind)

    def hidden(key: Array) -> nnx.Module:
        return draw_wrapped(key, layer, table, Role.HIDDEN, size, skip=True)

    stack = Stack(jax.vmap(hidden)(jax.random.split(middle, depth - 2)))
    readout = draw_wrapped(last, above, table, Role.OUTPUT, size, is_linear=True)
    return Network((draw_wrapped(first, below, table, Role.INPUT, size), stack), readout, (inputs,))


def run(settings: Settings) -> Record:
    """Train a network of every width and seed, by PC and by BP, and measure at every step."""
    start = time.perf_counter()
    data = wines(settings.samples, settings.seed)
    x, y = (jnp.asarray(array, float) for array in data)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    schedule = Schedule(settings.steps, SweepsThenNewton(tolerance=settings.tolerance), _predicted)

    def trained(width: int) -> tuple[Array, ...]:
        def one(key: Array) -> tuple[Array, ...]:
            fresh = network(key, (width, settings.depth), x, y.shape[1])
            seen = train(Problem(fresh, x, y), GradientDescent(settings.rate), schedule).history
            angle = seen.comparison.total.one_minus_cosine
            return angle, seen.energy, seen.pc_loss, seen.bp_loss, seen.probe, seen.residual

        return jax.lax.map(one, keys)

    # One tuple of quantities [seeds, steps] for each width becomes one array for each quantity.
    columns = (np.stack(quantity, axis=1) for quantity in zip(*map(trained, settings.widths), strict=True))
    note = f"{settings.samples} wines (scikit-learn, drawn with seed {settings.seed})"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=note, dtype=x.dtype.name)
    return Record(settings, made, *columns)


def _predicted(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> Array:
    return first_order_energy(pc)


def first_order_energy(problem: Problem) -> Float[Array, ""]:
    """(1/2B) sum_i r_i^T S_i^-1 r_i, with S_i from the Jacobians of the feedforward pass: F* to first order in L/N.

    Assumes the squared error.
    """
    r = problem.y - jax.vmap(problem.network.sample_forward)(problem.x).output
    solved = jnp.linalg.solve(sample_rescalings(problem), r[..., None])[..., 0]
    return jnp.mean(jnp.sum(r * solved, axis=-1)) / 2
