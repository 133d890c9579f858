"""The equilibrated energy of a deep linear network with any convex loss, as a Moreau envelope of that loss.

Five measurements: envelope and proximal point against iterative inference, the energy's distance from the loss over
width, a picture of envelope and proximal points for two classes, tanh networks, and a loss that is not convex.
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
from pcn_lib.gradients import compare, pc_gradient
from pcn_lib.inference import Equilibrium, NewtonCG, Sweeps, equilibrate
from pcn_lib.moreau import (
    ProximalExact,
    ProximalPoint,
    linearised_energy,
    proximal_point,
    proximal_points,
    sandwich,
)
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import Parameterisation, mupc_skips, sp
from pcn_lib.rescaling import expected_rescaling, gram, linear_jacobians
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
    tanh_widths: tuple[int, ...] = (32, 96, 256)
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
#: The metric of the two-class picture: that of the network solved by hand, weights 1, 2, 1.
HAND_METRIC = 5.0
#: N and L of the two-class network in the picture; under SP its metric is of order 1.
PLANE_SIZE = (16, 4)
#: Relative norm of dF/dz asked of iterative inference.
TIGHT = 1e-12


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


def logistic(u: Float[Array, "*outputs"], y: Float[Array, "*outputs"]) -> Float[Array, ""]:
    """ell = log(1 + exp(-y u)), the loss of two classes y = -1, 1 with one output."""
    return jnp.sum(jax.nn.softplus(-y * u))


def saturating(u: Float[Array, "*outputs"], y: Float[Array, "*outputs"]) -> Float[Array, ""]:
    """ell = 1 - exp(-||y - u||^2 / 2): forgives outliers, and is not convex beyond ||y - u|| = 1."""
    return 1 - jnp.exp(-squared_error(u, y))


@dataclass(frozen=True)
class Agreement:
    """Envelope and iterative inference on one small network, one entry for each loss; axes [losses].

    Attributes:
        energy_error: |F* / envelope - 1|, the largest of the batch.
        delta_error: ||e* + lambda P^T grad ell(u*)|| / ||e*||, over all layers and samples.
        residual: ||dF/dz|| at e = -lambda P^T grad ell(u*), relative to the feedforward pass, the largest of the batch.
        gradient_error: ||dF/dtheta - d envelope/dtheta|| / ||d envelope/dtheta||.
        below, above: how far F* lies outside its bounds, relative to the upper one; negative inside.
    """

    energy_error: Float[np.ndarray, " losses"]
    delta_error: Float[np.ndarray, " losses"]
    residual: Float[np.ndarray, " losses"]
    gradient_error: Float[np.ndarray, " losses"]
    below: Float[np.ndarray, " losses"]
    above: Float[np.ndarray, " losses"]

    def __str__(self) -> str:
        lines = [f"{'':<15}{'energy':>9}{'errors':>9}{'dF/dz':>9}{'gradient':>10}"]
        columns = (self.energy_error, self.delta_error, self.residual, self.gradient_error)
        for name, *row in zip(LOSSES, *columns, strict=True):
            lines.append(f"{name:<15}" + "".join(f"{e:>{w}.0e}" for e, w in zip(row, (9, 9, 9, 10), strict=True)))
        return "\n".join(lines)


@dataclass(frozen=True)
class TwoClasses:
    """What the picture shows.

    Attributes:
        f: outputs of a network with one output, a grid; axes [grid].
        losses, envelopes, proximal: logistic loss of y = 1 at f, its envelope, and the proximal point, M = 5.
        plane: outputs f of a two-class network; axes [batch, 2].
        moved: their proximal points by the theorem.
        reached: their outputs after iterative inference.
        stepped: f - M grad ell(f), BP's explicit step in the same metric.
        labels: the class of each sample; axes [batch].
    """

    f: Float[np.ndarray, " grid"]
    losses: Float[np.ndarray, " grid"]
    envelopes: Float[np.ndarray, " grid"]
    proximal: Float[np.ndarray, " grid"]
    plane: Float[np.ndarray, "batch 2"]
    moved: Float[np.ndarray, "batch 2"]
    reached: Float[np.ndarray, "batch 2"]
    stepped: Float[np.ndarray, "batch 2"]
    labels: np.ndarray


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        by_hand: F* of the network with one unit per layer, weights 1, 2, 1, x = -5/4, y = 1, logistic loss.
        agreement: envelope against iterative inference.
        drop: 1 - F* / Loss of linear networks; axes [losses, widths, seeds].
        first_order: m mean ||grad ell(f)||^2 / (2 Loss), m the expected multiple in E[M] = m I; same axes.
        two_classes: the picture.
        tanh_error: |envelope / F* - 1| of tanh networks with cross-entropy, M from the feedforward pass;
            axes [widths, seeds].
        saturating_below: as ``Agreement.below``, for the loss that is not convex.
    """

    settings: Settings
    provenance: Provenance
    by_hand: float
    agreement: Agreement
    drop: Float[np.ndarray, "losses widths seeds"]
    first_order: Float[np.ndarray, "losses widths seeds"]
    two_classes: TwoClasses
    tanh_error: Float[np.ndarray, "tanh_widths seeds"]
    saturating_below: float


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    by_hand = jax.jit(proximal_point, static_argnames="loss")(
        logistic, jnp.array([-2.5]), jnp.array([1.0]), jnp.array([[HAND_METRIC]])
    )
    agreement = [measure_agreement(settings, loss) for loss in LOSSES.values()]
    drop, first_order = measure_drop(settings)
    plane = plane_problem(settings)
    tanh_error = measure_tanh(settings)
    forgiving = replace(plane, y=3 * plane.y, loss=saturating)
    below, _ = outside_bounds(forgiving, equilibrate(forgiving, NewtonCG(tolerance=TIGHT)).require().energies)
    data = f"{settings.samples} Gaussian inputs, classes in turn (drawn with seed {settings.seed})"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data)
    found = Agreement(*np.array(agreement).T)
    two_classes = picture_two_classes(plane)
    return Record(settings, made, float(by_hand.energy), found, drop, first_order, two_classes, tanh_error, below)


