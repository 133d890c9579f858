"""Nonlinear residual networks on images: energies against losses and cosines over training, width by width (E7).

Source: arXiv:2602.07697, Figure 4a.  Every training step ends at a certified equilibrium; beside it stands the
published protocol, a number of gradient-descent steps on the activities that is fixed in advance.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pcn_lib.data import Dataset, Selection, images
from pcn_lib.energy import Problem, cross_entropy, loss
from pcn_lib.experiments.kinked_equilibria import Kinked, kinked_equilibria
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import STEPS_PER_LAYER, Stopped, published_inference, stop_after
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Equilibrium, Solver, SweepsThenNewton
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import Activation
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import sample_rescalings
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, History, Schedule, train

#: Newton steps allowed to a ReLU network, whose dF/dz need not vanish however many there are.
KINKED_STEPS = 40
ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


@dataclass(frozen=True)
class Settings:
    """Which networks are trained, on what, and how inference is done.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        activation: phi, one of :data:`ACTIVATIONS`.
        widths: N of the networks that are trained.
        wide: N of wider networks, measured at initialisation only.
        published: N at which the published protocol is tried at initialisation.
        published_trained: N of the networks that are trained by the published protocol as well.
        published_steps: weight updates of those.
        kinked: N at which a ReLU network is measured beside, before the first update.
        counts: gradient-descent steps per hidden layer tried at initialisation, the published one among them.
        depth: L.
        samples: B, in one batch.
        steps: weight updates.
        rate: Adam's base rate eta.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations.
        seed: of the images drawn and of the first initialisation.

    Raises:
        SettingsError: a size too small, or an unknown activation.
    """

    data_set: str = "fashion_mnist"
    activation: str = "tanh"
    widths: tuple[int, ...] = (8, 32, 128)
    wide: tuple[int, ...] = (512,)
    published: tuple[int, ...] = (32, 128)
    published_trained: tuple[int, ...] = ()
    published_steps: int = 10
    kinked: tuple[int, ...] = (32, 128)
    counts: tuple[int, ...] = (1, 3, 10, 30, STEPS_PER_LAYER)
    depth: int = 32
    samples: int = 64
    steps: int = 50
    rate: float = 1e-3
    tolerance: float = 1e-5
    seeds: int = 1
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, published_steps=1, kinked=1)
        check_sizes(self, widths=1, wide=1, published=1, counts=1, depth=2, samples=1, steps=1, seeds=1)
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise SettingsError(f"activation = {self.activation!r} given; known are {known}: choose one of these")
        if STEPS_PER_LAYER not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the published count is needed: add {STEPS_PER_LAYER}")

    @property
    def certified(self) -> Solver:
        """The solver that ends at an equilibrium and says how near."""
        return SweepsThenNewton(tolerance=self.tolerance)


PRESETS = {
    "smoke": Settings(
        widths=(8, 128), published=(8,), kinked=(128,), counts=(10, STEPS_PER_LAYER), samples=4, steps=2
    ),
    "quick": Settings(),
    "full": Settings(
        data_set="cifar10",
        widths=(8, 16, 32, 64, 128, 256, 512),
        wide=(1024,),
        published=(8, 16, 32, 64, 128, 256, 512),
        published_trained=(8, 32, 128),
        kinked=(8, 32, 128, 512),
        steps=100,
    ),
    "paper": Settings(
        data_set="cifar10",
        widths=(8, 16, 32, 64, 128, 256, 512),
        wide=(1024, 2048, 4096),
        published=(8, 32, 128, 512),
        published_trained=(8, 16, 32, 64, 128, 256, 512),
        published_steps=100,
        kinked=(8, 32, 128, 512),
        counts=(1, 3, 10, 30, STEPS_PER_LAYER, 300, 3000),
        steps=100,
        seeds=3,
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Curves:
    """Predictive coding and backpropagation trained from the same weights; axes [seeds, widths, steps].

    Attributes:
        energy: where inference ended, on predictive coding's weights: F* if it is an equilibrium.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        one_minus_cosine: 1 - cos of their gradients at the same step, each on its own weights.
        same_weights: 1 - cos of both gradients on predictive coding's weights.
        norm_ratio: length of predictive coding's gradient over that of backpropagation's.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        converged: whether every sample's certificate held.
        inference_steps: most iterations over the batch.
    """

    energy: Float[np.ndarray, "seeds widths steps"]
    pc_loss: Float[np.ndarray, "seeds widths steps"]
    bp_loss: Float[np.ndarray, "seeds widths steps"]
    one_minus_cosine: Float[np.ndarray, "seeds widths steps"]
    same_weights: Float[np.ndarray, "seeds widths steps"]
    norm_ratio: Float[np.ndarray, "seeds widths steps"]
    residual: Float[np.ndarray, "seeds widths steps"]
    converged: Bool[np.ndarray, "seeds widths steps"]
    inference_steps: Int[np.ndarray, "seeds widths steps"]

    @property
    def gap(self) -> Float[np.ndarray, "seeds widths steps"]:
        """1 - F / Loss on predictive coding's weights."""
        return 1 - self.energy / self.pc_loss


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the data set really used.
        trained: at certified equilibria, for ``settings.widths``.
        wide: the same before the first update, for ``settings.wide``; one step.
        predicted_gap: 1 - F* / Loss to first order in L / N before the first update, for ``settings.wide``.
        stopped: inference stopped by count before the first update, for ``settings.published``.
        published: trained by the published protocol, for ``settings.published_trained``; None where there are none.
        kinked: equilibria of ReLU networks before the first update, for ``settings.kinked``.
    """

    settings: Settings
    provenance: Provenance
    trained: Curves
    wide: Curves
    predicted_gap: Float[np.ndarray, "seeds wide"]
    stopped: Stopped
    published: Curves | None
    kinked: Kinked

    @property
    def all_widths(self) -> tuple[int, ...]:
        """Widths known at initialisation: those trained, then the wider ones."""
        return (*self.settings.widths, *self.settings.wide)

    def at_start(self, quantity: Callable[[Curves], np.ndarray]) -> Float[np.ndarray, "seeds all_widths"]:
        """A quantity at certified equilibria before the first update, for ``all_widths``."""
        return np.concatenate([quantity(curves)[..., 0] for curves in (self.trained, self.wide)], axis=1)


def run(settings: Settings) -> Record:
    """Train and measure, in float32 as the paper does."""
    start = time.perf_counter()
    data = images(settings.data_set, Selection(settings.samples, settings.seed), default="digits")
    trained = train_widths(settings, data, settings.widths, settings.certified, settings.steps)
    wide = train_widths(settings, data, settings.wide, settings.certified)
    before = [[problem_of(settings, data, N, seed) for N in settings.published] for seed in range(settings.seeds)]
    hidden = settings.depth - 1
    stopped = stop_after(before, tuple(count * hidden for count in settings.counts))
    published = None
    if settings.published_trained:
        solver = published_inference(hidden)
        published = train_widths(settings, data, settings.published_trained, solver, settings.published_steps)
    with_kinks = replace(settings, activation="relu")
    relu = [[problem_of(with_kinks, data, N, seed) for N in settings.kinked] for seed in range(settings.seeds)]
    kinked = kinked_equilibria(relu, SweepsThenNewton(settings.tolerance, max_steps=KINKED_STEPS))
    predicted = [
        [float(first_order_gap(problem_of(settings, data, width, seed))) for width in settings.wide]
        for seed in range(settings.seeds)
    ]
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note, dtype="float32")
    return Record(settings, made, trained, wide, np.array(predicted), stopped, published, kinked)


def problem_of(settings: Settings, data: Dataset, width: int, seed: int) -> Problem:
    """The network of one width and initialisation, with the images and the cross-entropy."""
    x, y = jnp.asarray(data.x, "float32"), jnp.asarray(data.y, "float32")
    phi = ACTIVATIONS[settings.activation]
    mlp = MLP(x.shape[1], width, settings.depth, y.shape[1], activation=phi, skips=True)
    key = jax.random.key(settings.seed + seed)
    return Problem(mlp.init(key, mupc_skips(), "float32"), x, y, cross_entropy)


def train_widths(settings: Settings, data: Dataset, widths: tuple[int, ...], solver: Solver, steps: int = 1) -> Curves:
    """Train every width from every initialisation by predictive coding and by backpropagation."""
    # Before the first update both have the same weights, and there is nothing more to measure.
    schedule = Schedule(steps, solver, same_weights if steps > 1 else None)
    rows = []
    for width in widths:
        histories = [
            train(problem_of(settings, data, width, seed), Adam(settings.rate), schedule).history
            for seed in range(settings.seeds)
        ]
        rows.append(_join([_curves(history) for history in histories], axis=0))
    return _join(rows, axis=1)


def same_weights(pc: Problem, equilibrium: Equilibrium, bp: Problem) -> Float[Array, ""]:
    """1 - cos of both gradients on predictive coding's weights."""
    return compare(pc_gradient(pc, equilibrium), bp_gradient(pc)).total.one_minus_cosine


