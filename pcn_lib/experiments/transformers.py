"""Transformers on text, one character at a time: energies against losses and cosines over training (E9).

Source: arXiv:2602.07697, Figure 4c.  Every step ends where inference got to, with a certificate that says how near
an equilibrium that is; beside it stand the published protocol, and what makes inference hard when it becomes so.
"""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, text
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import descent
from pcn_lib.experiments.trainings import BothProtocols, Curves, stopped_after, trained
from pcn_lib.experiments.transformer_probes import probe, relative_displacement
from pcn_lib.inference import ActivityDescent, Solver, SweepsThenNewton
from pcn_lib.network import Transformer
from pcn_lib.parameterisation import complete_p
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, Schedule

#: The published protocol: gradient-descent steps on the activities, and their rate.
PUBLISHED_STEPS, PUBLISHED_RATE = 800, 0.45
#: Adam's decays and epsilon, as published.
DECAYS, EPSILON = (0.9, 0.95), 1e-12
#: Sweeps before Newton's method takes over.
MAX_SWEEPS = 30
#: What the authors' script has options for, beside the published network: (name, layer norm, softmax).
VARIANTS = (("linear attention", False, False), ("layer norm", True, True))


@dataclass(frozen=True)
class Settings(BothProtocols):
    """Which transformers are trained, on what, and how inference is done.

    Attributes:
        data_set: the text wanted; the play that comes with the library stands in where it is not on this machine.
        widths: N of the networks that are trained at the published rate.
        blocks, heads: of every network.
        length: T, characters in a sample.
        samples: B, in one batch.
        steps: weight updates.
        rate: Adam's base rate eta, as published.
        learning_rate: the larger rate at which networks learn within these steps.
        learning_widths: N of the networks that are trained at it as well.
        variant_widths: N at which the options of the authors' script are compared, among ``widths``.
        published: N at which the published protocol is tried before the first update.
        counts: its numbers of steps, the published one among them.
        published_trained: N at which, if among ``widths``, networks are trained by the published protocol as well.
        published_steps: weight updates of those.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations.
        seed: of the first initialisation.

    Raises:
        SettingsError: a size too small, a width that the heads do not divide, or no published count.
    """

    data_set: str = "play"
    widths: tuple[int, ...] = (8, 32)
    blocks: int = 2
    heads: int = 8
    length: int = 8
    samples: int = 8
    steps: int = 60
    rate: float = 1e-3
    learning_rate: float = 2e-2
    learning_widths: tuple[int, ...] = (8,)
    variant_widths: tuple[int, ...] = (32,)
    published: tuple[int, ...] = (8,)
    counts: tuple[int, ...] = (100, PUBLISHED_STEPS)
    published_trained: tuple[int, ...] = (8,)
    published_steps: int = 5
    tolerance: float = 1e-5
    seeds: int = 1
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, blocks=1, heads=1, length=1, samples=1, steps=2, seeds=1)
        check_sizes(self, learning_widths=1, variant_widths=1, published=1, counts=1, published_steps=1)
        beside = {*self.variant_widths, *self.published}
        every = sorted({*self.widths, *self.learning_widths, *beside})
        if any(width % self.heads for width in every):
            raise SettingsError(
                f"widths {every} given with {self.heads} heads; every head reads the same number of units: "
                f"choose multiples of {self.heads}"
            )
        if not beside <= set(self.widths):
            raise SettingsError(
                f"variant_widths = {self.variant_widths} and published = {self.published} given; each is set beside "
                f"the trained network of its width: choose among widths = {self.widths}"
            )
        if PUBLISHED_STEPS not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the published count is needed: add {PUBLISHED_STEPS}")

    @property
    def hidden(self) -> int:
        """H, the layers that inference moves: the embedding and the blocks."""
        return self.blocks + 1

    @property
    def certified(self) -> Solver:
        """Sweeps, capped, then Newton's method."""
        return SweepsThenNewton(tolerance=self.tolerance, max_sweeps=MAX_SWEEPS)


