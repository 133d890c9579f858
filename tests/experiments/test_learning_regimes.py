"""Learning regimes: trainings at every output scale at once, the limit beside them, and claims that can fail."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.learning_regimes import claims
from pcn_lib.data import toy_task
from pcn_lib.dmft import InfiniteWidth, learning_curve
from pcn_lib.energy import Problem
from pcn_lib.experiments import learning_regimes as study
from pcn_lib.experiments.learning_regimes import Record, Settings
from pcn_lib.experiments.output_scales import Trainings, train_at_scales
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures import learning_regimes as figures
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import load, provenance, save
from pcn_lib.training import GradientDescent, Schedule, train

GAMMAS = (0.1, 0.5, 1.0, 2.0)
SMALL = Settings(inputs=6, samples=4, depth=4, gammas=GAMMAS, widths=(8, 64), skip_widths=(8, 64), steps=3, seeds=2)


def trainings(settings: Settings, widths: tuple[int, ...]) -> Trainings:
    """Networks just as theory has them: s - 1 = (L - 1) / (gamma_0^2 N), distances N^-1/2, PC from BP 1/N."""
    N = np.array(widths)[:, None, None, None]
    gamma = np.array(settings.gammas)[:, None]
    ones = np.ones((len(widths), settings.seeds, len(gamma), settings.steps))
    s = 1 + (settings.depth - 1) / (gamma**2 * N) * ones
    pc_loss = ones / (1 + gamma) + 1 / N
    distance, still = ones / np.sqrt(N), ones * gamma
    return Trainings(pc_loss / s, pc_loss, ones / (1 + gamma), distance, distance, still, still, 1e-12 * ones)


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    made = provenance(SMALL, seconds=1.0, data_set="toy task made for a test", dtype="float64")
    # Wide enough for s - 1 to be small at gamma_0 = 0.5, where claims begin.
    settings = replace(SMALL, widths=(128, 512), skip_widths=(128, 512))
    gammas, lazy = np.array(settings.gammas)[:, None], np.array(settings.lazy)
    limit = np.ones((len(gammas), settings.steps))
    trained = trainings(settings, settings.widths)
    skips = trainings(settings, settings.skip_widths)
    return Record(settings, made, trained, skips, limit / (1 + gammas), limit * gammas, 0.0, lazy**2, lazy, limit[0])


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims(record) if not claim.as_expected}


@pytest.mark.slow
@pytest.mark.parametrize("skips", [False, True])
def test_trainings_at_several_scales_are_those_of_each_parameterisation_by_itself(skips):
    """One compiled loop over gamma_0 against ordinary training under muPC at that gamma_0, from the same draw."""
    task, gammas = toy_task(1, inputs=6, samples=4), (0.5, 2.0)
    x, y = jnp.asarray(task.x), jnp.asarray(task.y)
    mlp = MLP(6, 8, 4, skips=skips)
    limits = np.zeros((2, 3, 4))
    found = train_at_scales(mlp, (x, y), gammas, 0.2, seed=5, limits=limits)
    for i, gamma in enumerate(gammas):
        parameterisation = (mupc_skips if skips else mupc)(gamma)
        start = mlp.init(jax.random.key(5), parameterisation, jnp.float64)

        def probe(pc, equilibrium, bp, start=start):
            top, first = (feedforward(n, x).activities[-1][:, -1] for n in (bp.network, start))
            return feedforward(bp.network, x).output, jnp.linalg.norm(top - first) / jnp.linalg.norm(first)

        history = train(Problem(start, x, y), GradientDescent(0.2), Schedule(3, LinearExact(), probe)).history
        np.testing.assert_allclose(found.energy[i], history.energy, rtol=1e-9)
        np.testing.assert_allclose(found.pc_loss[i], history.pc_loss, rtol=1e-9)
        np.testing.assert_allclose(found.bp_loss[i], history.bp_loss, rtol=1e-9)
        np.testing.assert_allclose(found.bp_moved[i], history.probe[1], rtol=1e-9, atol=1e-15)
        outputs = np.sqrt(np.mean(np.asarray(history.probe[0])[..., 0] ** 2, axis=-1))
        np.testing.assert_allclose(found.bp_distance[i], outputs, rtol=1e-9)


@pytest.mark.slow
def test_a_run_has_both_methods_start_alike_and_its_record_comes_back_from_disk(tmp_path):
    record = study.run(SMALL)
    assert record.trained.energy.shape == (2, 2, 4, 3)
    np.testing.assert_array_equal(record.trained.pc_loss[..., 0], record.trained.bp_loss[..., 0])
    assert np.all(record.trained.gap > 0) and np.all(record.trained.bp_moved[..., 0] == 0)
    assert np.isnan(record.skips.bp_distance).all()
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


def test_features_move_as_the_trace_of_their_kernels_says():
    y = np.array([1.0, -1.0])
    curve = learning_curve(np.array([[1.0, 0.2], [0.2, 0.8]]), y, InfiniteWidth(3, 0.2, 3, 2.0))
    expected = []
    for t in range(3):
        H, overlap, H0 = curve.features[1, t], curve.overlaps[1, t], curve.features[1, 0]
        squares = [H[i, i] - 2 * overlap[i, i] + H0[i, i] for i in range(2)]
        expected.append(np.sqrt(sum(squares) / (H0[0, 0] + H0[1, 1])))
    np.testing.assert_allclose(study.moved(curve), expected, atol=1e-12)
    assert expected[2] > expected[1] > 0


def test_output_scales_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="gammas"):
        study.preset("smoke", gammas=(0.0, 1.0))


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_a_network_that_stops_short_of_the_limit_fails_its_claims(ideal: Record):
    stuck = replace(ideal.trained, bp_distance=np.ones_like(ideal.trained.bp_distance))
    assert failing(replace(ideal, trained=stuck)) == {"BP reaches the limit as N^-1/2"}


def test_features_that_stay_where_theory_moves_them_fail_their_claim(ideal: Record):
    lazy = replace(ideal.trained, bp_moved=ideal.trained.bp_moved / 2)
    assert failing(replace(ideal, trained=lazy)) == {"features move as at infinite width"}


def test_a_lazy_network_whose_energy_is_its_loss_fails_the_claim_that_must_fail(ideal: Record):
    energy = ideal.trained.energy.copy()
    energy[:, :, 0] = 0.99 * ideal.trained.pc_loss[:, :, 0]
    wrong = replace(ideal, trained=replace(ideal.trained, energy=energy))
    assert "a lazy network: energy is loss" in failing(wrong)


def test_a_limit_that_approaches_kernel_regression_at_another_rate_fails(ideal: Record):
    assert failing(replace(ideal, lazy_distance=ideal.lazy_moved)) == {"lazy limit"}


@pytest.mark.parametrize("draw", [figures.without_skips, figures.with_skips, figures.movement, figures.widths])
def test_a_figure_names_its_data(ideal: Record, draw):
    assert "toy task made for a test" in draw(ideal).caption


def test_a_recorded_run_is_named_in_the_picture_of_widths(ideal: Record):
    assert b"recorded" not in figures.widths(ideal).svg
    figure = figures.widths(ideal, ideal).figure
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("recorded: full size" in label for label in labels)


def test_the_table_sets_this_run_beside_the_paper(ideal: Record):
    assert ("steps", "100", "3", "time") in figures.against_paper(ideal).rows


def test_an_order_of_scales_is_not_claimed_from_a_single_one(ideal: Record, monkeypatch):
    named = {claim.name for claim in claims(ideal)}
    monkeypatch.setattr("pcn_lib.claims.learning_regimes.WIDE_FROM", max(GAMMAS))
    assert named - {claim.name for claim in claims(ideal)} == {"rich networks learn faster"}
