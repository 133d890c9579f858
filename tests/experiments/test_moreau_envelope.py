"""The study of the Moreau envelope measures what it says, and its claims can fail."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.moreau_envelope import claims
from pcn_lib.experiments.moreau_envelope import (
    LOSSES,
    Agreement,
    Record,
    Settings,
    measure_drop,
    outside_bounds,
    plane_problem,
    saturating,
)
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.two_classes import TwoClasses, logistic
from pcn_lib.figures.moreau_envelope import envelope, widths
from pcn_lib.moreau import sandwich
from pcn_lib.results import load, provenance, save

SMALL = Settings(inputs=6, samples=4, outputs=3, depth=3, widths=(48, 192), tanh_widths=(24, 96), seeds=2)


@pytest.fixture(scope="module")
def record() -> Record:
    """The drop as measured; the other measurements as the theory would have them."""
    drop, first_order = measure_drop(SMALL)
    inside, rounding = np.full(2, -0.1), np.full(2, 1e-15)
    agreement = Agreement(rounding, rounding, rounding, rounding, inside, inside)
    f, plane = np.linspace(-5, 5, 21), np.array([[0.0, 1.0], [1.0, 0.0]])
    envelopes = np.where(f == -2.5, np.log(2) + 5 / 8, np.logaddexp(0, -f))
    two_classes = TwoClasses(f, np.logaddexp(0, -f), envelopes, f + 1, plane, plane, plane, plane,
                             np.array([0, 1]))  # fmt: skip
    tanh_error = 1e-4 / np.array([[24.0, 24], [96, 96]]) ** 2.5
    made = provenance(SMALL, seconds=1.0, data_set="none")
    return Record(SMALL, made, agreement, drop, first_order, two_classes, tanh_error, 0.3)


def test_the_logistic_loss_is_cross_entropy_of_two_opposite_outputs():
    u = jnp.array([0.7])
    pair = jnp.concatenate([u, -u]) / 2
    two_outputs = LOSSES["cross-entropy"](pair, jnp.array([1.0, 0.0]))
    assert logistic(u, jnp.ones(1)) == pytest.approx(float(two_outputs), rel=1e-14)


def test_the_saturating_loss_turns_concave_one_unit_from_its_target():
    curvature = jax.hessian(lambda u: saturating(u, jnp.zeros(1)))
    assert curvature(jnp.array([0.9]))[0, 0] > 0 > curvature(jnp.array([1.1]))[0, 0]


def test_an_energy_is_outside_its_bounds_by_as_much_as_it_is_moved_there():
    problem = plane_problem(SMALL)
    lower, upper = sandwich(problem)
    assert outside_bounds(problem, lower - 0.1 * upper)[0] == pytest.approx(0.1)
    assert outside_bounds(problem, 1.2 * upper)[1] == pytest.approx(0.2)


def test_the_energy_drops_below_the_loss_and_by_no_more_than_first_order_allows_in_the_mean(record):
    assert np.all(record.drop > 0)
    np.testing.assert_allclose(record.drop / record.first_order, 1, atol=0.5)


def test_another_seed_draws_other_networks_and_other_data():
    one, other = plane_problem(SMALL), plane_problem(replace(SMALL, seed=1))
    assert not jnp.any(one.x == other.x)
    assert not jnp.any(one.network.readout.weight[...] == other.network.readout.weight[...])


def test_a_record_comes_back_from_disk_with_the_same_claims(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


def test_the_claims_hold_of_a_record_as_the_theory_has_it(record):
    exact = replace(record, drop=record.first_order)
    exact = replace(exact, drop=np.broadcast_to(0.1 / np.array(SMALL.widths)[:, None], record.drop.shape))
    exact = replace(exact, first_order=exact.drop * np.array([0.99, 1.01]))
    assert [claim.name for claim in claims(exact) if not claim.as_expected] == []


@pytest.mark.parametrize(
    "change, failing",
    [
        (dict(saturating_below=-0.1), "sandwich, a loss that is not convex"),
        (dict(tanh_error=np.full((2, 2), 1e-3)), "tanh: right to first order"),
        (dict(drop=np.full((2, 2, 2), 0.1)), "rate, cross-entropy"),
    ],
)
def test_a_measurement_that_contradicts_the_theory_fails_its_claim(record, change, failing):
    assert failing in {claim.name for claim in claims(replace(record, **change)) if not claim.as_expected}


@pytest.mark.parametrize("picture", [envelope, widths])
def test_a_picture_says_what_it_shows(record, picture):
    assert "Data:" in picture(record).caption


def test_one_class_is_refused():
    with pytest.raises(SettingsError, match="outputs"):
        Settings(outputs=1)
