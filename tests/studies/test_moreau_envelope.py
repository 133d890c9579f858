"""What the chapter on the Moreau envelope writes out, against the library and what one does by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import cross_entropy
from pcn_lib.moreau import sandwich
from pcn_lib.parameterisation import sp
from pcn_lib.study import SettingsError
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    found = defined("moreau_envelope", profile="smoke")
    draw = np.random.default_rng(1).standard_normal((found["sizes"].samples, found["sizes"].inputs))
    found["x"] = jnp.asarray(draw)
    return found


def test_the_logistic_loss_is_cross_entropy_of_two_opposite_outputs(names):
    u = jnp.array([0.7])
    pair = jnp.concatenate([u, -u]) / 2
    two_outputs = cross_entropy(pair, jnp.array([1.0, 0.0]))
    assert names["logistic"](u, jnp.ones(1)) == pytest.approx(float(two_outputs), rel=1e-14)


def test_the_saturating_loss_turns_concave_one_unit_from_its_target(names):
    curvature = jax.hessian(lambda u: names["saturating"](u, jnp.zeros(1)))
    assert curvature(jnp.array([0.9]))[0, 0] > 0 > curvature(jnp.array([1.1]))[0, 0]


def test_an_energy_is_outside_the_librarys_bounds_by_as_much_as_it_is_moved_there(names):
    given = names["class_problem"](names["PLANE"], sp(), cross_entropy)
    lower, upper = sandwich(given)
    assert names["excess"](given, lower - 0.1 * upper)["below"] == pytest.approx(0.1)
    assert names["excess"](given, 1.2 * upper)["above"] == pytest.approx(0.2)


def test_the_energy_drops_below_the_loss_by_about_its_first_order(names):
    for loss in names["LOSSES"].values():
        found = {name: values for name, (_, values) in names["drop"](loss, 128).items()}
        assert np.all(found["drop"] > 0)
        np.testing.assert_allclose(found["drop"] / found["first_order"], 1, atol=0.5)


def test_one_class_is_refused():
    with pytest.raises(SettingsError, match="outputs"):
        defined("moreau_envelope", outputs=1)
