"""Linear networks trained by predictive coding and by backpropagation, each at two rates: four pairs of trainings.

Adam's rate for residual networks under muPC is eta (N L)^-1/2; the authors' script has had eta N^-1/2 as well.
"""

from dataclasses import dataclass, fields, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.network import MLP, Network
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, rescaling
from pcn_lib.training import Adam

#: Pairs of trainings that are compared: whether predictive coding's and backpropagation's rate is sqrt(L) larger
#: than eta (N L)^-1/2, that is eta N^-1/2.
PAIRS = {"equal": (0, 0), "BP faster": (0, 1), "both faster": (1, 1), "PC faster": (1, 0)}


@dataclass(frozen=True)
class Curves:
    """What was measured of linear networks; axes [depths, widths, seeds, snapshots], NaN where not trained.

    Attributes:
        energy: F* on predictive coding's weights.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        rescaling: ||S||_2 - 1 on predictive coding's weights.
        mean_rescaling: tr(S - I) / K there.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        pairs: 1 - cos of the two gradients, each on its own training's weights; one more axis, :data:`PAIRS`.
    """

    energy: Float[np.ndarray, "*cases"]
    pc_loss: Float[np.ndarray, "*cases"]
    bp_loss: Float[np.ndarray, "*cases"]
    rescaling: Float[np.ndarray, "*cases"]
    mean_rescaling: Float[np.ndarray, "*cases"]
    residual: Float[np.ndarray, "*cases"]
    pairs: Float[np.ndarray, "*cases pairs"]

    @property
    def gap(self) -> Float[np.ndarray, "*cases"]:
        """1 - F*/Loss on predictive coding's weights."""
        return 1 - self.energy / self.pc_loss

    @property
    def one_minus_cosine(self) -> Float[np.ndarray, "*cases"]:
        """1 - cos where both trainings have the rate eta (N L)^-1/2."""
        return self.pairs[..., 0]

    def __getitem__(self, place) -> "Curves":
        """Some of the cases: a place as NumPy takes it; every pair of trainings stays."""
        place = place if isinstance(place, tuple) else (place,)
        own = {f.name: getattr(self, f.name)[place] for f in fields(self) if f.name != "pairs"}
        return Curves(**own, pairs=self.pairs[(*place, slice(None))])


def stacked(parts: list[Curves]) -> Curves:
    """Several in one, on a new first axis."""
    return Curves(**{f.name: np.stack([getattr(part, f.name) for part in parts]) for f in fields(Curves)})


@partial(jax.jit, static_argnames=("mlp", "steps"))
def train_pairs(mlp: MLP, steps: int, key: Array, batch: tuple[Array, Array], rate: float | Array) -> dict[str, Array]:
    """One network trained by predictive coding and by backpropagation, each at both rates of :data:`PAIRS`.

    Args:
        mlp: a linear residual network.
        steps: measurements, one before each update; a single one needs no training and no optimiser's memory.
        key: of the weights.
        batch: x and y.
        rate: eta.

    Returns:
        The quantities of :class:`Curves`, axes [steps] and [steps, pairs].
    """
    problem = Problem(mlp.init(key, mupc_skips(), batch[0].dtype), *batch)
    if steps == 1:
        return jax.tree.map(lambda value: value[None], _measured([problem] * 2, [problem] * 2)[1])
    adams = [Adam(rate * faster).transformation(problem.network) for faster in (1.0, mlp.depth**0.5)]
    start = [(problem.network, adam.init(problem.network)) for adam in adams]

    def step(states, _):
        pc, bp = ([replace(problem, network=network) for network, _ in kind] for kind in states)
        gradients, measured = _measured(pc, bp)
        return [[*map(_updated, adams, *kind)] for kind in zip(gradients, states, strict=True)], measured

    return jax.lax.scan(step, [start, start], length=steps)[1]


def _measured(pc: list[Problem], bp: list[Problem]) -> tuple[tuple[list[Network], list[Network]], dict[str, Array]]:
    """Gradients of both kinds, one for each rate, and the quantities of :class:`Curves`."""
    equilibria = [LinearExact()(one) for one in pc]
    gradients = [*map(pc_gradient, pc, equilibria)], [*map(bp_gradient, bp)]
    angles = [compare(gradients[0][i], gradients[1][j]).total.one_minus_cosine for i, j in PAIRS.values()]
    eigenvalues = jnp.linalg.eigvalsh(rescaling(pc[0].network)) - 1
    return gradients, dict(
        energy=equilibria[0].energy,
        pc_loss=loss(pc[0]),
        bp_loss=loss(bp[0]),
        rescaling=eigenvalues[-1],
        mean_rescaling=eigenvalues.mean(),
        residual=equilibria[0].residual.max(),
        pairs=jnp.stack(angles),
    )


def _updated(adam: optax.GradientTransformation, gradient: Network, state: tuple) -> tuple:
    network, memory = state
    updates, memory = adam.update(gradient, memory, network)
    return optax.apply_updates(network, updates), memory