def class_problem(
    settings: Settings, mlp: MLP, parameterisation: Parameterisation, loss: Loss, seed: int = 0
) -> Problem:
    """A network with Gaussian inputs and one-hot targets, the classes in turn; the data are the same for all."""
    dtype = jnp.zeros(()).dtype
    x_key, key = jax.random.split(jax.random.key(settings.seed))
    x = jax.random.normal(x_key, (settings.samples, mlp.inputs), dtype)
    y = jax.nn.one_hot(jnp.arange(settings.samples) % mlp.outputs, mlp.outputs, dtype=dtype)
    return Problem(_draw(mlp, parameterisation, jax.random.fold_in(key, seed)), x, y, loss)


@partial(jax.jit, static_argnums=(0, 1))
def _draw(mlp: MLP, parameterisation: Parameterisation, key: Array) -> Network:
    return mlp.init(key, parameterisation, jnp.zeros(()).dtype)


def measure_agreement(settings: Settings, loss: Loss) -> tuple[float, ...]:
    """The numbers of :class:`Agreement` for one loss."""
    width, depth = settings.tiny
    mlp = MLP(settings.inputs, width, depth, settings.outputs, skips=True)
    problem = class_problem(settings, mlp, mupc_skips(), loss)
    reached, exact, envelopes, derivative = _both_ways(problem)
    energy_error = np.max(np.abs(reached.require().energies / envelopes - 1))
    delta_error = tree_norm(tree_subtract(reached.errors, exact.errors)) / tree_norm(exact.errors)
    gradient_error = compare(pc_gradient(problem, reached), derivative).total.relative_error
    below_and_above = outside_bounds(problem, reached.energies)
    return (energy_error, delta_error, exact.residual.max(), gradient_error, *below_and_above)


@jax.jit
def _both_ways(problem: Problem) -> tuple[Equilibrium, Equilibrium, Array, Network]:
    """Iterative inference; the theorem's errors; its energies; and their derivative."""

    def envelope(network: Network) -> tuple[Array, Array]:
        energies = proximal_points(replace(problem, network=network)).energy
        return jnp.mean(energies), energies

    derivative, energies = jax.grad(envelope, has_aux=True)(problem.network)
    return NewtonCG(tolerance=TIGHT)(problem), ProximalExact()(problem), energies, derivative