PRESETS = {
    "smoke": Settings(samples=4),
    "quick": Settings(),
    "full": Settings(
        data_set="tinyshakespeare", widths=(8, 32, 128), blocks=4, length=32, samples=16, steps=100,
        learning_widths=(8, 32), variant_widths=(8,), published=(8, 32, 128),
        counts=(10, 100, PUBLISHED_STEPS), published_trained=(8, 32), published_steps=10,
    ),
    "paper": Settings(
        data_set="tinyshakespeare", widths=(8, 16, 32, 64, 128, 256, 512), blocks=12, length=32, samples=128,
        steps=100, learning_widths=(8, 64, 512), variant_widths=(8, 32, 128, 512), published=(8, 32, 128, 512),
        counts=(10, 100, PUBLISHED_STEPS), published_trained=(8, 16, 32, 64, 128, 256, 512), published_steps=100,
        seeds=3,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@dataclass(frozen=True)
class ProbedCurves(Curves):
    """Trainings, and what :func:`~pcn_lib.experiments.transformer_probes.probe` measured at each step.

    Attributes:
        contraction: factor by which a sweep shrinks what is left, the worst of the batch, with its sign.
        displacement: ||z* - h|| / ||h|| in the uppermost layer.
        logits: standard deviation of the outputs.
        sharpness: how far attention is from reading the whole past alike, in nats; NaN for linear attention.
    """

    contraction: Float[np.ndarray, "seeds networks steps"]
    displacement: Float[np.ndarray, "seeds networks steps"]
    logits: Float[np.ndarray, "seeds networks steps"]
    sharpness: Float[np.ndarray, "seeds networks steps"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when, with the text really used.
        characters: V of that text.
        trained: at the published rate, for ``settings.widths``.
        predicted_displacement: ||z* - h|| / ||h|| to first order, before the first update.
        learning: at the larger rate, for ``settings.learning_widths``.
        variants: for :data:`VARIANTS` (outer) and ``settings.variant_widths`` (inner); first seed only.
        stopped: inference stopped by count before the first update, for ``settings.published``; its last axis is
            ``settings.counts``.
        published: trained by the published protocol, for ``settings.by_count``; None where there are none.
    """

    settings: Settings
    provenance: Provenance
    characters: int
    trained: ProbedCurves
    predicted_displacement: Float[np.ndarray, "seeds widths"]
    learning: ProbedCurves
    variants: ProbedCurves
    stopped: Curves
    published: Curves | None


def run(settings: Settings) -> Record:
    """Train and measure, in float32 as the paper does."""
    start = time.perf_counter()
    data = text(settings.data_set, samples=settings.samples, length=settings.length, default="play")
    schedule = Schedule(settings.steps, settings.certified, probe)

    def problems(widths: tuple[int, ...]) -> list[list[Problem]]:
        return [[problem_of(settings, data, width, seed) for width in widths] for seed in range(settings.seeds)]

    at_widths, learning, published = problems(settings.widths), problems(settings.learning_widths), None
    if settings.by_count:
        by_count = Schedule(settings.published_steps, ActivityDescent(descent(PUBLISHED_RATE), PUBLISHED_STEPS))
        published = trained(problems(settings.by_count), adam(settings.rate), by_count)
    parts = (
        trained(at_widths, adam(settings.rate), schedule, ProbedCurves),
        np.array([[float(relative_displacement(problem)) for problem in row] for row in at_widths]),
        trained(learning, adam(settings.learning_rate), schedule, ProbedCurves),
        trained([_variants(settings, data)], adam(settings.rate), schedule, ProbedCurves),
        stopped_after(problems(settings.published), settings.counts, PUBLISHED_RATE),
        published,
    )
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data.note, dtype="float32")
    return Record(settings, made, len(data.labels), *parts)


def _variants(settings: Settings, data: Dataset) -> list[Problem]:
    """The options of the authors' script, each at every width."""
    return [
        problem_of(settings, data, width, 0, layer_norm=layer_norm, softmax=softmax)
        for _, layer_norm, softmax in VARIANTS
        for width in settings.variant_widths
    ]


def adam(rate: float) -> Adam:
    """Adam as published, at a base rate."""
    return Adam(rate, DECAYS, EPSILON)


def problem_of(settings: Settings, data: Dataset, width: int, seed: int, **options: bool) -> Problem:
    """The network of one width and initialisation, with the text; lambda = T, so that every character counts 1.

    The authors' energy adds the cross-entropies of the T characters of a sample up, and is then shown per
    character; our loss averages over them.  Weighed with T they are the same energy.
    """
    transformer = Transformer(len(data.labels), settings.length, width, settings.heads, settings.blocks, **options)
    network = transformer.init(jax.random.key(settings.seed + seed), complete_p(), "float32")
    x, y = jnp.asarray(data.x), jnp.asarray(data.y, "float32")
    return Problem(network, x, y, cross_entropy, output_precision=float(settings.length))
