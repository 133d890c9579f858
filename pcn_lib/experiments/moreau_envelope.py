"""The equilibrated energy of a deep linear network with any convex loss, as a Moreau envelope of that loss.

Envelope and proximal point against iterative inference, the energy's distance from the loss over width, a picture
for two classes, tanh networks, and a loss that is not convex.
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.energy import Loss, Problem, cross_entropy, squared_error
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.experiments.two_classes import TwoClasses, picture_two_classes
from pcn_lib.gradients import pc_gradient, similarity
from pcn_lib.inference import NewtonCG, Sweeps, equilibrate
from pcn_lib.moreau import ProximalPoint, proximal_point, proximal_points, sandwich
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import Parameterisation, mupc_skips, sp
from pcn_lib.rescaling import expected_rescaling, linear_jacobians, sample_grams
from pcn_lib.results import Provenance, provenance


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw.
        inputs: D.
        samples: B, of Gaussian inputs with classes in turn.
        outputs: K, the number of classes.
        tiny: (N, L) of the network on which envelope and inference are compared.
        depth: L of the networks whose width is varied.
        widths: N of the linear ones.
        tanh_widths: N of the tanh networks, wide enough for sweeps to contract (N >= 8 L).
        seeds: initialisations of each.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 20
    outputs: int = 5
    tiny: tuple[int, ...] = (32, 16)
    depth: int = 4
    widths: tuple[int, ...] = (32, 96, 256)
    tanh_widths: tuple[int, ...] = (32, 128)
    seeds: int = 5

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=1, outputs=2, tiny=2, depth=2, widths=1, tanh_widths=1, seeds=2)


PRESETS = {
    "smoke": Settings(widths=(32, 128), tanh_widths=(32, 128), seeds=4),
    "quick": Settings(),
    "full": Settings(widths=(32, 64, 128, 256, 512, 1024), tanh_widths=(32, 64, 128, 256, 512), seeds=20),
    "paper": Settings(widths=(32, 128, 512, 2048), tanh_widths=(32, 128, 512), depth=8, seeds=20),
}
#: The two losses of the study, by name.
LOSSES = {"squared error": squared_error, "cross-entropy": cross_entropy}
#: N and L of the two-class network in the picture; under SP its metric is of order 1.
PLANE_SIZE = (16, 4)
#: Relative norm of dF/dz asked of iterative inference.
TIGHT = 1e-12


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


def saturating(u: Float[Array, "*outputs"], y: Float[Array, "*outputs"]) -> Float[Array, ""]:
    """ell = 1 - exp(-||y - u||^2 / 2): forgives outliers, and is not convex beyond ||y - u|| = 1."""
    return 1 - jnp.exp(-squared_error(u, y))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Agreement:
    """Envelope and iterative inference on one small network; axes [losses].

    Attributes:
        energy_error: |F* / envelope - 1|, the largest of the batch.
        delta_error: ||e* + lambda P^T grad ell(u*)|| / ||e*||, over all layers and samples.
        residual: certificate of iterative inference, the largest of the batch.
        gradient_error: ||dF/dtheta - d envelope/dtheta|| / ||d envelope/dtheta||.
        below, above: how far F* lies outside its bounds, relative to the upper one; negative inside.
    """

    energy_error: Float[np.ndarray | Array, "*losses"]
    delta_error: Float[np.ndarray | Array, "*losses"]
    residual: Float[np.ndarray | Array, "*losses"]
    gradient_error: Float[np.ndarray | Array, "*losses"]
    below: Float[np.ndarray | Array, "*losses"]
    above: Float[np.ndarray | Array, "*losses"]

    def __str__(self) -> str:
        lines = [f"{'':<15}{'energy':>9}{'errors':>9}{'dF/dz':>9}{'gradient':>10}"]
        columns = (self.energy_error, self.delta_error, self.residual, self.gradient_error)
        for name, *row in zip(LOSSES, *columns, strict=True):
            lines.append(f"{name:<15}" + "".join(f"{e:>{w}.0e}" for e, w in zip(row, (9, 9, 9, 10), strict=True)))
        return "\n".join(lines)


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        agreement: envelope against iterative inference.
        drop: 1 - F* / Loss of linear networks; axes [losses, widths, seeds].
        first_order: m mean ||grad ell(f)||^2 / (2 Loss), m the expected multiple in E[M] = m I; same axes.
        two_classes: the picture.
        tanh_error: |envelope / F* - 1| of tanh networks, cross-entropy, feedforward M; axes [widths, seeds].
        saturating_below: as ``Agreement.below``, for the loss that is not convex.
    """

    settings: Settings
    provenance: Provenance
    agreement: Agreement
    drop: Float[np.ndarray, "losses widths seeds"]
    first_order: Float[np.ndarray, "losses widths seeds"]
    two_classes: TwoClasses
    tanh_error: Float[np.ndarray, "tanh_widths seeds"]
    saturating_below: float

    @property
    def by_hand(self) -> float:
        """F* of the network with one unit per layer, weights 1, 2, 1, x = -5/4, y = 1, logistic loss."""
        shown = self.two_classes
        return float(shown.envelopes[np.argmin(np.abs(shown.f + 2.5))])


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    agreement = [measure_agreement(settings, loss) for loss in LOSSES.values()]
    agreement = jax.tree.map(lambda *numbers: np.stack(numbers), *agreement)
    drop, first_order = measure_drop(settings)
    plane = plane_problem(settings)
    two_classes = jax.tree.map(np.asarray, picture_two_classes(plane))
    tanh_error = measure_tanh(settings)
    forgiving = replace(plane, y=3 * plane.y, loss=saturating)
    below, _ = outside_bounds(forgiving, equilibrate(forgiving, NewtonCG(tolerance=TIGHT)).require().energies)
    data = f"{settings.samples} Gaussian inputs, classes in turn (drawn with seed {settings.seed})"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data)
    measured = (agreement, drop, first_order, two_classes, tanh_error, float(below))
    return Record(settings, made, *measured)


