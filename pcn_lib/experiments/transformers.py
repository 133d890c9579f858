"""Transformers on text, one character at a time: energies against losses and cosines over training (E9).

Source: arXiv:2602.07697, Figure 4c.  Every step ends where inference got to, with a certificate that says how near
an equilibrium that is; beside it stand the protocol of the authors' script, and what makes inference hard when it
becomes so.
"""

import time
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pcn_lib.data import Dataset, Windows, text
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.experiments.comparison import Compared, compared
from pcn_lib.experiments.published_inference import descent
from pcn_lib.experiments.trainings import Curves, at_start, joined, stopped_after, trained
from pcn_lib.experiments.transformer_probes import probe, relative_displacement
from pcn_lib.experiments.transformer_settings import (
    DECAYS,
    EPSILON,
    PRESETS,
    PUBLISHED_RATE,
    PUBLISHED_STEPS,
    VARIANTS,
    Settings,
    preset,
)
from pcn_lib.inference import ActivityDescent
from pcn_lib.network import Transformer
from pcn_lib.parameterisation import complete_p
from pcn_lib.results import Provenance, provenance
from pcn_lib.training import Adam, Schedule

__all__ = [
    "PRESETS",
    "PUBLISHED_RATE",
    "PUBLISHED_STEPS",
    "VARIANTS",
    "ProbedCurves",
    "Record",
    "Settings",
    "comparison",
    "preset",
    "run",
]


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
        data_set: that text's name.
        characters: V of that text.
        trained: at the published rate, for ``settings.widths`` and the first ``settings.seeds`` draws.
        start: before the first update, for ``settings.all_widths`` and every draw; one step.
        other_list: the same draws under the other list of layers, for ``settings.other_list``; one step.
        predicted_displacement: ||z* - h|| / ||h|| to first order, before the first update.
        learning: at the larger rate, for ``settings.learning_widths``.
        variants: for ``settings.variants`` (outer) and ``settings.variant_widths`` (inner); first seed only.
        stopped: inference stopped by count before the first update, for ``settings.published`` and the first draw;
            its last axis is ``settings.counts``.
        published: the first draw trained by the script's protocol, for ``settings.by_count``; None where there are
            none.
    """

    settings: Settings
    provenance: Provenance
    data_set: str
    characters: int
    trained: ProbedCurves
    start: Curves
    other_list: Curves
    predicted_displacement: Float[np.ndarray, "seeds widths"]
    learning: ProbedCurves
    variants: ProbedCurves
    stopped: Curves
    published: Curves | None


def run(settings: Settings) -> Record:
    """Train and measure, in float32 as the paper does."""
    begun = time.perf_counter()
    passages = [passage(settings, draw) for draw in range(settings.draws)]
    own = text(settings.data_set, samples=settings.own_samples, length=settings.length, default="play")
    adam_, solver = adam(settings.rate), settings.certified

    def problems(widths: tuple[int, ...], draws: int, **options: bool) -> list[list[Problem]]:
        rows = enumerate(passages[:draws])
        return [[problem_of(settings, data, width, draw, **options) for width in widths] for draw, data in rows]

    at_widths, by_count = problems(settings.widths, settings.seeds), None
    if settings.by_count:
        script = ActivityDescent(descent(PUBLISHED_RATE), PUBLISHED_STEPS)
        by_count = trained(problems(settings.by_count, 1), adam_, Schedule(settings.published_steps, script))
    learners = [[own_problem(settings, own, width) for width in settings.learning_widths]]
    options = [VARIANTS[name] for name in settings.variants]
    variants = [[own_problem(settings, own, width, **o) for o in options for width in settings.variant_widths]]
    curves = trained(at_widths, adam_, Schedule(settings.steps, solver, probe), ProbedCurves)
    other = problems(settings.other_list, settings.draws, identity_layer=not settings.identity_layer)
    parts = (
        curves,
        _start(settings, problems, curves),
        at_start(other, settings.certified_at_start),
        np.array([[float(relative_displacement(problem)) for problem in row] for row in at_widths]),
        trained(learners, adam(settings.learning_rate), Schedule(settings.learning_steps, solver, probe), ProbedCurves),
        trained(variants, adam_, Schedule(settings.variant_steps, solver, probe), ProbedCurves),
        stopped_after(problems(settings.published, 1), settings.counts, PUBLISHED_RATE),
        by_count,
    )
    note = passages[0].note + (f", {settings.draws} passages" if settings.draws > 1 else "")
    made = provenance(settings, seconds=time.perf_counter() - begun, data_set=note, dtype="float32")
    return Record(settings, made, passages[0].name, len(passages[0].labels), *parts)


def _start(settings: Settings, problems, known: ProbedCurves) -> Curves:
    """Every draw of every width before the first update; where all draws are trained, their first steps."""
    if settings.draws > settings.seeds:
        return at_start(problems(settings.all_widths, settings.draws), settings.certified_at_start)
    first = Curves(*(getattr(known.first, field.name) for field in fields(Curves)))
    wide = tuple(width for width in settings.all_widths if width not in settings.widths)
    if wide:
        first = joined([first, at_start(problems(wide, settings.draws), settings.certified_at_start)], axis=1)
    return first.take([(*settings.widths, *wide).index(width) for width in settings.all_widths])


def passage(settings: Settings, draw: int) -> Dataset:
    """The overlapping windows of one draw."""
    sizes = dict(samples=settings.samples, length=settings.length)
    seed = settings.seed + draw
    return text(settings.data_set, **sizes, default="play", windows=Windows.OVERLAPPING, seed=seed)


def adam(rate: float) -> Adam:
    """Adam as published, at a base rate."""
    return Adam(rate, DECAYS, EPSILON)


def problem_of(settings: Settings, data: Dataset, width: int, draw: int, **options: bool) -> Problem:
    """The network of one width and initialisation, with the text; lambda = T, so that every character counts 1.

    The authors' energy adds the cross-entropies of the T characters of a sample up, and is then shown per
    character; our loss averages over them.  Weighed with T they are the same energy.
    """
    options = {"identity_layer": settings.identity_layer} | options
    return _problem(settings, data, (width, settings.blocks), draw, options)


def own_problem(settings: Settings, data: Dataset, width: int, **options: bool) -> Problem:
    """The same of the size that our own questions are asked at, first initialisation."""
    return _problem(settings, data, (width, settings.own_blocks), 0, options)


def _problem(settings: Settings, data: Dataset, size: tuple[int, int], draw: int, options: dict[str, bool]) -> Problem:
    width, blocks = size
    transformer = Transformer(len(data.labels), settings.length, width, settings.heads, blocks, **options)
    network = transformer.init(jax.random.key(settings.seed + draw), complete_p(), "float32")
    x, y = jnp.asarray(data.x), jnp.asarray(data.y, "float32")
    return Problem(network, x, y, cross_entropy, output_precision=float(settings.length))


def as_published(record: Record) -> bool:
    """Whether the record may be held against the paper's figure: its network, its batch and its text."""
    return record.settings.published_size and record.data_set == "tinyshakespeare"


def layer_list(identity_layer: bool) -> str:
    """The name of a list of layers."""
    return "embedding, blocks, identity" if identity_layer else "embedding, blocks"


def comparison(record: Record) -> tuple[Compared, ...]:
    """Every published cosine beside ours; none where network, batch or text are not the published ones."""
    if not as_published(record):
        return ()
    s = record.settings
    ours, other = layer_list(s.identity_layer), layer_list(not s.identity_layer)
    script = f"{PUBLISHED_STEPS} steps; {ours}"
    stopped = record.stopped.one_minus_cosine[..., s.counts.index(PUBLISHED_STEPS)][..., None]
    rows = [
        (s.all_widths, record.start.one_minus_cosine, f"certified; {ours}"),
        (s.other_list, record.other_list.one_minus_cosine, f"certified; {other}"),
        (s.widths, record.trained.one_minus_cosine, f"certified, trained; {ours}"),
        (s.published, stopped, script),
    ]
    if record.published is not None:
        rows.append((s.by_count, record.published.one_minus_cosine, f"{script}, trained"))
    return sum((compared("transformer", widths, 1 - angles, protocol) for widths, angles, protocol in rows), ())
