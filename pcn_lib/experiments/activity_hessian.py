"""The activity Hessian over width, depth, architecture and training, and what inference costs on it (E10).

Each network is measured at a certified equilibrium of a few samples: the ends of the spectrum of d2F/dz2 and of
d2E/de2, the steps of gradient descent on z at the best constant rate, and those of the library's solver.

Source: arXiv:2602.07697, which estimates the condition number beside its Figures 4b and 4c.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pcn_lib.data import Selection, images, text, toy_task
from pcn_lib.energy import Problem, cross_entropy, energy
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import CNN, MLP, Transformer, feedforward
from pcn_lib.numerics import identity, tree_norm
from pcn_lib.parameterisation import complete_p, mupc_convolutional, mupc_skips
from pcn_lib.rescaling import rescaling
from pcn_lib.results import Provenance, provenance
from pcn_lib.spectrum import activity_spectrum, error_spectrum
from pcn_lib.training import Adam, Schedule, train

#: Relative norm of dF/dz to which every solver is asked to go, and the steps after which descent gives up.
TOLERANCE, PATIENCE = 1e-4, 100_000
#: Side and channels of the digits that the CNN reads.
IMAGE = (8, 8, 1)


@dataclass(frozen=True)
class Settings:
    """Which networks are measured.

    Attributes:
        widths: N of the MLPs of depth ``depth``, tanh and linear.
        depth: L of those.
        depths: L of the tanh MLPs of width ``width``.
        width: N of those.
        channels: N of the CNNs.
        transformer_widths: N of the transformers; the first of them is trained, too.
        blocks: of the transformers.
        length: T, characters in a sample of theirs.
        training_steps: updates of the first transformer, at a rate at which it learns.
        samples: measured of each network.
        seed: of weights and data.

    Raises:
        SettingsError: a size too small.
    """

    widths: tuple[int, ...] = (16, 128)
    depth: int = 8
    depths: tuple[int, ...] = (4, 16)
    width: int = 64
    channels: tuple[int, ...] = (8,)
    transformer_widths: tuple[int, ...] = (8,)
    blocks: int = 2
    length: int = 8
    training_steps: int = 60
    samples: int = 2
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, depth=2, depths=2, width=1, channels=1, transformer_widths=1)
        check_sizes(self, blocks=1, length=1, training_steps=1, samples=1)


PRESETS = {
    "smoke": Settings(widths=(16, 128), depth=4, depths=(4, 16), transformer_widths=(8,), samples=1),
    "quick": Settings(),
    "full": Settings(
        widths=(8, 16, 32, 64, 128, 256, 512), depths=(4, 8, 16, 32, 64), channels=(4, 8, 16, 32),
        transformer_widths=(8, 32, 128), blocks=4, training_steps=100,
    ),
    "paper": Settings(
        widths=(8, 16, 32, 64, 128, 256, 512), depth=32, depths=(4, 8, 16, 32, 64), width=512,
        channels=(4, 8, 16, 32), transformer_widths=(8, 32, 128, 512), blocks=12, length=32, training_steps=100,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Record:
    """What was measured, a row for each network; ends are the extremes over its samples.

    Attributes:
        settings: how.
        provenance: where and when, with the data really used.
        architectures: the kind of each network; trained ones say so.
        width: N.
        hidden: H, activities of the network counted in layers.
        smallest, largest: eigenvalues of d2F/dz2.
        error_smallest, error_largest: eigenvalues of d2E/de2.
        rescaling_norm: lambda ||M|| of the linear networks; NaN for others.
        descent_steps: gradient-descent steps on z at the rate 2 / (smallest + largest).
        solver_steps: sweeps and Newton steps of the library's solver, the most of any sample.
    """

    settings: Settings
    provenance: Provenance
    architectures: tuple[str, ...]
    width: Int[np.ndarray, " networks"]
    hidden: Int[np.ndarray, " networks"]
    smallest: Float[np.ndarray, " networks"]
    largest: Float[np.ndarray, " networks"]
    error_smallest: Float[np.ndarray, " networks"]
    error_largest: Float[np.ndarray, " networks"]
    rescaling_norm: Float[np.ndarray, " networks"]
    descent_steps: Int[np.ndarray, " networks"]
    solver_steps: Int[np.ndarray, " networks"]

    def rows(self, architecture: str, **sizes: int) -> np.ndarray:
        """Places of an architecture's networks, with ``width`` or ``hidden`` as given, by growing size."""
        places = [i for i, name in enumerate(self.architectures) if name == architecture]
        places = [i for i in places if all(getattr(self, name)[i] == size for name, size in sizes.items())]
        return np.array(sorted(places, key=lambda i: (self.hidden[i], self.width[i])), dtype=int)

    @property
    def condition(self) -> Float[np.ndarray, " networks"]:
        """Condition number of d2F/dz2."""
        return self.largest / self.smallest


class Network(NamedTuple):
    """A network to measure."""

    architecture: str
    width: int
    problem: Problem


def run(settings: Settings) -> Record:
    """Measure every network; the claims assume float64."""
    start = time.perf_counter()
    networks = list(every_network(settings))
    rows = np.array([measure(network.problem) for network in networks], dtype=float).T
    hidden = np.array([network.problem.network.depth - 1 for network in networks])
    width = np.array([network.width for network in networks])
    *numbers, descent, solver = rows
    data = "the toy task (MLPs), handwritten digits (CNN), a play by Shakespeare (transformers)"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data)
    names = tuple(network.architecture for network in networks)
    return Record(settings, made, names, width, hidden, *numbers, descent.astype(int), solver.astype(int))


