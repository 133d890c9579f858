"""Transformers on text: the claims on a record that theory made, and the probes against slow computations."""

from dataclasses import fields, replace

import jax
import numpy as np
import pytest

from pcn_lib.claims import transformers as claims
from pcn_lib.data import text
from pcn_lib.experiments import transformers as study
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.trainings import Curves, trained
from pcn_lib.experiments.transformer_probes import probe
from pcn_lib.experiments.transformers import PUBLISHED_RATE, PUBLISHED_STEPS, ProbedCurves, Record, Settings
from pcn_lib.figures import transformers as figures
from pcn_lib.inference import equilibrate
from pcn_lib.results import provenance
from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.training import Schedule

SMALL = Settings(
    widths=(8, 64),
    learning_widths=(8,),
    variant_widths=(8,),
    published=(8,),
    published_trained=(8,),
    counts=(10, 100, PUBLISHED_STEPS),
    variants=("as published", "linear attention", "layer norm"),
    steps=3,
)


def start_of(widths: tuple[int, ...], angles: np.ndarray | None = None) -> Curves:
    """The first step of such trainings; ``angles`` for 1 - cos, axes [draws, widths]."""
    probed = curves_of(widths).first
    made = Curves(*(getattr(probed, field.name) for field in fields(Curves)))
    if angles is None:
        return made
    many = {f.name: np.repeat(getattr(made, f.name), len(angles), axis=0) for f in fields(Curves)}
    return replace(Curves(**many), one_minus_cosine=np.asarray(angles)[..., None])


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
    variants = curves_of((8,) * 3, contraction=np.stack([-growth[0], -growth[0], -50 * np.ones((1, 3))], axis=1))
    chain = skip_chain_residual(SMALL.hidden, PUBLISHED_RATE, 10)
    stopped = replace(curves_of((8,)), residual=np.array([[[chain, 1e-3, 1e-6]]]))
    made = provenance(SMALL, seconds=1.0, data_set="a text made for a test", dtype="float32")
    predicted = np.array([[2 / 8, 2 / 64]])
    start, other = start_of(SMALL.widths), start_of(SMALL.other_list)
    trainings = (curves_of(SMALL.widths), start, other, predicted, learning, variants, stopped, None)
    return Record(SMALL, made, "play", 5, *trainings)


@pytest.fixture
def figure(ideal: Record) -> Record:
    """The same of the published network and text, its draws about the published values; the other list is lower."""
    settings = replace(
        SMALL, widths=(8, 64), wide=(16, 256), other_list=(8, 16, 64), blocks=12, length=32, samples=128, draws=6,
        data_set="tinyshakespeare",
    )  # fmt: skip
    scatter = 0.01 * np.array([-1, -0.6, -0.2, 0.2, 0.6, 1])[:, None]
    cosines = np.array([0.34, 0.655, 0.961, 0.995])
    start = start_of(settings.all_widths, 1 - cosines - scatter / 4)
    other = start_of(settings.other_list, 1 - cosines[:3] + 0.02 - scatter)
    return replace(ideal, settings=settings, data_set="tinyshakespeare", start=start, other_list=other)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


