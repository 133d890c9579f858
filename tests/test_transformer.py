"""Transformers: the forward pass by loops, causality, the laws of predictive coding, and scales over width."""

from dataclasses import replace
from functools import cache
from math import exp, pi, sqrt, tanh

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, cross_entropy, energy, loss
from pcn_lib.gradients import pc_gradient
from pcn_lib.inference import SweepsThenNewton, displacement, equilibrate
from pcn_lib.layers import Embedding
from pcn_lib.network import Transformer, feedforward, sharpness
from pcn_lib.parameterisation import Role, Scales, complete_p, mupc_skips
from pcn_lib.training import Adam
from tests.oracles import activity_gradient_norms, flat, relative_gap

VOCABULARY, LENGTH, WIDTH, HEADS, BLOCKS, BATCH = 5, 3, 8, 2, 2, 2
#: Scales at which every branch and the softmax matter; the published initial scale is 0.02.
LIVELY = complete_p(0.6)


def transformer(**options) -> Transformer:
    return Transformer(VOCABULARY, LENGTH, WIDTH, HEADS, BLOCKS, **options)


@cache
def problem(**options) -> Problem:
    network = transformer(**options).init(jax.random.key(0), LIVELY, "float64")
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, VOCABULARY, (BATCH, LENGTH + 1))
    x = jnp.asarray(numbers[:, :-1], "int32")
    return Problem(network, x, jnp.eye(VOCABULARY)[numbers[:, 1:]], cross_entropy, output_precision=float(LENGTH))


def gelu(u: float) -> float:
    return u / 2 * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 * u**3)))


def times(matrix: np.ndarray, vector: list[float], multiplier: float) -> list[float]:
    return [multiplier * sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix.tolist()]


def normalised(vector: list[float], on: bool) -> list[float]:
    mean = sum(vector) / len(vector)
    variance = sum((v - mean) ** 2 for v in vector) / len(vector)
    return [(v - mean) / sqrt(variance + 1e-5) for v in vector] if on else vector


def attention_by_loops(weights, h: list[list[float]], softmax: bool) -> list[list[float]]:
    """One attention branch, position by position and head by head."""
    W_in, W_out = weights
    size, outputs = WIDTH // HEADS, []
    read = [times(W_in, vector, 1.0) for vector in h]
    for t in range(LENGTH):
        mixed = [0.0] * WIDTH
        for head in range(HEADS):
            units = range(head * size, (head + 1) * size)
            scores = [sum(read[t][u] * read[s][WIDTH + u] for u in units) / size for s in range(t + 1)]
            total = sum(exp(score) for score in scores)
            shares = [exp(score) / total for score in scores] if softmax else scores
            for u in units:
                mixed[u] = sum(share * read[s][2 * WIDTH + u] for s, share in enumerate(shares))
        outputs.append(times(W_out, mixed, 1 / BLOCKS))
    return outputs


def output_by_loops(network, tokens: list[int], layer_norm: bool, softmax: bool) -> np.ndarray:
    """The forward pass of one sample, number by number, on weights read from the network."""
    embedding, stack = network.blocks
    h = [
        [float(embedding.tokens[...][token, u] + embedding.positions[...][t, u]) for u in range(WIDTH)]
        for t, token in enumerate(tokens)
    ]
    block = stack.layers
    for i in range(BLOCKS):
        matrices = [
            np.asarray(part.weight[...])[i]
            for part in (block.attention.reading, block.attention.writing, block.up, block.down)
        ]
        change = attention_by_loops(matrices[:2], [normalised(v, layer_norm) for v in h], softmax)
        h = [[a + b for a, b in zip(v, c, strict=True)] for v, c in zip(h, change, strict=True)]
        for t, v in enumerate(h):
            hidden = [gelu(u) for u in times(matrices[2], normalised(v, layer_norm), 1.0)]
            h[t] = [a + b for a, b in zip(v, times(matrices[3], hidden, 1 / BLOCKS), strict=True)]
    readout = network.readout.reader if layer_norm else network.readout
    return np.array([times(np.asarray(readout.weight[...]), normalised(v, layer_norm), 1 / WIDTH) for v in h])


@pytest.mark.parametrize("layer_norm, softmax", [(False, True), (True, True), (False, False)])
def test_the_forward_pass_is_that_of_loops_over_positions_heads_and_units(layer_norm, softmax):
    made = problem(layer_norm=layer_norm, softmax=softmax)
    output = feedforward(made.network, made.x).output
    assert output.shape == (BATCH, LENGTH, VOCABULARY)
    by_loops = [output_by_loops(made.network, row.tolist(), layer_norm, softmax) for row in np.asarray(made.x)]
    np.testing.assert_allclose(output, by_loops, rtol=1e-12)


@pytest.mark.parametrize("softmax", [True, False])
def test_a_later_token_leaves_earlier_outputs_as_they_were(softmax):
    made = problem(layer_norm=False, softmax=softmax)
    changed = made.x.at[:, 2].set((made.x[:, 2] + 1) % VOCABULARY)
    before, after = (feedforward(made.network, x).output for x in (made.x, changed))
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.all(np.any(before[:, 2] != after[:, 2], axis=-1))


