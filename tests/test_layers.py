"""One-sample maps and the numbers they carry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.layers import Dense, draw_dense
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Role, Scales, mupc_skips

SCALES = Scales(multiplier=0.5, variance=1.0, gd_rate=3.0, adam_rate=7.0)
W = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def test_a_dense_layer_is_its_multiplier_times_its_weights_times_the_activation_of_its_input():
    h = jnp.array([-1.0, 2.0])
    np.testing.assert_allclose(Dense(W, SCALES, activation=identity)(h), [1.5, 2.5, 3.5])
    np.testing.assert_allclose(Dense(W, SCALES, activation=jax.nn.relu)(h), [2, 4, 6])


def test_a_skip_adds_the_input_itself_and_not_its_activation():
    h = jnp.array([-1.0, 2.0])
    layer = Dense(W[:2], SCALES, activation=jax.nn.relu, skip=True)
    np.testing.assert_allclose(layer(h), [2 - 1, 4 + 2])


def test_a_layer_is_linear_if_and_only_if_its_activation_is_the_identity():
    assert Dense(W, SCALES, activation=identity).linear
    assert not Dense(W, SCALES, activation=jnp.tanh).linear


def test_the_rates_of_a_layer_have_its_structure():
    layer = Dense(W, SCALES, activation=identity)
    rates = layer.rates(lambda scales: scales.adam_rate)
    assert jax.tree.structure(rates) == jax.tree.structure(layer)
    assert jax.tree.leaves(rates) == [7.0]


@pytest.mark.parametrize("error, expected", [(None, 1.5), (jnp.array([1.0, 0.0, 0.0]), 2.5)])
def test_the_prediction_error_is_added_after_the_layer(error, expected):
    z, kept = Dense(W, SCALES, activation=identity).forward(jnp.array([-1.0, 2.0]), error)
    assert z[0] == kept[0] == expected


def test_a_drawn_layer_has_the_shape_the_numbers_and_the_precision_asked_for():
    layer = draw_dense(jax.random.key(0), mupc_skips(), Role.HIDDEN, (5, 3), (5, 11), dtype="float64")
    assert layer.weight[...].shape == (5, 3) and layer.weight[...].dtype == "float64"
    assert layer.scales == mupc_skips().scales(Role.HIDDEN, fan_in=3, width=5, depth=11)
