"""Learning and transfer: the tangent kernel, what a best rate and its price are, images in blocks, accuracies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.gradients import bp_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips, sp
from pcn_lib.study import SettingsError
from pcn_lib.training import shuffled_batches
from tests.oracles import dense_layers, layer_map
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("learning_and_transfer", profile="smoke")


def drawn(table) -> Problem:
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(6, 5))), jnp.eye(3)[rng.integers(0, 3, 6)]
    mlp = MLP(5, 7, 3, 3, jnp.tanh, skips=True)
    return Problem(mlp.init(jax.random.key(3), table, jnp.float64), x, y, cross_entropy)


def tried(*best: float, exponents: tuple[int, ...]) -> xr.DataArray:
    """Losses that are parabolas in log2 eta, the same for both seeds."""
    rates = xr.DataArray(np.array(exponents, float), dims="exponent", coords=dict(exponent=list(exponents)))
    lowest = xr.DataArray(np.log2(best), dims="width", coords=dict(width=[16 * 2**i for i in range(len(best))]))
    return np.exp((rates - lowest) ** 2).expand_dims(seed=2)


@pytest.mark.parametrize("table", [mupc_skips(), sp()], ids=lambda table: table.name)
def test_the_tangent_kernel_is_each_layers_share_as_the_proof_has_it(names, table):
    network = drawn(table).network
    x = drawn(table).x[:2]
    layers, total = dense_layers(network), 0.0
    a, W = [layer.scales.multiplier for layer in layers], [np.asarray(layer.weight[...]) for layer in layers]
    for sample in np.asarray(x):
        h1 = layer_map(layers[0], sample)
        h2 = layer_map(layers[1], h1)
        P2 = a[2] * W[2] * (1 - np.tanh(h2) ** 2)
        P1 = P2 @ (np.eye(7) + a[1] * W[1] * (1 - np.tanh(h1) ** 2))
        signals = np.sum(sample**2), np.sum(np.tanh(h1) ** 2), np.sum(np.tanh(h2) ** 2)
        for layer, signal, P in zip(layers, signals, (P1, P2, np.eye(3)), strict=True):
            total += layer.scales.gd_rate * layer.scales.multiplier**2 * signal * np.sum(P**2)
    assert float(names["kernel"](network, x)) == pytest.approx(total / 2, rel=1e-10)


def test_both_trainings_start_alike_and_backpropagation_descends_the_loss_of_its_batches(names):
    problem, batches, eta = drawn(mupc_skips()), shuffled_batches(jax.random.key(0), 6, 2, 3), 0.3
    pc, bp, seen = names["learn"](problem, batches, eta, names["SWEEPS"])
    assert float(seen["pc_loss"][0]) == pytest.approx(float(seen["bp_loss"][0]), rel=1e-12)
    network = problem.network
    for chosen in batches:
        step = bp_gradient(Problem(network, problem.x[chosen], problem.y[chosen], cross_entropy))
        rates = network.rates(lambda scales: scales.gd_rate)
        network = jax.tree.map(lambda w, rho, g: w - eta * rho * g, network, rates, step)
    jax.tree.map(lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-9), bp, network)
    apart = jax.tree.map(lambda ours, theirs: float(jnp.abs(ours - theirs).max()), pc, bp)
    assert min(jax.tree.leaves(apart)) > 1e-6
    assert seen["certified"].shape == (3,) and float(seen["certified"].max()) <= 1


def test_the_best_rate_is_the_parabolas_minimum_and_what_was_not_measured_has_none(names):
    losses = tried(3.0, 2.5, exponents=(0, 1, 2, 3))
    np.testing.assert_allclose(2 ** names["best"](losses), [3.0, 2.5], rtol=1e-9)
    diverged = losses.where(losses.exponent <= 2, np.inf)
    np.testing.assert_allclose(2 ** names["best"](diverged), [4.0, 2.5], rtol=1e-9)
    assert 2 ** float(names["best"](tried(16.0, exponents=(0, 1, 2)))[0]) == 4, "the end of the range"
    assert np.isnan(names["best"](losses.where(losses.exponent != 1))).all()


def test_a_rate_taken_over_costs_what_the_last_size_loses_by_it(names):
    losses = tried(2.0, 8.0, exponents=(0, 1, 2, 3, 4)) * xr.DataArray([1.0, 3.0], dims="width")
    assert float(names["transfer_cost"](losses, "width")) == pytest.approx(np.exp(2.0**2))


def test_images_in_blocks_are_block_means_of_mean_square_one(names):
    x = images("digits", Selection(5)).x
    pixels = [image.reshape(8, 8) for image in x]
    corners = [(i, j) for i in range(0, 8, 2) for j in range(0, 8, 2)]
    by_hand = np.array([[image[i : i + 2, j : j + 2].mean() for i, j in corners] for image in pixels])
    np.testing.assert_allclose(names["pooled"](x, 2), by_hand / np.sqrt(np.mean(by_hand**2)), rtol=1e-12)
    assert names["pooled"](x, 1) is x
    with pytest.raises(SettingsError, match="blocks must fill a square"):
        names["pooled"](x, 3)


def test_the_nearest_class_mean_is_found_by_looking_at_every_distance(names):
    known, unseen = images("digits", Selection(60)), images("digits", Selection(15, test=True))
    means = [known.x[known.y[:, k] == 1].mean(axis=0) for k in range(10)]
    nearest = [np.argmin([np.sum((x - mean) ** 2) for mean in means]) for x in unseen.x]
    expected = np.mean(nearest == np.argmax(unseen.y, axis=1))
    assert names["by_class_means"](known, unseen) == pytest.approx(expected)


def test_a_training_that_diverged_has_no_last_loss(names):
    assert names["final"](jnp.arange(8.0)) == 6.5 and names["final"](jnp.array([1.0] * 7 + [jnp.nan])) == np.inf
