"""Learning that matters: test accuracy over width and depth, and whether the best rate moves with either.

Predictive coding and backpropagation are trained with minibatches, from the same weights on the same batches, under
muPC with skips and under SP.
"""

import math
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import DataMissing, Dataset, Selection, images
from pcn_lib.experiments.learning_rates import Learned, Start, Sweep, Task, learn, start, tangent_kernel
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.inference import Solver, Sweeps, SweepsThenNewton
from pcn_lib.network import MLP
from pcn_lib.parameterisation import Parameterisation, mupc_skips, sp
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import shuffled_batches

#: Training images on which the tangent kernel is taken.
KERNEL_SAMPLES = 8
#: Points of a loss curve that are kept, each the mean of as many steps.
POINTS = 40
#: Training and test images of the handwritten digits, which stand in where the data set is missing.
DIGITS = (1438, 359)
#: Sweeps allowed before each update: at the many rates, and where Newton's method comes after them.
MAX_SWEEPS, PATIENT_SWEEPS = 15, 40
#: Newton steps allowed.
NEWTON_STEPS = 20
DTYPE = "float32"


@dataclass(frozen=True)
class Settings:
    """Which networks learn what, and at which rates.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        train_samples, test_samples: images to learn from, and images to be tested on.
        widths: N at which the best rate is looked for, at depth ``depth``.
        depths: L at which it is looked for, at width ``width``.
        width, depth: N of the sweep over depths, and L of the sweep over widths.
        pool: pixels of a side that are averaged into one for the sweeps, so that inputs are fewer than units.
        mupc_rates, sp_rates: base rates tried, eta = 2^exponent.
        steps: weight updates at each rate.
        learned_widths, learned_depths: N and L of the networks that are trained for their accuracy, under muPC.
        learned_rate: their base rate, as an exponent of 2.
        learned_steps: their weight updates.
        batch: B.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations, each with batches of its own.
        seed: of the images drawn and of the first initialisation.

    Raises:
        SettingsError: a size too small, a batch larger than the training set, or too few rates to hold an optimum.
    """

    data_set: str = "digits"
    train_samples: int = 1438
    test_samples: int = 359
    widths: tuple[int, ...] = (16, 64, 256)
    depths: tuple[int, ...] = (4, 16)
    width: int = 64
    depth: int = 4
    pool: int = 1
    mupc_rates: tuple[int, ...] = (0, 1, 2, 3, 4)
    sp_rates: tuple[int, ...] = (-5, -4, -3, -2, -1, 0, 1)
    steps: int = 100
    learned_widths: tuple[int, ...] = (16, 64)
    learned_depths: tuple[int, ...] = (4, 16)
    learned_rate: int = 2
    learned_steps: int = 100
    batch: int = 32
    tolerance: float = 1e-2
    seeds: int = 2
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, train_samples=1, test_samples=1, widths=1, width=1, learned_widths=1, steps=8, seeds=2)
        check_sizes(self, depths=2, depth=2, learned_depths=2, learned_steps=8, batch=1, pool=1)
        for name in ("mupc_rates", "sp_rates"):
            rates = getattr(self, name)
            if len(rates) < 3 or list(rates) != sorted(set(rates)):
                raise SettingsError(f"{name} = {rates} given; at least 3 rising exponents of 2 are needed: add some")
        if self.batch > self.train_samples:
            raise SettingsError(f"batch = {self.batch} of {self.train_samples} samples given; choose a smaller batch")

    @property
    def solver(self) -> Solver:
        """For the many rates, a limited number of sweeps: the certificate says where that was not enough."""
        return Sweeps(self.tolerance, MAX_SWEEPS, accelerate=True)

    @property
    def thorough(self) -> Solver:
        """For the accuracies: learning weakens the contraction of sweeps, and Newton's method finishes."""
        return SweepsThenNewton(self.tolerance, PATIENT_SWEEPS, NEWTON_STEPS, contraction=2.0)


