"""Stability in width: the loop over parameterisations is the library's training, and exponents are counted rightly."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pcn_lib.claims.stable_widths import claims
from pcn_lib.energy import energy
from pcn_lib.equivalence import BASE, PerRole, equivalent, residual_over_batch, train_many
from pcn_lib.experiments import stable_widths
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.inference import ActivityDescent, equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import tree_norm
from pcn_lib.parameterisation import Exponents, abcd, mupc, ntp, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.statistics import fit_slope
from pcn_lib.training import GradientDescent, Schedule, train

# Width 16: the scales of SP and of d = 1/2 are powers of 2, so that the draws, made in float32, agree to the last bit.
SETTINGS = stable_widths.Settings(
    inputs=4, samples=4, depth=3, widths=(16, 64), ds=(0.0, 0.5), cs=(-1.0, 0.0), seeds=2, steps=2
)
TABLE = (mupc(gamma_0=2.0), sp())


def test_a_batch_has_the_residual_of_its_summed_energy():
    problem = stable_widths.problem(SETTINGS, MLP(4, 16, 3), mupc())
    early, late = (equilibrate(problem, ActivityDescent(optax.sgd(0.1), steps)) for steps in (5, 10))
    # Samples of one batch keep step in a linear network: these do not.
    mixed = jax.tree.map(lambda a, b: jnp.concatenate([a[:1], b[1:]]), early, late)
    start, output = feedforward(problem.network, problem.x)
    now, before = (tree_norm(jax.grad(lambda z: energy(problem, z))(z)) for z in (mixed.activities, start))
    assert 0.1 < now / before < 1
    assert residual_over_batch(mixed.residual, problem.y - output) == pytest.approx(float(now / before), rel=1e-9)


@pytest.mark.parametrize("place", range(len(TABLE)), ids=[p.name for p in TABLE])
def test_the_loop_over_parameterisations_moves_a_network_as_training_it_does(place: int):
    mlp, parameterisation = MLP(4, 16, 3), TABLE[place]
    base = stable_widths.problem(SETTINGS, mlp, BASE)
    moved = train_many(base, equivalent(TABLE, mlp), 0.01, steps=2)
    problem = stable_widths.problem(SETTINGS, mlp, parameterisation)
    trained = train(problem, GradientDescent(0.01), Schedule(2, LinearExact()))
    before = feedforward(problem.network, problem.x)
    for movement, network in ((moved.pc, trained.pc), (moved.bp, trained.bp)):
        after = feedforward(network, problem.x)
        output = np.sqrt(np.mean((after.output - before.output) ** 2))
        top, start = after.activities[-1][:, -1], before.activities[-1][:, -1]
        assert movement.output[place, -1] == pytest.approx(float(output), rel=1e-9)
        hidden = np.linalg.norm(top - start) / np.linalg.norm(start)
        assert movement.hidden[place, -1, -1] == pytest.approx(float(hidden), rel=1e-9)
    ratio = trained.history.energy / trained.history.pc_loss
    assert np.allclose(moved.energy_ratio[place], ratio, rtol=1e-9, atol=0)


def test_a_parameterisation_is_equivalent_to_itself_with_unit_scales():
    same = equivalent([ntp()], MLP(4, 8, 3))
    assert all(np.all(np.asarray(value) == 1) for value in jax.tree.leaves(same))


def test_each_role_gets_its_own_number():
    network = MLP(4, 8, 4).init(jax.random.key(0), BASE, jnp.float64)
    one, two, three = (jnp.array(float(k)) for k in (1, 2, 3))
    first, stack, readout = jax.tree.leaves(PerRole(one, two, three).like(network))
    assert (float(first), float(stack), float(readout)) == (1, 2, 3)


def test_stable_is_less_than_not_exploding_and_a_frozen_prediction_is_not_stable():
    """By hand on four values of c: (1, -3/2) keeps features of order one and lets the prediction freeze."""
    theory = stable_widths.predicted(replace(SETTINGS, ds=(0.0, 0.5, 1.0), cs=(-2.0, -1.5, -1.0, 0.0)))
    assert np.argwhere(theory.non_exploding).tolist() == [[0, 3], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    assert np.argwhere(theory.stable).tolist() == [[0, 3], [1, 2]]
    assert np.argwhere(theory.feature_learning).tolist() == [[1, 2]]


@pytest.fixture(scope="module")
def record() -> stable_widths.Record:
    return stable_widths.run(replace(SETTINGS, ds=(0.0, 0.5, 1.0), cs=(-2.0, -1.5, -1.0, 0.0)))


def by_theory(record: stable_widths.Record) -> stable_widths.Record:
    """The record with movements that follow the predicted exponents exactly."""
    theory, widths = stable_widths.predicted(record.settings), np.array(record.settings.widths, float)

    def powers(exponents: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.broadcast_to(widths[:, None] ** exponents.reshape(-1, 1, 1, 1, 1), shape)

    grid = record.grid
    hidden, output = powers(theory.hidden, grid.hidden.shape), powers(theory.output, grid.output.shape)
    return replace(record, grid=replace(grid, hidden=hidden, output=output))


DIAGRAM = ("non-exploding", "stable", "stable and non-lazy")


def test_a_record_by_theory_agrees_on_every_pair(record):
    verdicts = {claim.name: claim for claim in claims(by_theory(record))}
    for method in stable_widths.METHODS:
        assert all(verdicts[f"{name}, {method}"].holds for name in DIAGRAM)
        assert verdicts[f"features of order one suffice, {method}"].as_expected


def test_a_prediction_that_freezes_where_it_should_move_is_not_called_stable(record):
    """What "does not grow" would have let pass: muPC's prediction falls as N^-1/2."""
    made = by_theory(record)
    place = record.settings.ds.index(0.5) * len(record.settings.cs) + record.settings.cs.index(-1.0)
    output = np.array(made.grid.output)
    output[place] = np.array(record.settings.widths)[:, None] ** -0.5
    verdicts = {claim.name: claim for claim in claims(replace(made, grid=replace(made.grid, output=output)))}
    assert verdicts["non-exploding, PC"].holds
    assert not verdicts["stable, PC"].holds
    assert not verdicts["stable and non-lazy, PC"].holds