def class_problem(
    settings: Settings, mlp: MLP, parameterisation: Parameterisation, loss: Loss, seed: int | Array = 0
) -> Problem:
    """A network with Gaussian inputs and one-hot targets, the classes in turn; the data are the same for all."""
    dtype = jnp.zeros(()).dtype
    # NumPy's, so that nothing is compiled for the data.
    x = np.random.default_rng(settings.seed).standard_normal((settings.samples, mlp.inputs))
    y = np.eye(mlp.outputs)[np.arange(settings.samples) % mlp.outputs]
    key = jax.random.fold_in(jax.random.key(settings.seed), seed)
    return Problem(_draw(mlp, parameterisation, key), jnp.asarray(x, dtype), jnp.asarray(y, dtype), loss)


@partial(jax.jit, static_argnums=(0, 1))
def _draw(mlp: MLP, parameterisation: Parameterisation, key: Array) -> Network:
    return mlp.init(key, parameterisation, jnp.zeros(()).dtype)


@partial(jax.jit, static_argnums=(0, 1))
def measure_agreement(settings: Settings, loss: Loss) -> Agreement:
    """:class:`Agreement` for one loss, every entry a number."""
    width, depth = settings.tiny
    mlp = MLP(settings.inputs, width, depth, settings.outputs, skips=True)
    problem = class_problem(settings, mlp, mupc_skips(), loss)

    def envelope(network: Network) -> tuple[Array, ProximalPoint]:
        points = proximal_points(replace(problem, network=network))
        return jnp.mean(points.energy), points

    derivative, points = jax.grad(envelope, has_aux=True)(problem.network)
    reached = NewtonCG(tolerance=TIGHT)(problem)
    deltas = jax.tree.map(lambda P: jnp.tensordot(points.delta, P, axes=1), linear_jacobians(problem.network))
    return Agreement(
        jnp.max(jnp.abs(reached.energies / points.energy - 1)),
        tree_norm(tree_subtract(reached.errors, deltas)) / tree_norm(deltas),
        jnp.max(reached.residual),
        similarity(pc_gradient(problem, reached), derivative).relative_error,
        *outside_bounds(problem, reached.energies),
    )