def test_a_number_that_is_no_token_gives_nan():
    embedding = Embedding(jnp.ones((5, 8)), jnp.ones((3, 8)), Scales(1.0, 1.0, 1.0, 1.0))
    shown = np.asarray(embedding(jnp.array([0, 4, 5], "int32")))
    assert np.all(shown[:2] == 2) and np.all(np.isnan(shown[2]))


@cache
def solved():
    made = problem()
    return made, equilibrate(made, SweepsThenNewton(1e-11)).require()


def test_the_equilibrium_is_one_in_the_activities_and_lies_below_the_feedforward_pass():
    made, equilibrium = solved()
    start = feedforward(made.network, made.x).activities
    residuals = activity_gradient_norms(made, equilibrium.activities) / activity_gradient_norms(made, start)
    assert np.all(residuals < 1e-9)
    assert float(equilibrium.energy) < LENGTH * float(loss(made)) * (1 - 1e-4)
    assert float(energy(made, equilibrium.activities)) == pytest.approx(float(equilibrium.energy), rel=1e-12)


def test_a_sample_reaches_the_same_equilibrium_alone():
    made, equilibrium = solved()
    alone = equilibrate(replace(made, x=made.x[1:], y=made.y[1:]), SweepsThenNewton(1e-11))
    np.testing.assert_allclose(alone.energies, equilibrium.energies[1:], rtol=1e-12)
    assert relative_gap(alone.activities, jax.tree.map(lambda z: z[1:], equilibrium.activities)) < 1e-9


def test_the_pc_gradient_is_the_derivative_of_the_equilibrated_energy():
    made, equilibrium = solved()
    gradient = pc_gradient(made, equilibrium)
    rng = np.random.default_rng(1)
    direction = jax.tree.map(lambda w: jnp.asarray(rng.normal(size=w.shape)), made.network)
    step = 1e-5

    def equilibrated(shift: float) -> float:
        network = jax.tree.map(lambda w, d: w + shift * d, made.network, direction)
        return float(equilibrate(replace(made, network=network), SweepsThenNewton(1e-11)).energy)

    slope = (equilibrated(step) - equilibrated(-step)) / (2 * step)
    assert flat(gradient) @ flat(direction) == pytest.approx(slope, rel=1e-7)


def numbers(scales: Scales) -> tuple[float, ...]:
    return (scales.multiplier, scales.variance, scales.adam_rate, scales.adam_epsilon)


def test_completep_has_the_numbers_of_the_authors_transformer():
    N, L = 16, 3
    p = complete_p(0.02)
    given = {role: numbers(p.scales(role, fan_in=N, width=N, depth=L)) for role in Role}
    expected = {
        Role.INPUT: (1, 0.02**2, 1, 1 / N),
        Role.HIDDEN: (1 / L, 0.02**2, 1 / N, 1 / (N * L)),
        Role.OUTPUT: (1 / N, 0.02**2, 1, 1 / N),
    }
    for role in Role:
        np.testing.assert_allclose(given[role], expected[role], rtol=1e-14)
    block = transformer(layer_norm=True).init(jax.random.key(0), p).blocks[1].layers
    assert block.attention.scale == HEADS / WIDTH
    assert numbers(block.up.scales) == numbers(block.attention.reading.scales) == (1, 0.02**2, 1 / 8, 1 / 16)
    assert numbers(block.down.scales) == numbers(block.attention.writing.scales) == (1 / 2, 0.02**2, 1 / 8, 1 / 16)
    assert (block.first_norm.scales.adam_rate, block.first_norm.scales.adam_epsilon) == (1, 1 / 16)


def test_every_weight_has_a_rate_of_its_own_layer():
    network = transformer(layer_norm=True).init(jax.random.key(0), complete_p())
    rates = network.rates(lambda scales: scales.adam_rate)
    assert jax.tree.structure(rates) == jax.tree.structure(network)
    block = rates.blocks[1].layers
    for matrices in (block.attention, block.up, block.down):
        assert set(jax.tree.leaves(matrices)) == {1 / WIDTH}
    for ends in (rates.blocks[0], block.first_norm, block.second_norm, rates.readout):
        assert set(jax.tree.leaves(ends)) == {1.0}


def test_adams_epsilon_is_scaled_layer_by_layer():
    network = transformer().init(jax.random.key(0), complete_p(), "float64")
    gradient = jax.tree.map(lambda w: jnp.full(w.shape, 1e-3), network)
    with jax.numpy_dtype_promotion("standard"):
        transformation = Adam(0.1, (0.9, 0.95), epsilon=0.5).transformation(network)
        update, _ = transformation.update(gradient, transformation.init(network))
    for layer, rate, epsilon in (
        (update.blocks[0].tokens, 1, 1 / WIDTH),
        (update.blocks[1].layers.down.weight, 1 / WIDTH, 1 / (WIDTH * BLOCKS)),
        (update.readout.weight, 1, 1 / WIDTH),
    ):
        np.testing.assert_allclose(layer[...], -0.1 * rate * 1e-3 / (1e-3 + 0.5 * epsilon), rtol=1e-9)