def _curves(history: History) -> Curves:
    """One training, axes [1, 1, steps]; the quantities in the order of :class:`Curves`."""
    total = history.comparison.total
    quantities = (
        history.energy,
        history.pc_loss,
        history.bp_loss,
        total.one_minus_cosine,
        total.one_minus_cosine if history.probe is None else history.probe,
        total.norm_ratio,
        history.residual,
        history.converged,
        history.inference_steps,
    )
    return Curves(*(np.asarray(values)[None, None] for values in quantities))


def _join(parts: list[Curves], axis: int) -> Curves:
    return Curves(*(np.concatenate([getattr(part, field.name) for part in parts], axis) for field in fields(Curves)))


@jax.jit
def first_order_gap(problem: Problem) -> Float[Array, ""]:
    """1 - F* / Loss to first order in L / N:  (1/2B) sum_i g_i^T M_i g_i / Loss,  g = grad_u ell(f(x), y).

    M is evaluated on the feedforward pass.  For deep linear networks it bounds the gap from above.

    Source: derived here, see the chapter "Nonlinear networks".
    """
    outputs = feedforward(problem.network, problem.x).output
    g = jax.vmap(jax.grad(problem.loss))(outputs, problem.y)
    M = sample_rescalings(problem) - jnp.eye(g.shape[-1], dtype=g.dtype)[None]
    return jnp.mean(jnp.einsum("bi,bij,bj->b", g, M, g)) / 2 / loss(problem)
