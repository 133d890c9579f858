"""Biases and norms: their maps, and that what they do to a function does not depend on the width."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from pcn_lib.energy import Problem, loss
from pcn_lib.equivalence import equivalent
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.layers import (
    BlockShape,
    Convolution,
    LayerNorm,
    Normalised,
    RMSNorm,
    draw_block,
    draw_convolution,
    draw_norm,
)
from pcn_lib.network import CNN, MLP, Transformer, feedforward
from pcn_lib.parameterisation import Role, Scales, complete_p, mupc, mupc_convolutional, mupc_skips
from pcn_lib.rescaling import LinearExact, equilibrated_energy, expected_rescaling
from pcn_lib.training import Adam, GradientDescent
from pcn_lib.wishart import effective_width
from tests.oracles import relative_gap

SCALES = Scales(multiplier=3.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (6, 4))


def shaken(network, size=0.5):
    """The network with biases and gains away from where they start."""
    return jax.tree.map(lambda w: w + size * jax.random.normal(jax.random.key(w.size), w.shape, w.dtype), network)


def test_a_bias_is_added_with_a_multiplier_of_its_own():
    network = shaken(MLP(4, 8, 3, 2, jnp.tanh, skips=True, bias=True).init(KEY, mupc_skips(0.5), "float64"))
    first, stack = network.blocks
    hidden, readout = jax.tree.map(lambda w: w[0], stack.layers), network.readout
    z = np.asarray(first.weight[...] @ X[0]) / 2 + first.bias.shift[...]
    z = z + (hidden.weight[...] @ np.tanh(z)) / np.sqrt(8 * 3) + hidden.bias.shift[...] / np.sqrt(3)
    output = (readout.weight[...] @ np.tanh(z)) / (0.5 * 8) + readout.bias.shift[...] / 0.5
    np.testing.assert_allclose(feedforward(network, X).output[0], output, rtol=1e-12)


def test_a_convolution_adds_a_bias_to_every_pixel_and_attention_reads_and_writes_with_its_own():
    kind, image = dict(bias=True, skip=True, dtype="float64"), jax.random.normal(KEY, (4, 5, 2))
    layer = shaken(draw_convolution(KEY, mupc_skips(), Role.HIDDEN, (3, 2, 2), (2, 4), **kind))
    plain = Convolution(layer.weight[...], layer.scales, skip=True)
    shift = np.broadcast_to(layer.bias.shift[...] / 2, (4, 5, 2))
    np.testing.assert_allclose(layer(image), plain(image) + shift, rtol=1e-12)
    block = shaken(draw_block(KEY, complete_p(0.6), BlockShape(4, 2, 3, bias=True), "float64"), 0.3)
    h, read, write = jax.random.normal(KEY, (3, 4)), block.attention.reading, block.attention.writing
    assert (read.bias.scales.multiplier, write.bias.scales.multiplier) == (1, 1 / 3)
    q, k, v = (
        (h @ W.T + np.broadcast_to(b, (3, 4))).reshape(3, 2, 2)
        for W, b in zip(np.split(read.weight[...], 3), np.split(read.bias.shift[...], 3), strict=True)
    )
    A = np.tril(np.exp(np.einsum("thd,shd->hts", q, k) / 2))
    mixed = np.einsum("hts,shd->thd", A / A.sum(axis=-1, keepdims=True), v).reshape(3, 4)
    expected = (mixed @ write.weight[...].T + np.broadcast_to(write.bias.shift[...], (3, 4))) / 3
    np.testing.assert_allclose(block.attention(h), expected, rtol=1e-12)


MADE = {
    "mlp": lambda **kind: MLP(4, 8, 4, 2, jnp.tanh, skips=True, **kind).init(KEY, mupc_skips(), "float64"),
    "cnn": lambda **kind: CNN((4, 4, 2), 3, 2, 2, 2, jnp.tanh, **kind).init(KEY, mupc_convolutional(), "float64"),
    "transformer": lambda **kind: Transformer(5, 3, 8, 2, 2, layer_norm=True, **kind).init(
        KEY, complete_p(), "float64"
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_a_network_with_biases_starts_as_the_one_without(kind):
    plain, biased = MADE[kind](), MADE[kind](bias=True)
    x = jnp.arange(6).reshape(2, 3) % 5 if kind == "transformer" else jnp.ones((2, *plain.input_shape))
    assert relative_gap(feedforward(biased, x).output, feedforward(plain, x).output) == 0
    vectors = len(jax.tree.leaves(biased)) - len(jax.tree.leaves(plain))
    # One for every matrix but the embedding's two, and in the transformer one for each of its three norms.
    assert vectors == {"mlp": 3, "cnn": 5, "transformer": 5 + 3}[kind]
    assert jax.tree.structure(biased.rates(lambda scales: 1.0)) == jax.tree.structure(biased)


def test_vectors_of_every_role_have_the_rates_of_their_row():
    N, L, gamma = 8, 4, 0.5
    network = MLP(4, N, L, 2, jnp.tanh, skips=True, bias=True, norm=LayerNorm).init(KEY, mupc_skips(gamma))
    first, hidden, readout = network.blocks[0].bias, network.blocks[1].layers, network.readout
    for vector, descent, multiplier in (
        (first, gamma**2 * N, 1),
        (hidden.reader.bias, gamma**2 * N, L**-0.5),
        (hidden.norm, gamma**2 * N, 1),
        (hidden.norm.bias, gamma**2 * N, 1),
        (readout.norm, gamma**2 * N, 1),
        (readout.reader.bias, gamma**2, 1 / gamma),
    ):
        assert vector.scales.multiplier == multiplier
        assert set(jax.tree.leaves(vector.rates(lambda scales: scales.gd_rate))) == {descent}
        assert set(jax.tree.leaves(vector.rates(lambda scales: scales.adam_rate))) == {L**-0.5}


@cache
def learnt(parameterisation, optimiser, width: int):
    """Root mean square of what each layer's bias adds, and the loss, after 200 steps towards a shifted target."""
    network = MLP(4, width, 4, 1, jnp.tanh, skips=True, bias=True).init(KEY, parameterisation, "float64")
    y = 1 + jnp.sin(2 * X[:, :1])
    transformation = optimiser.transformation(network)

    def step(state, _):
        network, memory = state
        updates, memory = transformation.update(bp_gradient(Problem(network, X, y)), memory, network)
        return (optax.apply_updates(network, updates), memory), None

    with jax.numpy_dtype_promotion("standard"):
        run = jax.jit(lambda state: jax.lax.scan(step, state, length=200)[0][0])
        network = run((network, transformation.init(network)))
    layers = (network.blocks[0], network.blocks[1].layers, network.readout)
    added = [jnp.sqrt(jnp.mean((layer.bias.scales.multiplier * layer.bias.shift[...]) ** 2)) for layer in layers]
    return np.array(added), float(loss(Problem(network, X, y)))


