"""Narrow networks: escape times, censored ones included, and the laws that theory gives them."""

from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.claims.saddle_to_saddle import claims
from pcn_lib.experiments import saddle_to_saddle as study
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.saddle_to_saddle import STARTS, Curves, Leaving, Record, Settings, Times, escape, median
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
        leaving_as_in_theory(),
    )


def leaving_as_in_theory() -> Leaving:
    """s = 2 and f = 0: F* = 1/4, and 2 F* (1 - F*/Loss) = 1/4; only the readout has grown, as 1/eps."""
    ones = np.ones((len(SMALL.tiny), SMALL.seeds))
    growth = np.stack([1.3 * ones, ones, 1.1 * ones, 2 / np.array(SMALL.tiny)[:, None] * ones], axis=-1)
    return Leaving(growth, -ones / 4, ones / 4, ones / 2)


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
    numbers = jnp.asarray(factor), jnp.asarray(rate)
    energy, loss, _, residual, probed = study._train(mlp, 25, (x, y), key[None], numbers, study._probe)
    start = [factor * float(w.item()) for w in jax.tree.leaves(mlp.init(key, mupc(), jnp.float64))]
    expected = np.array(chain_by_hand(start, 1.5, rate, 25))
    np.testing.assert_allclose(np.array(energy[0]), expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(np.array(loss[0]), expected[:, 1], rtol=1e-9)
    assert float(residual.max()) < 1e-9
    a, b, c = start
    s, r = 1 + c**2 + (c * b) ** 2, 1.5 - a * b * c
    along = c * (-r * a * b / s - r**2 / s**2 * c * (1 + b**2))
    np.testing.assert_allclose(np.array(probed.sizes[0, 0]), np.abs(start), rtol=1e-12)
    assert float(probed.slope[0, 0]) == pytest.approx(along, rel=1e-9)


@pytest.mark.parametrize("readout", [0.0, 0.01, 0.7, -2.0])
def test_where_the_output_is_zero_the_energy_is_stationary_only_if_the_readout_is_zero(readout: float):
    """W_1 = 0, the other weights of any size: -2 Loss (s - 1) / s^2 along the readout, by hand."""
    from pcn_lib.energy import one_unit_problem
    from pcn_lib.gradients import pc_gradient
    from pcn_lib.inference import equilibrate
    from pcn_lib.rescaling import LinearExact

    problem = one_unit_problem(weights=(0, 0.8, -1.5, readout), x=1, y=2)
    gradient = pc_gradient(problem, equilibrate(problem, LinearExact()).require())
    s = 1 + readout**2 * (1 + 1.5**2 * (1 + 0.8**2))
    slope = readout * gradient.readout.weight[...].item()
    assert slope == pytest.approx(-2 * 2.0 * (s - 1) / s**2, rel=1e-9, abs=1e-15)
    assert (slope == 0) == (readout == 0)


@pytest.mark.parametrize(("first", "leaves"), [(-0.5, False), (-0.4, True), (0.5, True)])
def test_backpropagation_from_minus_a_a_a_flows_into_the_saddle_and_from_beside_it_leaves(first: float, leaves: bool):
    """L = 3, one unit: w_i^2 - w_j^2 is conserved, so equal sizes shrink together, and unequal ones change sign."""
    from pcn_lib.energy import one_unit_problem
    from pcn_lib.rescaling import LinearExact
    from pcn_lib.training import GradientDescent, Schedule, train

    problem = one_unit_problem(weights=(first, 0.5, 0.5), x=1, y=1)
    after = train(problem, GradientDescent(0.05), Schedule(3000, LinearExact()))
    loss, flat = after.history.bp_loss, 0.5
    assert (float(loss[-1]) < 0.01) == leaves
    if not leaves:
        # da/dt = -a^2: a(t) = a / (1 + a t), with 3000 steps of 0.05.
        a = after.bp.readout.weight[...].item()
        assert a == pytest.approx(0.5 / (1 + 0.5 * 150), rel=0.05) and float(loss[-1]) > flat


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


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"slope": np.zeros((2, SMALL.seeds))}, {"no saddle where the readout has grown"}),
        ({"growth": leaving_as_in_theory().growth[..., ::-1]}, {
            "the readout leaves first", "the layers below stay O(eps)",
        }),
        ({"energy": np.full((2, SMALL.seeds), np.nan)}, {"no saddle where the readout has grown"}),
    ],
)  # fmt: skip
def test_a_saddle_on_the_way_or_layers_that_leave_together_fail_their_claims(ideal: Record, change, broken: set[str]):
    assert failing(replace(ideal, leaving=replace(ideal.leaving, **change))) == broken


def test_trainings_that_diverge_fail_their_claim(ideal: Record):
    assert failing(replace(ideal, diverged=ideal.diverged + 1)) == {"no training diverges"}


@pytest.mark.parametrize("draw", [lambda r: figures.curves(r, 3), figures.escapes, lambda r: figures.approach(r, r)])
def test_a_figure_names_its_data(ideal: Record, draw):
    assert "toy task made for a test" in draw(ideal).caption


def test_the_table_says_how_many_escape(ideal: Record):
    assert figures.times(ideal).rows[0][1:4] == ("3 (3)", "> 30 (0)", "20 (3)")
    assert len(figures.against_paper(ideal).rows) == 8