@pytest.mark.parametrize("parameterisation, exponent", [(complete_p(), 0.5), (mupc_skips(), 0.0)])
def test_what_a_matrix_reads_out_of_unit_activities_scales_with_width_as_its_table_says(parameterisation, exponent):
    sizes = []
    for N in (32, 256):
        network = Transformer(VOCABULARY, LENGTH, N, HEADS, BLOCKS).init(jax.random.key(0), parameterisation)
        reading = jax.tree.map(lambda w: w[0], network.blocks[1].layers).attention.reading
        sizes.append(float(jnp.std(reading(jax.random.normal(jax.random.key(1), (LENGTH, N), "float32")))))
    assert np.log(sizes[1] / sizes[0]) / np.log(8) == pytest.approx(exponent, abs=0.1)


def test_sizes_that_make_no_transformer_are_refused():
    with pytest.raises(ValueError, match="blocks = 0 given"):
        Transformer(VOCABULARY, LENGTH, WIDTH, HEADS, 0)
    with pytest.raises(ValueError, match="choose a width that is a multiple of the heads"):
        Transformer(VOCABULARY, LENGTH, 9, HEADS)
    with pytest.raises(ValueError, match="initial scale 0.0 given"):
        complete_p(0.0)


def test_an_identity_layer_changes_no_output_and_carries_an_error_of_its_own():
    plain, listed = problem(), problem(identity_layer=True)
    assert (transformer().hidden, transformer(identity_layer=True).hidden) == (BLOCKS + 1, BLOCKS + 2)
    np.testing.assert_array_equal(*(feedforward(made.network, made.x).output for made in (plain, listed)))
    below, above = (equilibrate(made, SweepsThenNewton(1e-11)).require() for made in (plain, listed))
    assert len(above.errors) == len(below.errors) + 1
    # The readout sees z = h + e of the identity, so that error is what backpropagation brings down to it.
    slope = jax.vmap(lambda u, y: jax.grad(lambda u: LENGTH * cross_entropy(u, y))(u))(
        feedforward(listed.network, listed.x, above.errors).output, listed.y
    )
    weight = np.asarray(listed.network.readout.weight[...]) / WIDTH
    np.testing.assert_allclose(above.errors[-1], -np.asarray(slope) @ weight, rtol=1e-6, atol=1e-12)
    # One more place to put an error is one more way to lower the energy.
    assert float(above.energy) < float(below.energy)


def test_the_readouts_gradient_is_the_slope_at_the_equilibrium_times_its_activities_with_a_plus():
    made, equilibrium = solved()
    activities, output = feedforward(made.network, made.x, equilibrium.errors)
    g = jax.nn.softmax(output) - made.y
    expected = jnp.einsum("btv,btn->vn", g, activities[-1][:, -1]) / WIDTH / BATCH
    np.testing.assert_allclose(pc_gradient(made, equilibrium).readout.weight[...], expected, rtol=1e-8, atol=1e-12)


def test_an_identity_beside_a_layer_norm_is_refused():
    with pytest.raises(ValueError, match="choose one of them"):
        transformer(layer_norm=True, identity_layer=True)


def test_sharpness_is_zero_where_attention_is_uniform_and_log_t_where_it_reads_one_position():
    made = problem()
    attention = jax.tree.map(lambda w: w[0], made.network.blocks[1].layers).attention
    attention.reading.weight[...] *= 0.0
    h = jnp.zeros((LENGTH, WIDTH)).at[:, 0].set(1.0)
    assert float(attention.sharpness(h)) == pytest.approx(0, abs=1e-14)
    # Queries that meet each position's own key a thousand times better than any other.
    h = jnp.eye(LENGTH, WIDTH).at[:, WIDTH // HEADS :].set(0) + jnp.eye(LENGTH, WIDTH, WIDTH // HEADS)
    attention.reading.weight[...] = 1e3 * jnp.concatenate([jnp.eye(WIDTH)] * 3)
    assert float(attention.sharpness(h)) == pytest.approx(np.log(np.arange(1, LENGTH + 1)).mean(), rel=1e-6)


def test_a_networks_sharpness_is_the_mean_over_blocks_and_samples_and_linear_attention_has_none():
    made = problem()
    embedded, stack = made.network.blocks
    alone = []
    for x in made.x:
        h = embedded(x)
        for i in range(BLOCKS):
            block = jax.tree.map(lambda w, i=i: w[i], stack.layers)
            alone.append(float(block.attention.sharpness(h)))
            h = block(h)
    assert float(sharpness(made.network, made.x)) == pytest.approx(np.mean(alone), rel=1e-10) and min(alone) > 0
    assert np.isnan(sharpness(problem(softmax=False).network, made.x))


def test_the_displacement_is_how_far_the_top_moved_in_its_own_size():
    made, equilibrium = solved()
    h, z = feedforward(made.network, made.x).activities[-1][:, -1], equilibrium.activities[-1][:, -1]
    assert float(displacement(made, equilibrium)) == pytest.approx(np.linalg.norm(z - h) / np.linalg.norm(h), rel=1e-10)