@pytest.mark.parametrize("optimiser", [GradientDescent(0.05), Adam(0.02)], ids=lambda o: type(o).__name__)
def test_what_biases_learn_does_not_depend_on_the_width(optimiser):
    narrow, wide = (learnt(mupc_skips(), optimiser, width)[0] for width in (32, 256))
    # They started from nothing; with multiplier and rate of the kernels the readout's would fall 8-fold.
    assert wide.min() > 0.02
    # One draw of 32 units scatters by 32^-1/2.
    np.testing.assert_allclose(narrow / wide, 1, atol=0.2)


def test_closed_forms_hold_for_linear_networks_with_biases():
    network = shaken(MLP(4, 8, 4, 2, skips=True, bias=True).init(KEY, mupc_skips(), "float64"))
    problem = Problem(network, X, jnp.ones((6, 2)))
    solvers = LinearExact(1e-12), Sweeps(1e-12, accelerate=True)
    exact, swept = (equilibrate(problem, solver).require() for solver in solvers)
    assert relative_gap(exact.activities, swept.activities) < 1e-10
    np.testing.assert_allclose(jax.jit(equilibrated_energy)(problem), swept.energy, rtol=1e-10)


@pytest.mark.parametrize(("kind", "flax"), [(LayerNorm, nnx.LayerNorm), (RMSNorm, nnx.RMSNorm)])
def test_norms_are_those_of_flax(kind, flax):
    ours = shaken(draw_norm(kind, complete_p(), (4, 3), bias=kind is LayerNorm, dtype="float64"))
    theirs = flax(4, epsilon=1e-5, param_dtype="float64", rngs=nnx.Rngs(0), use_fast_variance=False)
    theirs.scale[...] = ours.gain[...]
    if kind is LayerNorm:
        theirs.bias[...] = ours.bias.shift[...]
    with jax.numpy_dtype_promotion("standard"):
        np.testing.assert_allclose(jax.vmap(ours)(X), theirs(X), rtol=1e-10)


def test_predictive_coding_of_a_normalised_network_is_backpropagation_where_it_is_wide():
    compared = jax.jit(lambda problem, at: compare(pc_gradient(problem, at), bp_gradient(problem)))

    def angle(width: int) -> float:
        mlp = MLP(4, width, 3, 2, jax.nn.gelu, skips=True, bias=True, norm=RMSNorm)
        problem = Problem(mlp.init(KEY, mupc_skips(), "float64"), X, jnp.ones((6, 2)))
        equilibrium = equilibrate(problem, Sweeps(1e-9, accelerate=True)).require()
        return float(compared(problem, equilibrium).total.one_minus_cosine)

    # 1 - cos falls as N^-2.
    assert angle(128) < angle(16) / 16


def test_a_layer_that_reads_through_a_norm_adds_its_input_as_it_was():
    norm, reader = (draw_norm(kind, mupc(), (4, 3), dtype="float64") for kind in (RMSNorm, LayerNorm))
    layer = Normalised(norm, reader, skip=True)
    np.testing.assert_allclose(layer(X[0]), X[0] + reader(norm(X[0])), rtol=1e-14)
    assert not layer.linear


def test_a_parameter_written_with_another_multiplier_learns_the_same():
    other = SCALES.written_with(0.5)
    assert other == Scales(multiplier=0.5, variance=36.0, gd_rate=36.0, adam_rate=6.0, adam_epsilon=1 / 6)
    assert other.written_with(3.0) == SCALES
    assert mupc().vector_scales(Role.OUTPUT, 64, 4).written_with(1 / 64).gd_rate == 64**2


def test_formulas_for_matrices_alone_refuse_biases_and_norms():
    biased, normalised = MLP(4, 8, 4, bias=True), MLP(4, 8, 4, norm=LayerNorm)
    for formula in (expected_rescaling, effective_width):
        assert formula(biased, mupc()) == formula(MLP(4, 8, 4), mupc())
        with pytest.raises(ValueError, match="with norms given, which are not linear"):
            formula(normalised, mupc())
    for mlp in (biased, normalised):
        with pytest.raises(ValueError, match="biases or norms given"):
            equivalent([mupc()], mlp)