@jax.jit
def outside_bounds(problem: Problem, energies: Float[Array, " batch"]) -> tuple[Array, Array]:
    """How far below the lower and above the upper bound the energies lie, relative to the upper one; the largest."""
    lower, upper = sandwich(problem)
    return jnp.max((lower - energies) / upper), jnp.max((energies - upper) / upper)


def measure_drop(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """1 - F* / Loss of linear networks over width, and what the expected metric predicts of it."""
    shape = (len(LOSSES), len(settings.widths), settings.seeds)
    drop, first_order = np.zeros(shape), np.zeros(shape)
    for j, width in enumerate(settings.widths):
        mlp = MLP(settings.inputs, width, settings.depth, settings.outputs, skips=True)
        data = _metrics(settings, mlp)
        for i, loss in enumerate(LOSSES.values()):
            values, squares, points = _envelopes(loss, *data)
            drop[i, j] = 1 - points.energy.mean(axis=-1) / values.mean(axis=-1)
            m = expected_rescaling(mlp, mupc_skips())
            first_order[i, j] = m * squares.mean(axis=-1) / values.mean(axis=-1) / 2
    return drop, first_order


@partial(jax.jit, static_argnums=(0, 1))
def _metrics(settings: Settings, mlp: MLP) -> tuple[Array, Array, Array]:
    """f, y and M of every sample of every seed's network."""

    def one(seed: Array) -> tuple[Array, Array, Array]:
        problem = class_problem(settings, mlp, mupc_skips(), squared_error, seed)
        return feedforward(problem.network, problem.x).output, problem.y, sample_grams(problem)

    return jax.lax.map(one, jnp.arange(settings.seeds))


@partial(jax.jit, static_argnames="loss")
def _envelopes(loss: Loss, f: Array, y: Array, M: Array) -> tuple[Array, Array, ProximalPoint]:
    """ell(f), ||grad ell(f)||^2 and the proximal point, axes [networks, batch]; compiled once for all widths."""

    def one(f: Array, y: Array, M: Array) -> tuple[Array, Array, ProximalPoint]:
        return loss(f, y), jnp.sum(jax.grad(loss)(f, y) ** 2), proximal_point(loss, f, y, M)

    return jax.vmap(jax.vmap(one))(f, y, M)


def plane_problem(settings: Settings) -> Problem:
    """Two classes and two outputs, so that outputs are points of a plane, under SP, where they move visibly."""
    return class_problem(settings, MLP(settings.inputs, *PLANE_SIZE, 2), sp(), cross_entropy)


def measure_tanh(settings: Settings) -> np.ndarray:
    """|envelope / F* - 1| where the theorem does not hold: tanh networks, the metric from the feedforward pass."""
    errors = np.zeros((len(settings.tanh_widths), settings.seeds))
    for j, width in enumerate(settings.tanh_widths):
        sizes = dict(depth=settings.depth, outputs=settings.outputs, activation=jnp.tanh, skips=True)
        *data, energies = _tanh_equilibria(settings, MLP(settings.inputs, width, **sizes))
        _, _, points = _envelopes(cross_entropy, *data)
        errors[j] = np.abs(points.energy.mean(axis=-1) / energies - 1)
    return errors


@partial(jax.jit, static_argnums=(0, 1))
def _tanh_equilibria(settings: Settings, mlp: MLP) -> tuple[Array, Array, Array, Array]:
    """f, y and M of every sample, and F*, NaN where inference did not converge, of every seed's network."""

    def one(seed: Array) -> tuple[Array, Array, Array, Array]:
        problem = class_problem(settings, mlp, mupc_skips(), cross_entropy, seed)
        reached = Sweeps(tolerance=1e-9, max_steps=1000)(problem)
        energy = jnp.where(reached.converged, reached.energy, jnp.nan)
        return feedforward(problem.network, problem.x).output, problem.y, sample_grams(problem), energy

    return jax.lax.map(one, jnp.arange(settings.seeds))
