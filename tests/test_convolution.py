"""Convolutions, pooling and the residual CNN: maps against loops, the closed form against certified inference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, squared_error
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.layers import AveragePool, Convolution, Dense, FlatDense, Wrapped, convolve_by_library, convolve_by_rows
from pcn_lib.network import CNN, Stack
from pcn_lib.parameterisation import Role, Scales, mupc_convolutional, mupc_skips
from pcn_lib.rescaling import LinearExact, expected_cnn_rescaling, rescaling
from tests.oracles import convolution_by_loops, pool_by_loops, relative_gap

SCALES = Scales(multiplier=0.5, variance=1.0, gd_rate=3.0, adam_rate=7.0)
#: Sides differ and are odd, so that pooling leaves some pixels out; two blocks in each of two stages are stacked.
LINEAR = CNN(image=(5, 7, 2), width=3, outputs=2, blocks=4, stages=2)


@pytest.fixture(scope="module")
def linear() -> Problem:
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(3, *LINEAR.image))), jnp.asarray(rng.normal(size=(3, LINEAR.outputs)))
    return Problem(LINEAR.init(jax.random.key(0), mupc_convolutional(), "float64"), x, y, squared_error)


@pytest.fixture
def image() -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=(4, 5, 2)))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("convolve", [convolve_by_rows, convolve_by_library])
def test_both_ways_to_convolve_are_the_sum_over_the_kernels_window(image, kernel, convolve):
    weight = np.random.default_rng(2).normal(size=(kernel, kernel, 2, 3))
    expected = convolution_by_loops(weight, np.asarray(image))
    np.testing.assert_allclose(convolve(image, jnp.asarray(weight)), expected, rtol=1e-12, atol=1e-12)


def test_a_residual_convolution_adds_its_input_to_the_convolution_of_its_activation(image):
    weight = np.random.default_rng(2).normal(size=(3, 3, 2, 2))
    layer = Convolution(jnp.asarray(weight), SCALES, activation=jnp.tanh, skip=True)
    expected = np.asarray(image) + 0.5 * convolution_by_loops(weight, np.tanh(image))
    np.testing.assert_allclose(layer(image), expected, rtol=1e-12)
    assert not layer.linear and Convolution(jnp.asarray(weight), SCALES).linear


def test_a_kernel_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="2 x 2 given"):
        Convolution(jnp.ones((2, 2, 1, 1)), SCALES)


def test_a_skip_from_one_channel_to_eight_is_refused_and_not_broadcast(image):
    widening = Convolution(jnp.ones((3, 3, 1, 8)), SCALES, skip=True)
    with pytest.raises(ValueError, match=r"from an input of shape \(4, 5, 1\) to an output of shape \(4, 5, 8\)"):
        widening(image[..., :1])
    with pytest.raises(ValueError, match="as many outputs as inputs"):
        Dense(jnp.ones((8, 1)), SCALES, skip=True)(jnp.ones(1))
    with pytest.raises(ValueError, match="as many outputs as inputs"):
        Wrapped(lambda h: jnp.tile(h, 8), SCALES, skip=True)(jnp.ones(1))


def test_pooling_takes_means_of_whole_windows_and_has_no_rates(image):
    pool = AveragePool(2)
    np.testing.assert_allclose(pool(image), pool_by_loops(np.asarray(image), 2), rtol=1e-14)
    assert pool(image).shape == (2, 2, 2) and pool.linear and pool.depth == 1
    assert jax.tree.leaves(pool.rates(lambda scales: scales.adam_rate)) == []


def test_a_flat_dense_layer_reads_every_feature(image):
    weight = np.random.default_rng(3).normal(size=(3, 40))
    np.testing.assert_allclose(FlatDense(jnp.asarray(weight), SCALES)(image), 0.5 * weight @ image.ravel(), rtol=1e-12)


def test_layers_without_parameters_are_not_stacked():
    with pytest.raises(ValueError, match="one by one"):
        Stack(AveragePool())


def test_the_network_has_the_layers_and_the_numbers_of_the_authors():
    cnn = CNN(image=(28, 28, 1), width=4, outputs=10, activation=jnp.tanh)
    network = cnn.init(jax.random.key(0), mupc_convolutional())
    L, N, features = 7, 4, 4 * 3 * 3
    assert (cnn.depth, cnn.features, network.depth) == (L, features, 10)
    # Convolution, block and pool of each stage, then the readout.
    layers = (*network.blocks, network.readout)
    weighted = [layer.scales for layer in layers if jax.tree.leaves(layer)]
    multipliers = [scales.multiplier for scales in weighted]
    branch, stage = 5 / 3 / np.sqrt(9 * N * L), 1 / np.sqrt(9 * N)
    np.testing.assert_allclose(multipliers, [1 / 3, branch, stage, branch, stage, branch, 1 / features], rtol=1e-14)
    others, residual = N**-0.5, (N * L) ** -0.5
    adam = [scales.adam_rate for scales in weighted]
    np.testing.assert_allclose(adam, [1, residual, others, residual, others, residual, others], rtol=1e-14)
    assert {scales.gd_rate for scales in weighted} == {4.0} and {scales.variance for scales in weighted} == {1.0}
    assert [layer.linear for layer in layers] == [True, False, True] * 3 + [True]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(width=0), "width = 0"),
        (dict(blocks=5), "multiple of 2"),
        (dict(image=(3, 8, 1)), "at least 4"),
        (dict(image=(8, 8, 0)), "image = "),
    ],
)
def test_sizes_that_make_no_network_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        CNN(**{**dict(image=(8, 8, 1), width=2, outputs=2, blocks=4, stages=2), **wrong})


def test_the_closed_form_of_a_linear_cnn_is_the_certified_equilibrium(linear):
    assert linear.network.linear
    exact = equilibrate(linear, LinearExact(tolerance=1e-12)).require()
    swept = equilibrate(linear, Sweeps(tolerance=1e-12, accelerate=True)).require()
    assert relative_gap(exact.activities, swept.activities) < 1e-10
    assert relative_gap(exact.errors, swept.errors) < 1e-10
    np.testing.assert_allclose(exact.energies, swept.energies, rtol=1e-10)


def test_a_comparison_has_a_row_for_every_layer_with_weights(linear):
    equilibrium = equilibrate(linear, LinearExact(tolerance=1e-12))
    rows = jax.jit(lambda case, z: compare(pc_gradient(case, z), bp_gradient(case)).layers)(linear, equilibrium)
    assert rows.cosine.shape == (LINEAR.depth,) == (7,)
    assert np.all(np.abs(rows.cosine) <= 1)


@pytest.mark.parametrize("parameterisation", [mupc_convolutional(), mupc_skips(2.0)], ids=lambda p: p.name)
def test_the_expected_rescaling_is_the_mean_over_initialisations(parameterisation):
    draws = 400

    def trace(key):
        return jnp.trace(rescaling(LINEAR.init(key, parameterisation, "float64"))) / LINEAR.outputs - 1

    samples = np.asarray(jax.jit(lambda keys: jax.lax.map(trace, keys))(jax.random.split(jax.random.key(0), draws)))
    error = samples.std() / draws**0.5
    assert abs(samples.mean() - expected_cnn_rescaling(LINEAR, parameterisation)) < 4 * error < 0.3 * samples.mean()


def test_the_expected_rescaling_falls_as_one_over_the_width():
    sizes = (2, 8, 512)
    numbers = [N * expected_cnn_rescaling(CNN((9, 8, 1), N, 10), mupc_convolutional()) for N in sizes]
    np.testing.assert_allclose(numbers, numbers[0], rtol=1e-12)


def test_the_expected_rescaling_is_that_of_dense_matrices_of_variances():
    """E P^2 entry by entry, one channel for all N: a weight counts by its variance, the mean of four pixels by 1/16."""
    cnn = CNN((9, 7, 1), width=3, outputs=2, blocks=4, stages=2)
    N = cnn.width

    def square(role: Role, fan_in: int, depth: int) -> float:
        scales = mupc_skips().scales(role, fan_in=fan_in, width=N, depth=depth)
        return scales.multiplier**2 * scales.variance

    def pixels(*sides: int) -> np.ndarray:
        return np.array(list(np.ndindex(sides)))

    row, total = np.full(2, square(Role.OUTPUT, 2 * N, 1)), 0.0
    above = pixels(2, 1)
    for below in (pixels(4, 3), pixels(9, 7)):
        window = np.all(abs(below[:, None] - below) <= 1, axis=-1)
        total += row.sum()
        row = row @ np.all(above[:, None] == below // 2, axis=-1) / 16
        for _ in range(2):
            total += row.sum()
            row = row + N * square(Role.HIDDEN, 9 * N, cnn.depth) * row @ window
        total += row.sum()
        row, above = N * square(Role.HIDDEN, 9 * N, 1) * row @ window, below
    assert expected_cnn_rescaling(cnn, mupc_skips()) == pytest.approx(N * total, rel=1e-12)