def outside_bounds(problem: Problem, energies: Float[Array, " batch"]) -> tuple[float, float]:
    """How far below the lower and above the upper bound the energies lie, relative to the upper one; the largest."""
    lower, upper = jax.jit(sandwich)(problem)
    return float(jnp.max((lower - energies) / upper)), float(jnp.max((energies - upper) / upper))


def measure_drop(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """1 - F* / Loss of linear networks over width, and what the expected metric predicts of it."""
    shape = (len(LOSSES), len(settings.widths), settings.seeds)
    drop, first_order = np.zeros(shape), np.zeros(shape)
    for j, width in enumerate(settings.widths):
        mlp = MLP(settings.inputs, width, settings.depth, settings.outputs, skips=True)
        m = expected_rescaling(mlp, mupc_skips())
        for k in range(settings.seeds):
            problem = class_problem(settings, mlp, mupc_skips(), squared_error, k)
            M, f = _metric_and_outputs(problem.network, problem.x)
            for i, loss in enumerate(LOSSES.values()):
                values, squares, points = _envelope(loss, f, problem.y, M)
                drop[i, j, k] = 1 - jnp.mean(points.energy) / jnp.mean(values)
                first_order[i, j, k] = m * jnp.mean(squares) / jnp.mean(values) / 2
    return drop, first_order


@jax.jit
def _metric_and_outputs(network: Network, x: Array) -> tuple[Array, Array]:
    return gram(linear_jacobians(network)), feedforward(network, x).output


@partial(jax.jit, static_argnames="loss")
def _envelope(loss: Loss, f: Array, y: Array, M: Array) -> tuple[Array, Array, ProximalPoint]:
    """ell(f), ||grad ell(f)||^2 and the proximal point of every sample; compiled once for all networks."""
    values, slopes = jax.vmap(jax.value_and_grad(loss))(f, y)
    points = jax.vmap(lambda f, y: proximal_point(loss, f, y, M))(f, y)
    return values, jnp.sum(slopes**2, axis=-1), points


def plane_problem(settings: Settings) -> Problem:
    """Two classes and two outputs, so that outputs are points of a plane, under SP, where they move visibly."""
    width, depth = PLANE_SIZE
    return class_problem(settings, MLP(settings.inputs, width, depth, 2), sp(), cross_entropy)


def picture_two_classes(problem: Problem) -> TwoClasses:
    """Loss, envelope and proximal point with one output, and outputs before and after inference with two."""
    f = jnp.linspace(-8, 8, 161)
    values, _, points = _envelope(logistic, f[:, None], jnp.ones((f.size, 1)), jnp.array([[HAND_METRIC]]))
    M, outputs = _metric_and_outputs(problem.network, problem.x)
    slopes = jax.vmap(jax.grad(problem.loss))(outputs, problem.y)
    _, _, moved = _envelope(problem.loss, outputs, problem.y, M)
    equilibrium = equilibrate(problem, NewtonCG(tolerance=TIGHT)).require()
    reached = feedforward(problem.network, problem.x, equilibrium.errors).output
    line = (f, values, points.energy, points.output[:, 0])
    plane = (outputs, moved.output, reached, outputs - slopes @ M, jnp.argmax(problem.y, axis=-1))
    return TwoClasses(*map(np.asarray, (*line, *plane)))


def measure_tanh(settings: Settings) -> np.ndarray:
    """|envelope / F* - 1| where the theorem does not hold: tanh networks, the metric from the feedforward pass."""
    errors = np.zeros((len(settings.tanh_widths), settings.seeds))
    for j, width in enumerate(settings.tanh_widths):
        mlp = MLP(settings.inputs, width, settings.depth, settings.outputs, activation=jnp.tanh, skips=True)
        for k in range(settings.seeds):
            errors[j, k] = _tanh_error(class_problem(settings, mlp, mupc_skips(), cross_entropy, k))
    return errors


@jax.jit
def _tanh_error(problem: Problem) -> Float[Array, ""]:
    reached = Sweeps(tolerance=1e-9, max_steps=1000)(problem)
    error = jnp.abs(linearised_energy(problem) / reached.energy - 1)
    return jnp.where(reached.converged, error, jnp.nan)