PRESETS = {
    "smoke": Settings(
        widths=(16, 128), depths=(4, 8), width=16, mupc_rates=(0, 2, 4, 6), sp_rates=(-4, -2, 0, 2),
        learned_widths=(16, 128), learned_depths=(4, 8),
    ),
    "quick": Settings(),
    "full": Settings(
        data_set="fashion_mnist", train_samples=60_000, test_samples=10_000, widths=(16, 32, 64, 128, 256),
        depths=(4, 8, 16, 32), width=64, pool=4, mupc_rates=(-1, 0, 1, 2, 3, 4, 5),
        sp_rates=(-6, -5, -4, -3, -2, -1, 0, 1), steps=200,
        learned_widths=(16, 64, 256), learned_depths=(4, 8), learned_steps=938, batch=64, seeds=3,
    ),
    "paper": Settings(
        data_set="fashion_mnist", train_samples=60_000, test_samples=10_000, widths=(32, 128, 512, 2048),
        depths=(4, 8, 16, 32), width=512, pool=4, mupc_rates=(-2, -1, 0, 1, 2, 3, 4, 5),
        sp_rates=(-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1), steps=1000, learned_widths=(8, 32, 128, 512, 2048),
        learned_depths=(4, 8, 16, 32), learned_steps=9370, batch=128, seeds=5,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class Accuracies:
    """Networks trained under muPC at one base rate, whatever their size; axes [widths, depths, seeds].

    Attributes:
        pc, bp: test accuracy.
        pc_loss, bp_loss: training loss, means over equal parts of the training; one more axis.
        certified: share of predictive coding's samples whose equilibrium is certified.
    """

    pc: Float[np.ndarray, "widths depths seeds"]
    bp: Float[np.ndarray, "widths depths seeds"]
    pc_loss: Float[np.ndarray, "widths depths seeds points"]
    bp_loss: Float[np.ndarray, "widths depths seeds points"]
    certified: Float[np.ndarray, "widths depths seeds"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the data set really used.
        mupc_widths, sp_widths: rates tried at ``settings.widths``.
        mupc_depths, sp_depths: rates tried at ``settings.depths``.
        accuracies: of the networks trained longer.
        class_means: test accuracy of the nearest class mean, the simplest classifier on the same images.
    """

    settings: Settings
    provenance: Provenance
    mupc_widths: Sweep
    sp_widths: Sweep
    mupc_depths: Sweep
    sp_depths: Sweep
    accuracies: Accuracies
    class_means: float


def run(settings: Settings) -> Record:
    """Train at every rate and size, then the networks whose accuracy is measured; in float32."""
    began = time.perf_counter()
    s = settings
    train, test = _images(s, test=False), _images(s, test=True)
    data = tuple(jnp.asarray(a, DTYPE) for a in (train.x, train.y, test.x, test.y))
    small = tuple(jnp.asarray(a, DTYPE) for a in (pooled(train.x, s.pool), train.y, pooled(test.x, s.pool), test.y))
    tasks = [_task(s, small, seed, s.steps) for seed in range(s.seeds)]
    sweeps = [
        [_sweep(s, tasks, sizes, *tried) for tried in ((mupc_skips(), s.mupc_rates), (sp(), s.sp_rates))]
        for sizes in ([(N, s.depth) for N in s.widths], [(s.width, L) for L in s.depths])
    ]
    longer = [_task(s, data, seed, s.learned_steps) for seed in range(s.seeds)]
    accuracies = _accuracies(s, longer)
    note = f"{train.note}, tested on {test.note}"
    made = provenance(s, seconds=time.perf_counter() - began, data_set=note, dtype=DTYPE)
    (mupc_widths, sp_widths), (mupc_depths, sp_depths) = sweeps
    return Record(s, made, mupc_widths, sp_widths, mupc_depths, sp_depths, accuracies, nearest_class_mean(train, test))


def _images(settings: Settings, test: bool) -> Dataset:
    """The images asked for, or the handwritten digits, as many as there are."""
    wanted = settings.test_samples if test else settings.train_samples
    try:
        return images(settings.data_set, Selection(wanted, settings.seed, test=test))
    except DataMissing:
        return images("digits", Selection(min(wanted, DIGITS[test]), settings.seed, test=test))


def _task(settings: Settings, data: tuple, seed: int, steps: int) -> Task:
    x, y, test_x, test_y = data
    key = jax.random.key(1000 + settings.seed + seed)
    return Task(x, y, shuffled_batches(key, len(x), settings.batch, steps), test_x, test_y)


def pooled(x: Float[np.ndarray, "batch pixels"], side: int) -> Float[np.ndarray, "batch fewer"]:
    """Square grey images with every ``side`` x ``side`` block averaged into a pixel, of mean square 1 again.

    Raises:
        SettingsError: images that are not square, or that the blocks do not fill.
    """
    if side == 1:
        return x
    edge = math.isqrt(x.shape[1])
    if edge**2 != x.shape[1] or edge % side:
        raise SettingsError(
            f"pool = {side} given for images of {x.shape[1]} pixels; blocks must fill a square: choose pool = 1"
        )
    blocks = x.reshape(len(x), edge // side, side, edge // side, side).mean(axis=(2, 4)).reshape(len(x), -1)
    return blocks / np.sqrt(np.mean(blocks**2))


def nearest_class_mean(train: Dataset, test: Dataset) -> float:
    """Share of test images that are nearest to the mean training image of their own class."""
    means = train.y.T @ train.x / np.maximum(train.y.sum(axis=0), 1)[:, None]
    distances = np.sum(means**2, axis=1) - 2 * test.x @ means.T
    return float(np.mean(distances.argmin(axis=1) == test.y.argmax(axis=1)))


def begin(settings: Settings, task: Task, size: tuple[int, int], table: Parameterisation, seed: int) -> Start:
    """One network of size (N, L) before training."""
    mlp = MLP(task.x.shape[1], *size, task.y.shape[1], activation=jnp.tanh, skips=True)
    return start(mlp, table, jax.random.key(settings.seed + seed), task)


def _sweep(
    settings: Settings,
    tasks: list[Task],
    sizes: list[tuple[int, int]],
    parameterisation: Parameterisation,
    exponents: tuple[int, ...],
) -> Sweep:
    """Every rate at every size (N, L), from every initialisation."""
    losses, kernels = [], []
    for size in sizes:
        starts = [begin(settings, task, size, parameterisation, seed) for seed, task in enumerate(tasks)]
        kernels.append([tangent_kernel(start, min(KERNEL_SAMPLES, settings.train_samples)) for start in starts])
        losses.append(
            [
                [_last(learn(start, 2.0**e, task, settings.solver)) for start, task in zip(starts, tasks, strict=True)]
                for e in exponents
            ]
        )
    pc, bp, certified = np.moveaxis(np.array(losses), -1, 0)
    return Sweep(np.array(exponents, float), pc, bp, np.array(kernels), certified)


def _last(learned: Learned) -> tuple[float, float, float]:
    """Mean losses over the last quarter of the steps, infinite where one is not a number, and the share certified."""
    ends = (np.mean(loss[-(len(loss) // 4) :]) for loss in (learned.pc_loss, learned.bp_loss))
    return (*(float(end) if np.isfinite(end) else np.inf for end in ends), learned.certified)


def _accuracies(settings: Settings, tasks: list[Task]) -> Accuracies:
    """Every width and depth under muPC at the one base rate."""

    def one(size: tuple[int, int], seed: int) -> tuple:
        learned = learn(
            begin(settings, tasks[seed], size, mupc_skips(), seed),
            2.0**settings.learned_rate,
            tasks[seed],
            settings.thorough,
        )
        curves = _curve(learned.pc_loss), _curve(learned.bp_loss)
        return learned.pc_accuracy, learned.bp_accuracy, *curves, learned.certified

    cells = [
        [[one((N, L), seed) for seed in range(settings.seeds)] for L in settings.learned_depths]
        for N in settings.learned_widths
    ]
    return Accuracies(*(np.array([[[run[i] for run in cell] for cell in row] for row in cells]) for i in range(5)))


def _curve(losses: np.ndarray) -> np.ndarray:
    """Means over equal parts of the training, the remainder left out at the beginning."""
    part = max(1, len(losses) // POINTS)
    kept = len(losses) // part
    return losses[len(losses) - kept * part :].reshape(kept, part).mean(axis=1)
