"""The study of the equilibrated energy measures what it says, and its claims can fail."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pcn_lib.claims.equilibrated_energy import claims
from pcn_lib.experiments.equilibrated_energy import (
    ROWS,
    Record,
    Routes,
    Settings,
    dense_activities,
    measure_rescalings,
    one_unit_problem,
)
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures.equilibrated_energy import rescaling
from pcn_lib.results import load, provenance, save

SMALL = Settings(inputs=5, outputs=2, width=9, depths=(2,), depth=2, widths=(32, 9), tanh_widths=(32, 64), seeds=20)


@pytest.fixture(scope="module")
def record() -> Record:
    """Rescalings as measured; the other measurements as the theory would have them."""
    rounding, early = np.full(3, 1e-15), 0.5
    routes = Routes(("exact", "dense", "iterated", "stopped"), *[np.append(rounding, early)] * 4)
    tanh_error = np.array([[1e-3, 2e-3], [1e-4, 2e-4]])
    made = provenance(SMALL, seconds=1.0)
    return Record(SMALL, made, 3.0, routes, *measure_rescalings(SMALL), tanh_error)


def test_the_dense_oracle_solves_the_one_unit_network_as_one_does_by_hand():
    first, second = jax.jit(dense_activities)(one_unit_problem(weights=(1, 2, 1), x=1, y=8))
    np.testing.assert_allclose((first.item(), second.item()), (3, 7), rtol=1e-14)


def test_every_size_is_measured_once_and_in_the_order_of_the_settings(record):
    assert SMALL.sizes == ((9, 2), (32, 2))
    assert record.rescalings.shape == (len(ROWS), 2, 20, 2, 2)


def test_the_rescaling_is_that_of_the_drawn_weights(record):
    # At L = 2, S - I = a^2 W W^T: positive, symmetric, and under SP 1/N of it under muPC.
    mupc, sp = record.rescalings[1, 0], record.rescalings[2, 0]
    np.testing.assert_allclose(mupc, np.swapaxes(mupc, -1, -2))
    assert np.linalg.eigvalsh(mupc).min() > 0
    np.testing.assert_allclose(sp / 9, mupc, rtol=1e-6)


def test_ntp_and_sp_are_the_same_network_at_initialisation(record):
    names = [row.name for row in ROWS]
    sp, ntp = record.rescalings[names.index("SP")], record.rescalings[names.index("NTP")]
    np.testing.assert_allclose(ntp, sp, rtol=1e-5, atol=1e-6 * np.abs(sp).max())


def test_another_seed_gives_other_networks_and_the_same_expectation(record):
    measured, predicted = measure_rescalings(replace(SMALL, seed=1))
    assert np.abs(measured / record.rescalings - 1).min() > 0
    np.testing.assert_array_equal(predicted, record.predicted)


def test_a_rescaling_that_is_off_by_a_fifth_fails_its_claim(record):
    wrong = replace(record, rescalings=1.2 * record.rescalings)
    failed = {claim.name for claim in claims(wrong) if not claim.as_expected}
    assert "E[S] - I, muPC with skips" in failed


def test_an_iteration_that_stopped_early_fails_its_claim(record):
    routes = replace(record.routes, activity_error=np.array([0, 0, 1e-3, 0.5]))
    failed = {claim.name for claim in claims(replace(record, routes=routes)) if not claim.as_expected}
    assert failed == {"iteration agrees"}


def test_a_closed_form_that_were_exact_for_tanh_would_be_noticed(record):
    exact = replace(record, tanh_error=1e-13 * record.tanh_error)
    assert [claim.name for claim in claims(exact) if not claim.as_expected] == ["F* of a tanh network"]


def test_the_claims_are_as_expected_and_the_record_survives_the_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert all(claim.as_expected for claim in claims(load(Record, tmp_path / "record")))


def test_the_picture_says_how_many_seeds_it_shows(record):
    assert "20 seeds" in rescaling(record).caption


def test_one_output_has_no_off_diagonal_to_measure():
    with pytest.raises(SettingsError, match="outputs = 1 given; at least 2 is needed"):
        Settings(outputs=1)