def every_network(settings: Settings) -> Iterator[Network]:
    """All networks of the study, in the order of the record."""
    yield from _mlps(settings)
    for channels in settings.channels:
        yield Network("CNN", channels, _cnn(settings, channels))
    for i, width in enumerate(settings.transformer_widths):
        problem = _transformer(settings, width)
        yield Network("transformer", width, problem)
        if i == 0:
            yield Network("transformer, trained", width, _trained(settings, problem))


def _mlps(settings: Settings) -> Iterator[Network]:
    task, key, dtype = toy_task(settings.seed), jax.random.key(settings.seed), jnp.zeros(()).dtype
    # One sample of either class, and so on inwards: the first half of the task is one class.
    order = np.arange(len(task.x)).reshape(2, -1).T.ravel()[: settings.samples]
    x, y = jnp.asarray(task.x[order], dtype), jnp.asarray(task.y[order], dtype)

    def problem(activation, width: int, depth: int) -> Problem:
        mlp = MLP(x.shape[1], width, depth, y.shape[1], activation=activation, skips=True)
        return Problem(mlp.init(key, mupc_skips(), dtype), x, y)

    for width in settings.widths:
        yield Network("linear MLP", width, problem(identity, width, settings.depth))
        yield Network("tanh MLP", width, problem(jnp.tanh, width, settings.depth))
    for depth in settings.depths:
        if (settings.width, depth) not in {(width, settings.depth) for width in settings.widths}:
            yield Network("tanh MLP", settings.width, problem(jnp.tanh, settings.width, depth))


def _cnn(settings: Settings, channels: int) -> Problem:
    data, dtype = images("digits", Selection(settings.samples, settings.seed)), jnp.zeros(()).dtype
    cnn = CNN(IMAGE, channels, data.y.shape[1], activation=jnp.tanh)
    network = cnn.init(jax.random.key(settings.seed), mupc_convolutional(), dtype)
    x = jnp.asarray(data.x, dtype).reshape(-1, *IMAGE)
    return Problem(network, x, jnp.asarray(data.y, dtype), cross_entropy)


def _transformer(settings: Settings, width: int) -> Problem:
    data, dtype = text("play", samples=settings.samples, length=settings.length), jnp.zeros(()).dtype
    transformer = Transformer(len(data.labels), settings.length, width, heads=8, blocks=settings.blocks)
    network = transformer.init(jax.random.key(settings.seed), complete_p(), dtype)
    y = jnp.asarray(data.y, dtype)
    return Problem(network, jnp.asarray(data.x), y, cross_entropy, output_precision=float(settings.length))


def _trained(settings: Settings, problem: Problem) -> Problem:
    """The same problem, on the weights that predictive coding has learned for it."""
    schedule = Schedule(settings.training_steps, Sweeps(TOLERANCE, max_steps=50, accelerate=True))
    # Optax's Adam raises a Python float to an integer power, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        return replace(problem, network=train(problem, Adam(2e-2, (0.9, 0.95), 1e-12), schedule).pc)


def measure(problem: Problem) -> tuple[float, ...]:
    """One network's numbers, in the order of :class:`Record`."""
    equilibrium = equilibrate(problem, SweepsThenNewton(TOLERANCE)).require()
    in_z = activity_spectrum(problem, equilibrium.activities)
    in_e = error_spectrum(problem, equilibrium.errors)
    smallest, largest = in_z.smallest.min(), in_z.largest.max()
    norm = np.nan
    if problem.network.linear:
        S = rescaling(problem.network, problem.output_precision)
        norm = problem.output_precision * float(np.linalg.norm(S, 2)) - 1
    steps = descent_steps(problem, 2 / (smallest + largest)) if smallest > 0 else PATIENCE
    ends = (smallest, largest, in_e.smallest.min(), in_e.largest.max())
    return (*ends, norm, int(steps), int(equilibrium.steps.max()))


@jax.jit
def descent_steps(problem: Problem, rate: float | Array) -> Int[Array, ""]:
    """Gradient-descent steps on z, from the feedforward pass, until ||dF/dz|| over the batch is ``TOLERANCE`` of it.

    For a quadratic energy of condition number k the best rate shrinks every step's gradient by (k - 1) / (k + 1)
    or more.
    """
    batch = problem.x.shape[0]
    slope = jax.grad(lambda z: batch * energy(problem, z))
    start = feedforward(problem.network, problem.x).activities
    target = TOLERANCE * tree_norm(slope(start))
    rate = jnp.asarray(rate, target.dtype)

    def go_on(state) -> Array:
        return (tree_norm(state[1]) > target) & (state[2] < PATIENCE)

    def body(state):
        z, gradient, count = state
        z = jax.tree.map(lambda a, g: a - rate * g, z, gradient)
        return z, slope(z), count + 1

    return jax.lax.while_loop(go_on, body, (start, slope(start), jnp.array(0)))[2]


def skip_chain_ends(hidden: int) -> tuple[float, float]:
    """Smallest and largest eigenvalue of d2F/dz2 in a chain of H skips without branches.

        mu_k = 2 - 2 cos((2k - 1) pi / (2H + 1)),   k = 1 and k = H

    Source: derived here, see the chapter "Nonlinear networks".
    """
    step = np.pi / (2 * hidden + 1)
    return 2 - 2 * np.cos(step), 2 - 2 * np.cos((2 * hidden - 1) * step)
