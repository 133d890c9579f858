"""The formulae that the chapter on the equilibrated energy writes out, against independent computations."""

import jax
import numpy as np
import pytest

from pcn_lib.energy import one_unit_problem
from pcn_lib.network import MLP
from pcn_lib.rescaling import expected_rescaling, gram, linear_jacobians
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("equilibrated_energy", profile="smoke")


def test_the_expected_rescaling_is_the_librarys_for_every_row(names):
    for table, skips in names["ROWS"].values():
        for width, depth in ((8, 2), (16, 5)):
            mlp = MLP(3, width, depth, 2, skips=skips)
            assert names["expected"](table, skips, width, depth) == pytest.approx(expected_rescaling(mlp, table))


def test_the_dense_oracle_and_the_theorem_solve_the_one_unit_network_as_one_does_by_hand(names):
    problem = one_unit_problem(weights=(1, 2, 1), x=1, y=8)
    first, second = jax.jit(names["dense_activities"])(problem)
    np.testing.assert_allclose((first.item(), second.item()), (3, 7), rtol=1e-14)
    assert float(names["theorem"](problem)) == pytest.approx(3.0)


def test_the_rescaling_is_that_of_the_drawn_weights(names):
    # At L = 2, M = a^2 W W^T: positive, symmetric, and under SP N times what it is under muPC.
    names |= {"keys": jax.random.split(jax.random.key(0), 2), "M": lambda network: gram(linear_jacobians(network))}
    drawn = {row: names["measure"](names["ROWS"][row], 9, 2)["M"][1] for row in ("muPC", "SP", "NTP")}
    np.testing.assert_allclose(drawn["muPC"], np.swapaxes(drawn["muPC"], -1, -2))
    assert np.linalg.eigvalsh(drawn["muPC"]).min() > 0
    np.testing.assert_allclose(drawn["SP"] / 9, drawn["muPC"], rtol=1e-6)
    np.testing.assert_allclose(drawn["NTP"], drawn["SP"], rtol=1e-5, atol=1e-6)