@pytest.mark.parametrize(
    "part, field, factor, broken",
    [
        ("trained", "converged", 0, {"certified equilibria"}),
        ("other_list", "converged", 0, {"certified equilibria"}),
        ("trained", "displacement", 1.3, {"how far activities move"}),
        ("learning", "inference_steps", 0, {"a weaker contraction costs steps"}),
        ("variants", "contraction", 1e-3, {"layer norm undoes the contraction"}),
        ("stopped", "residual", 2, {"the script's protocol diffuses along the skips"}),
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
    flat = replace(ideal.start, energy=np.full_like(ideal.start.energy, 0.9))
    assert failing(replace(ideal, start=flat)) == {"the gap to the loss falls as 1/N", "the size of the gap"}
    angle = replace(ideal.start, one_minus_cosine=np.full_like(ideal.start.one_minus_cosine, 1e-3))
    assert failing(replace(ideal, start=angle)) == {"gradients align as 1/N²"}
    trained = replace(ideal.trained, one_minus_cosine=np.full_like(ideal.trained.one_minus_cosine, 1e-3))
    assert failing(replace(ideal, trained=trained)) == {"a narrow transformer: one gradient"}


FIGURE = {"Figure 4c before the first update", "Figure 4c, the widest"}


def test_published_values_are_claimed_of_the_published_network_and_text_only(ideal: Record, figure: Record):
    names = {claim.name for claim in claims.claims(figure)}
    assert names >= FIGURE and not FIGURE & failing(figure)
    for other in (
        ideal,
        replace(figure, data_set="play"),
        replace(figure, settings=replace(figure.settings, blocks=2)),
    ):
        assert not FIGURE & {claim.name for claim in claims.claims(other)} and study.comparison(other) == ()


def test_the_list_of_layers_that_fits_best_is_named_and_values_that_neither_gives_fail(figure: Record):
    def claim(record: Record):
        return next(claim for claim in claims.claims(record) if claim.name == "Figure 4c before the first update")

    assert claim(figure).statement.endswith("embedding, blocks.")
    angles = figure.start.one_minus_cosine
    worse = replace(figure, start=replace(figure.start, one_minus_cosine=angles + 0.05))
    assert claim(worse).statement.endswith("embedding, blocks, identity.") and claim(worse).as_expected
    lost = replace(worse.other_list, one_minus_cosine=worse.other_list.one_minus_cosine + 0.05)
    assert not claim(replace(worse, other_list=lost)).as_expected
    low = angles.copy()
    low[:, -1] = 0.02
    assert FIGURE & failing(replace(figure, start=replace(figure.start, one_minus_cosine=low))) == {
        "Figure 4c, the widest"
    }


def test_the_comparison_has_every_published_value_that_was_measured(figure: Record):
    rows = [row for row in study.comparison(figure) if row.protocol == "certified; embedding, blocks"]
    assert {(row.width, row.step): row.published for row in rows} == {
        (8, 0): 0.34, (16, 0): 0.655, (64, 0): 0.961, (256, 0): 0.995,
    }  # fmt: skip
    narrow = rows[0]
    draws = np.array([0.34 + 0.0025 * k for k in (-1, -0.6, -0.2, 0.2, 0.6, 1)])
    assert (narrow.figure, narrow.runs) == ("4c", 6)
    assert narrow.mean == pytest.approx(draws.mean()) and narrow.scatter == pytest.approx(draws.std(ddof=1))
    trained = {(row.width, row.step) for row in study.comparison(figure) if row.protocol.startswith("certified, tr")}
    assert trained == {(8, 0), (64, 0), (64, 1), (64, 2)}


def test_published_curves_are_crosses_over_the_published_network_only(ideal: Record, figure: Record):
    assert "crosses, the paper's own curves" in figures.training(figure).caption
    assert "crosses, the paper" not in figures.training(ideal).caption
    assert "crosses, the paper's figure" in figures.published_start(figure).caption
    assert len(figures.against_figure(figure).rows) > 4 and len(figures.against_figure(ideal).rows) == 1


@pytest.mark.parametrize("draw", [figures.training, figures.published_start, figures.limit])
def test_a_figure_names_the_text_really_used(ideal: Record, draw):
    assert "a text made for a test" in draw(ideal).caption


def test_a_recorded_run_is_drawn_beside_this_one_and_named(ideal: Record):
    larger = replace(ideal, provenance=replace(ideal.provenance, data_set="another text"))
    assert "a recorded run: another text" in figures.limit(ideal, larger).caption


def test_a_training_by_the_scripts_protocol_is_dotted_in_the_figure(ideal: Record):
    by_count = replace(ideal, published=curves_of((8,)))
    assert "dotted" in figures.training(by_count).caption and "dotted" not in figures.training(ideal).caption
    styles = [line.get_linestyle() for line in figures.training(by_count).figure.axes[1].lines]
    assert styles.count(":") == 1


def test_the_tables_set_options_beside_the_published_network_and_stopped_beside_certified(ideal: Record):
    assert [row[0] for row in figures.variants(ideal).rows] == [
        "as published, N = 8", "linear attention, N = 8", "layer norm, N = 8",
    ]  # fmt: skip
    assert [row[0] for row in figures.protocols(ideal).rows] == [
        "N = 8, 10 steps", "N = 8, 100 steps", "N = 8, 800 steps", "N = 8, certified, sweeps: 2",
    ]  # fmt: skip
    assert len(figures.against_paper(ideal).rows) == 10


def test_settings_that_no_run_can_be_made_from_are_refused():
    with pytest.raises(SettingsError, match="choose multiples of 8"):
        Settings(widths=(8, 12))
    with pytest.raises(SettingsError, match="add 800"):
        Settings(counts=(10,))
    with pytest.raises(SettingsError, match="choose among widths"):
        Settings(widths=(32,))
    with pytest.raises(SettingsError, match="draws >= 3"):
        Settings(seeds=3, draws=2)
    with pytest.raises(SettingsError, match="name these two"):
        Settings(variants=("as published",))


def test_draws_that_are_not_trained_are_measured_and_first_steps_are_not_measured_twice(monkeypatch):
    asked = []

    def problems(widths: tuple[int, ...], draws: int):
        asked.append((widths, draws))
        return widths

    monkeypatch.setattr(study, "at_start", lambda widths, solver: start_of(widths))
    settings = replace(SMALL, widths=(8, 64), wide=(16,))
    found = study._start(settings, problems, curves_of((8, 64)))
    assert asked == [((16,), 1)]
    np.testing.assert_allclose(found.one_minus_cosine[0, :, 0], 3 / np.array([8, 16, 64]) ** 2)
    study._start(replace(settings, draws=2), problems, curves_of((8, 64)))
    assert asked[1:] == [((8, 16, 64), 2)]


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