def test_without_bounded_features_another_rate_moves_the_prediction_by_order_one():
    """(ii) alone does not fix c: at d = 5/2 and c = -4, where features explode, products of three changes take over."""
    settings = replace(SETTINGS, widths=(64, 1024), rate=1.0, steps=1, seeds=40)
    moves = stable_widths.measure(settings, [abcd(Exponents(d=2.5, c=-4.0))])
    for hidden, output in zip(moves.hidden[0], moves.output[0], strict=True):
        # N^1 in the first layer, and in h_2 the product of two changes: another factor N^(1/2).
        assert stable_widths.exponent(settings.widths, hidden[0]) == pytest.approx(1.5, abs=0.2)
        # To first order it would be -c - 2d = -1.
        assert stable_widths.exponent(settings.widths, output[0]) == pytest.approx(0.0, abs=0.25)


@pytest.mark.parametrize("gamma_0", [1.0, 2.0])
def test_a_lazy_wide_network_has_the_energy_of_the_remark(gamma_0: float):
    """F*/Loss -> 1 / (1 + (L - 1) / gamma_0^2) as N grows."""
    ratio = stable_widths.measure(replace(SETTINGS, widths=(256, 1024), seeds=8), [ntp(gamma_0)]).energy_ratio
    expected = 1 / (1 + (SETTINGS.depth - 1) / gamma_0**2)
    assert ratio[0, -1].mean() == pytest.approx(expected, rel=0.1)


def test_the_two_boundaries_cross_where_features_and_prediction_both_move():
    theory = stable_widths.predicted(replace(SETTINGS, ds=(0.0, 0.25, 0.5, 0.75, 1.0), cs=(-2.0, -1.0, -0.5, 0.0)))
    assert np.argwhere(theory.feature_learning).tolist() == [[2, 1]]
    assert np.argwhere(theory.output == 0).tolist() == [[0, 3], [1, 2], [2, 1], [4, 0]]


def test_an_exponent_is_that_of_the_geometric_mean_and_an_overflow_is_infinite():
    widths = (10, 100)
    values = np.array([[1.0, 4.0], [50.0, 200.0]])
    assert stable_widths.exponent(widths, values) == pytest.approx(np.log10(100 / 2))
    assert stable_widths.exponent(widths, np.array([[1.0, 1.0], [np.nan, 1.0]])) == np.inf


def test_the_first_step_of_sp_moves_the_output_in_proportion_to_the_width():
    settings = replace(SETTINGS, widths=(16, 128), rate=1e-5, steps=1, seeds=40)
    moves = stable_widths.measure(settings, [sp()])
    for method in moves.output[0]:
        assert fit_slope(settings.widths, method[0].mean(axis=-1)).slope == pytest.approx(
            1, abs=0.2
        )  # 3 standard errors: half a residual's size over 40 seeds


def test_a_diagram_without_mupc_is_refused():
    with pytest.raises(SettingsError, match=r"let d = 0\.5 and c = -1\.0 be among them"):
        replace(SETTINGS, ds=(0.0, 1.0))


def test_a_diagram_finer_than_fits_can_tell_is_refused():
    with pytest.raises(SettingsError, match=r"give multiples of 0\.25"):
        replace(SETTINGS, ds=(0.375, 0.5))
