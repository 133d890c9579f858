"""Narrow networks: escape times, censored ones included, and the laws that theory gives them."""

from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.claims.saddle_to_saddle import claims
from pcn_lib.experiments import saddle_to_saddle as study
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.saddle_to_saddle import STARTS, Curves, Record, Settings, Times, escape, median
from pcn_lib.figures import saddle_to_saddle as figures
from pcn_lib.results import load, provenance, save

SMALL = Settings(
    inputs=5,
    samples=4,
    widths=(4,),
    hidden=(2, 3),
    steps=30,
    seeds=3,
    factors=(0.5, 0.25),
    approach_width=4,
    approach_hidden=(2, 3),
    approach_steps=30,
)


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    shape = (len(STARTS), len(SMALL.widths), len(SMALL.hidden), SMALL.seeds)
    early, late = np.full(shape, 3.0), np.full(shape, 20.0)
    pc_loss = np.full(shape, np.nan)
    pc_loss[1] = 10.0
    curve = np.linspace(0.5, 0.0, SMALL.steps) * np.ones((*shape[:3], 1))
    factors, ones = np.array(SMALL.factors)[:, None], np.ones((2, 1, SMALL.seeds))
    delay = -np.log(factors) / np.log1p(SMALL.rate / SMALL.approach_width) * ones
    powers = np.array([factors ** (1 - hidden) for hidden in SMALL.approach_hidden]) * ones
    tiny = -np.log(np.array(SMALL.tiny))[:, None] / np.log1p(SMALL.rate / SMALL.approach_width) * ones[0]
    return Record(
        SMALL,
        provenance(SMALL, seconds=1.0, data_set="toy task made for a test", dtype="float64"),
        Times(early, pc_loss, late),
        Curves(curve / 2, curve, curve),
        np.zeros((*shape[:3], 2), dtype=int),
        1e-9,
        Times(delay, 30 + delay, powers),
        Times(tiny, np.full_like(tiny, np.nan), np.full_like(tiny, np.nan)),
    )


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims(record) if not claim.as_expected}


def test_an_escape_is_the_first_step_below_the_level_and_a_run_that_stays_above_has_none():
    values = np.array([[0.5, 0.2, 0.3, 0.1], [0.5, 0.4, 0.4, 0.3], [0.1, 0.5, 0.5, 0.5], [np.nan] * 4])
    np.testing.assert_array_equal(escape(values, 0.25), [1, np.nan, 0, np.nan])


def test_a_median_counts_runs_that_never_escape_as_later_than_all_others():
    times = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 3.0], [2.0, 4.0, np.nan]])
    np.testing.assert_array_equal(median(times), [3.0, np.inf, 4.0])


def chain_by_hand(weights: list[float], targets: float, rate: float, steps: int) -> list[tuple[float, float]]:
    """F* and Loss of a chain of three weights, x = 1: gradients of (y - abc)^2 / 2s, s = 1 + c^2 + (cb)^2, by hand."""
    a, b, c = weights
    found = []
    for _ in range(steps):
        s, r = 1 + c**2 + (c * b) ** 2, targets - a * b * c
        found.append((r**2 / 2 / s, r**2 / 2))
        pull = r**2 / 2 / s**2
        da, db, dc = -r * b * c / s, -r * a * c / s - pull * 2 * c**2 * b, -r * a * b / s - pull * 2 * c * (1 + b**2)
        a, b, c = a - rate * da, b - rate * db, c - rate * dc
    return found


@pytest.mark.slow
def test_a_chain_of_units_trains_as_by_hand():
    """The study's own loop, at D = N = 1, against three numbers and their derivatives written out."""
    import jax
    import jax.numpy as jnp

    from pcn_lib.network import MLP
    from pcn_lib.parameterisation import mupc

    key, factor, rate = jax.random.key(4), 0.3, 0.2
    mlp = MLP(1, 1, 3)
    x, y = jnp.ones((1, 1)), jnp.full((1, 1), 1.5)
    energy, loss, _, residual = study._train(mlp, 25, (x, y), key[None], (jnp.asarray(factor), jnp.asarray(rate)))
    start = [factor * float(w.item()) for w in jax.tree.leaves(mlp.init(key, mupc(), jnp.float64))]
    expected = np.array(chain_by_hand(start, 1.5, rate, 25))
    np.testing.assert_allclose(np.array(energy[0]), expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(np.array(loss[0]), expected[:, 1], rtol=1e-9)
    assert float(residual.max()) < 1e-9


@pytest.mark.slow
def test_a_record_has_every_start_width_and_depth_and_comes_back_from_disk(tmp_path):
    record = study.run(SMALL)
    assert record.times.energy.shape == (3, 1, 2, 3)
    assert record.curves.energy.shape == (3, 1, 2, 30)
    assert record.approach.bp_loss.shape == (2, 2, 3)
    assert np.all(record.curves.energy < record.curves.pc_loss)
    np.testing.assert_array_equal(record.curves.pc_loss[..., 0], record.curves.bp_loss[..., 0])
    save(record, tmp_path / "record", record.provenance)
    assert failing(load(Record, tmp_path / "record")) == failing(record)


def test_a_study_with_one_factor_is_refused():
    with pytest.raises(SettingsError, match="factors"):
        study.preset("smoke", factors=(0.1,))


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_a_loss_that_leaves_first_from_published_weights_fails_the_claim_that_must_fail(ideal: Record):
    pc_loss = ideal.times.pc_loss.copy()
    pc_loss[0] = 1.0
    assert failing(replace(ideal, times=replace(ideal.times, pc_loss=pc_loss))) == {"PC's loss leaves first, too"}


def test_backpropagation_that_leaves_as_fast_as_predictive_coding_fails_its_claims(ideal: Record):
    quick = replace(ideal.approach, bp_loss=ideal.approach.pc_loss)
    assert failing(replace(ideal, approach=quick)) == {"BP waits, L = 3", "BP waits, L = 4"}


def test_times_that_were_never_reached_are_not_measured(ideal: Record):
    never = replace(ideal.approach, bp_loss=ideal.approach.bp_loss * np.nan)
    verdicts = {claim.name: claim.verdict for claim in claims(replace(ideal, approach=never))}
    assert verdicts["BP waits, L = 4"] == "not measured"


def test_an_energy_that_grows_at_another_rate_fails_its_claim(ideal: Record):
    wrong = replace(ideal, tiny=replace(ideal.tiny, energy=2 * ideal.tiny.energy))
    assert failing(wrong) == {"the energy leaves exponentially"}


def test_trainings_that_diverge_fail_their_claim(ideal: Record):
    assert failing(replace(ideal, diverged=ideal.diverged + 1)) == {"no training diverges"}


@pytest.mark.parametrize("draw", [lambda r: figures.curves(r, 3), figures.escapes, lambda r: figures.approach(r, r)])
def test_a_figure_names_its_data(ideal: Record, draw):
    assert "toy task made for a test" in draw(ideal).caption


def test_the_table_says_how_many_escape(ideal: Record):
    assert figures.times(ideal).rows[0][1:4] == ("3 (3)", "> 30 (0)", "20 (3)")
    assert len(figures.against_paper(ideal).rows) == 8
