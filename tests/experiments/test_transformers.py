"""Transformers on text: the claims on a record that theory made, and the probes against slow computations."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pcn_lib.claims import transformers as claims
from pcn_lib.data import text
from pcn_lib.experiments import transformers as study
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.published_inference import skip_chain_residual
from pcn_lib.experiments.trainings import trained
from pcn_lib.experiments.transformer_probes import probe
from pcn_lib.experiments.transformers import PUBLISHED_RATE, PUBLISHED_STEPS, ProbedCurves, Record, Settings
from pcn_lib.figures import transformers as figures
from pcn_lib.inference import equilibrate
from pcn_lib.results import provenance
from pcn_lib.training import Schedule

SMALL = Settings(
    widths=(8, 64),
    learning_widths=(8,),
    variant_widths=(8,),
    published=(8,),
    published_trained=(8,),
    counts=(10, 100, PUBLISHED_STEPS),
    steps=3,
)


def curves_of(widths: tuple[int, ...], **changed: np.ndarray) -> ProbedCurves:
    """Trainings just as theory has them before the first update; axes [1, widths, 3]."""
    ones, N = np.ones((1, len(widths), 3)), np.array(widths)[None, :, None]
    made = dict(
        energy=ones - 0.02**2 * 3 * 0.8 / (2 * N) * ones, pc_loss=ones, bp_loss=ones, one_minus_cosine=3 * ones / N**2,
        norm_ratio=ones, layers=np.repeat(3 * ones[..., None] / N[..., None] ** 2, 6, axis=-1),
        residual=1e-6 * ones, converged=ones > 0, inference_steps=2 * ones.astype(int), contraction=-1e-4 / N * ones,
        displacement=np.sqrt(0.4) * 3 * ones / N, logits=ones, sharpness=0 * ones,
    )  # fmt: skip
    return ProbedCurves(**made | changed)


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    growth = np.array([[[1e-4, 1e-2, 0.5]]])
    learning = curves_of((8,), contraction=-growth, inference_steps=np.array([[[2, 3, 6]]]))
    variants = curves_of((8, 8), contraction=np.stack([-growth[0], -50 * np.ones((1, 3))], axis=1))
    chain = skip_chain_residual(SMALL.hidden, PUBLISHED_RATE, 10)
    stopped = replace(curves_of((8,)), residual=np.array([[[chain, 1e-3, 1e-6]]]))
    made = provenance(SMALL, seconds=1.0, data_set="a text made for a test", dtype="float32")
    predicted = np.array([[2 / 8, 2 / 64]])
    return Record(SMALL, made, 5, curves_of(SMALL.widths), predicted, learning, variants, stopped, None)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


@pytest.mark.parametrize(
    "part, field, factor, broken",
    [
        ("trained", "converged", 0, {"certified equilibria"}),
        ("trained", "displacement", 1.3, {"how far activities move"}),
        ("learning", "inference_steps", 0, {"a weaker contraction costs steps"}),
        ("variants", "contraction", 1e-3, {"layer norm undoes the contraction"}),
        ("stopped", "residual", 2, {"the published protocol diffuses along the skips"}),
    ],
)
def test_a_broken_quantity_fails_its_claim(ideal: Record, part: str, field: str, factor: float, broken: set[str]):
    values = getattr(getattr(ideal, part), field)
    if field == "inference_steps":
        wrong = np.full_like(values, 2)
    else:
        wrong = (values * factor).astype(values.dtype)
    assert failing(replace(ideal, **{part: replace(getattr(ideal, part), **{field: wrong})})) == broken


def test_a_gap_and_an_angle_that_do_not_fall_fail_their_claims(ideal: Record):
    flat = replace(ideal.trained, energy=np.full_like(ideal.trained.energy, 0.9))
    assert failing(replace(ideal, trained=flat)) == {"the gap to the loss falls as 1/N", "the size of the gap"}
    angle = np.full_like(ideal.trained.one_minus_cosine, 1e-3)
    wrong = failing(replace(ideal, trained=replace(ideal.trained, one_minus_cosine=angle)))
    assert wrong == {"gradients align as 1/N²", "a narrow transformer: one gradient"}


@pytest.mark.parametrize("draw", [figures.training, figures.limit, figures.hardness])
def test_a_figure_names_the_text_really_used(ideal: Record, draw):
    assert "a text made for a test" in draw(ideal).caption


def test_a_recorded_run_is_drawn_beside_this_one_and_named(ideal: Record):
    larger = replace(ideal, provenance=replace(ideal.provenance, data_set="another text"))
    assert "a recorded run: another text" in figures.limit(ideal, larger).caption


def test_a_training_by_the_published_protocol_is_dotted_in_the_figure(ideal: Record):
    by_count = replace(ideal, published=curves_of((8,)))
    assert "dotted" in figures.training(by_count).caption and "dotted" not in figures.training(ideal).caption
    styles = [line.get_linestyle() for line in figures.training(by_count).figure.axes[1].lines]
    assert styles.count(":") == 1


def test_the_tables_set_options_beside_the_published_network_and_stopped_beside_certified(ideal: Record):
    assert [row[0] for row in figures.variants(ideal).rows] == [
        "as published, N = 8", "linear attention, N = 8", "layer norm, N = 8",
    ]  # fmt: skip
    assert [row[0] for row in figures.protocols(ideal).rows] == [
        "N = 8, 10 steps", "N = 8, 100 steps", "N = 8, 800 steps", "N = 8, certified in 2 steps",
    ]  # fmt: skip
    assert len(figures.against_paper(ideal).rows) == 9


def test_settings_that_no_run_can_be_made_from_are_refused():
    with pytest.raises(SettingsError, match="choose multiples of 8"):
        Settings(widths=(8, 12))
    with pytest.raises(SettingsError, match="add 800"):
        Settings(counts=(10,))
    with pytest.raises(SettingsError, match="choose among widths"):
        Settings(widths=(8,))


@pytest.mark.slow
def test_what_is_probed_at_each_step_comes_with_the_curves_and_energies_are_per_character():
    settings = replace(SMALL, blocks=1, length=3, samples=2, widths=(8,), steps=2)
    data = text("play", samples=2, length=3)
    problem = study.problem_of(settings, data, 8, 0)
    with jax.numpy_dtype_promotion("standard"):
        schedule = Schedule(settings.steps, settings.certified, probe)
        curves = trained([[problem]], study.adam(settings.rate), schedule, ProbedCurves)
    equilibrium = equilibrate(problem, settings.certified)
    measured = jax.jit(probe)(problem, equilibrium, problem)
    for name, value in measured._asdict().items():
        assert getattr(curves, name)[0, 0, 0] == pytest.approx(float(value), rel=1e-3), name
    assert curves.energy[0, 0, 0] == pytest.approx(float(equilibrium.energy) / 3, rel=1e-5)
