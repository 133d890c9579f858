"""The tutorial's cells: the network is the sum of its parts, the first order exact where it must be, wines wines."""

import jax
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import equilibrated_energy
from pcn_lib.study import SettingsError
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("your_own_network", profile="smoke")


def test_the_network_is_its_layers_one_after_the_other(names):
    width, depth = 6, 5
    batch = jax.random.normal(jax.random.key(1), (2, 13))
    given, x = names["network"](jax.random.key(0), (width, depth), batch, 3), batch[0]
    assert {leaf.dtype.name for leaf in jax.tree.leaves(given)} == {"float64"}
    first, stack = given.blocks
    h = first.module(x) / np.sqrt(13)
    value, gate = stack.layers.module.value.kernel[...], stack.layers.module.gate.kernel[...]
    for V, G in zip(value, gate, strict=True):
        h = h + (h @ V) * jax.nn.sigmoid(h @ G / np.sqrt(width)) / np.sqrt(width * depth)
    expected = given.readout.module(h) / width
    np.testing.assert_allclose(given.sample_forward(x).output, expected, rtol=1e-12)


def test_first_order_is_exact_for_a_linear_network(names):
    mlp = MLP(3, 5, 4, outputs=2, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    x, y = jax.random.normal(jax.random.key(1), (4, 3)), jax.random.normal(jax.random.key(2), (4, 2))
    problem = Problem(mlp, x, y)
    np.testing.assert_allclose(names["first_order_energy"](problem), equilibrated_energy(problem), rtol=1e-10)


def test_wines_are_standardised_one_hot_and_drawn_by_their_seed(names):
    wines = names["wines"]
    x, y = wines(178, 0)
    np.testing.assert_allclose((x.mean(axis=0), x.std(axis=0)), (np.zeros(13), np.ones(13)), atol=1e-12)
    assert y.sum(axis=0).tolist() == [59, 71, 48] and set(y.ravel()) == {0, 1}
    assert not np.array_equal(wines(5, 0)[0], wines(5, 1)[0]) and np.array_equal(wines(5, 3)[0], wines(5, 3)[0])
    with pytest.raises(ValueError, match="there are 178"):
        wines(179, 0)


def test_digits_are_split_into_three_without_loss_or_repetition(names):
    images, labels = map(np.concatenate, zip(*names["digits"](3), strict=True))
    assert np.issubdtype(labels.dtype, np.integer) and images.min() == 0 and images.max() == 1
    rows, given = np.column_stack([16 * images, labels]), np.column_stack(names["load_digits"](return_X_y=True))
    np.testing.assert_array_equal(*(sorted(map(tuple, table)) for table in (rows, given)))


def test_accuracy_is_the_share_of_largest_outputs_at_the_label(names):
    mlp = MLP(64, 8, 3, outputs=10, bias=True).init(jax.random.key(0), mupc_skips(), "float64")
    images, labels = (part[:50] for part in names["digits"](0)[0])
    outputs = np.asarray(jax.jit(jax.vmap(mlp.sample_forward))(images).output)
    labels = labels.at[:7].set([int(np.argmax(output)) for output in outputs[:7]])
    right = sum(output[label] == output.max() for output, label in zip(outputs, labels, strict=True))
    assert 7 <= right < 50 and names["accuracy"](mlp, (images, labels)) == pytest.approx(right / 50)


def test_a_network_without_a_hidden_layer_of_its_own_is_refused():
    with pytest.raises(SettingsError, match="depth = 2 given; at least 3 is needed"):
        defined("your_own_network", depth=2)
