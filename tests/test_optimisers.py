"""Optax's transformations at the parameterisation's rates, against loops on raw weights and against invariances."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient
from pcn_lib.layers import Dense
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.optimisers import Scaled
from pcn_lib.parameterisation import Power, complete_p, mupc_skips, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import Schedule, train
from tests.oracles import relative_gap

KEY = jax.random.key(0)
D, N, L, K, GAMMA = 7, 5, 3, 2, 0.5
MUPC = mupc_skips(GAMMA)
RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.normal(size=(4, D))), jnp.asarray(RNG.normal(size=(4, K)))
RATES = optax.linear_schedule(0.1, 0.02, 3)


@pytest.fixture(autouse=True)
def _standard_promotion():
    """Optax's Adam raises its decay to an integer count, which strict promotion forbids."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def biased(parameterisation=MUPC, width=N, depth=L):
    mlp = MLP(D, width, depth, K, jnp.tanh, skips=True, bias=True)
    return like(jax.eval_shape(lambda: mlp.init(KEY, parameterisation, "float64")))


def like(network):
    """Random numbers, vectors included, in the shapes of a network."""
    return jax.tree.map(lambda leaf: jnp.asarray(RNG.normal(size=leaf.shape)), network)


def updates(transformation, network, gradients):
    """The updates that a transformation makes of gradients in turn, all at the same weights."""

    @jax.jit
    def run():
        memory, made = transformation.init(network), []
        for gradient in gradients:
            update, memory = transformation.update(gradient, memory, network)
            made.append(update)
        return made

    return run()


def backpropagations(W):
    r = Y - X @ ((W[2] / (GAMMA * N)) @ (np.eye(N) + W[1] / (N * L) ** 0.5) @ W[0] / D**0.5).T
    return jnp.mean(jnp.sum(r**2, axis=-1)) / 2, r


def predictive_codings(W):
    """F* = mean r^T S^-1 r / 2 with S = I + P_1 P_1^T + P_2 P_2^T."""
    P2 = W[2] / (GAMMA * N)
    P1 = P2 @ (np.eye(N) + W[1] / (N * L) ** 0.5)
    r = backpropagations(W)[1]
    return jnp.mean(jnp.sum(r * jnp.linalg.solve(np.eye(K) + P1 @ P1.T + P2 @ P2.T, r.T).T, axis=-1)) / 2


def test_adamw_with_a_schedule_is_a_loop_on_the_raw_weights():
    network = MLP(D, N, L, K, skips=True).init(KEY, MUPC, "float64")
    given = optax.adamw(RATES, eps=1e-3, weight_decay=0.3)
    trained = train(Problem(network, X, Y), given, Schedule(3, LinearExact()))
    rate, gd_rate = (N * L) ** -0.5, GAMMA**2 * N
    by_hand = optax.adamw(lambda t: rate * RATES(t), eps=1e-3 * rate / gd_rate, weight_decay=0.3 / rate)
    objectives = (predictive_codings, trained.pc), (lambda W: backpropagations(W)[0], trained.bp)
    for objective, after in objectives:
        W = [w.reshape(w.shape[-2:]) for w in jax.tree.leaves(network)]

        @jax.jit
        def step(W, memory, objective=objective):
            update, memory = by_hand.update(jax.grad(objective)(W), memory, W)
            return optax.apply_updates(W, update), memory

        memory = by_hand.init(W)
        for _ in range(3):
            W, memory = step(W, memory)
        # The schedule is float32.
        assert relative_gap([w.reshape(w.shape[-2:]) for w in jax.tree.leaves(after)], W) < 1e-7


@pytest.mark.parametrize(
    ("plain", "column"),
    [
        (optax.sgd(RATES, momentum=0.9, nesterov=True), "gd_rate"),
        (optax.adam(RATES, eps=0), "adam_rate"),
        (optax.lion(RATES, weight_decay=0), "adam_rate"),
        (optax.rmsprop(RATES, eps=0), "adam_rate"),
    ],
    ids=("momentum", "adam", "lion", "rmsprop"),
)
def test_what_grows_with_the_gradient_has_the_rates_of_descent_and_what_does_not_has_adams(plain, column):
    network = biased()
    gradients, rates = [like(network) for _ in range(3)], network.rates(lambda scales: getattr(scales, column))
    ours, theirs = (updates(t, network, gradients) for t in (Scaled(plain).transformation(network), plain))
    for update, raw in zip(ours, theirs, strict=True):
        assert relative_gap(update, jax.tree.map(lambda rate, u: rate * u, rates, raw)) < 1e-12


DECAYS = {
    "decoupled": optax.adamw(0.1, eps=1.0, weight_decay=0.3),
    "in the gradient": optax.chain(optax.add_decayed_weights(0.3), optax.sgd(0.1)),
}


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("parameterisation", [sp(), MUPC, complete_p(0.6)], ids=lambda p: p.name)
def test_decay_takes_the_same_fraction_of_every_parameter_at_every_size(decay, parameterisation):
    for width, depth in ((4, 3), (32, 9)):
        network = biased(parameterisation, width, depth)
        nothing = jax.tree.map(jnp.zeros_like, network)
        (update,) = updates(Scaled(DECAYS[decay]).transformation(network), network, [nothing])
        assert relative_gap(update, jax.tree.map(lambda w: -0.1 * 0.3 * w, network)) < 1e-14


def test_vectors_can_be_spared_the_decay():
    network = biased()
    given = optax.adamw(0.1, eps=1.0, weight_decay=0.3, mask=network.rates(lambda scales: scales.variance > 0))
    (update,) = updates(Scaled(given).transformation(network), network, [jax.tree.map(jnp.zeros_like, network)])
    for layer, own in zip((update.blocks[0], update.readout), (network.blocks[0], network.readout), strict=True):
        assert not layer.bias.shift[...].any()
        np.testing.assert_allclose(layer.weight[...], -0.03 * own.weight[...], rtol=1e-14)


def test_a_network_written_with_other_multipliers_learns_the_same():
    plain = MLP(D, N, 2, K).init(KEY, MUPC, "float64")

    def written(layer, multiplier):
        factor = layer.scales.multiplier / multiplier
        return Dense(factor * layer.weight[...], layer.scales.written_with(multiplier))

    other = Network((written(plain.blocks[0], 3.0),), written(plain.readout, 0.1), (D,))
    given = optax.chain(optax.clip(0.5), optax.adamw(RATES, eps=0.1, weight_decay=0.3))
    after = [train(Problem(network, X, Y), given, Schedule(3, LinearExact())).pc for network in (plain, other)]
    start, *outputs = (feedforward(network, X).output for network in (plain, *after))
    assert relative_gap(outputs[1], outputs[0]) < 1e-12 and relative_gap(start, outputs[0]) > 1e-2


@pytest.mark.parametrize("parameterisation", [MUPC, complete_p()], ids=lambda p: p.name)
def test_an_optimiser_sees_gradients_that_do_not_shrink_with_the_width(parameterisation):
    def seen(width):
        network = MLP(D, width, 4, K, jnp.tanh, skips=True, bias=True).init(KEY, parameterisation, "float64")
        transformation = Scaled(optax.identity()).transformation(network)
        (update,) = updates(transformation, network, [jax.jit(bp_gradient)(Problem(network, X, Y))])
        own = jax.tree.map(jnp.divide, update, network.rates(lambda scales: scales.adam_rate))
        return [[float(jnp.sqrt(jnp.mean(g**2))) for g in jax.tree.leaves(part)] for part in (own.blocks[1], own)]

    (hidden, every), (wide_hidden, wide_every) = seen(32), seen(256)
    # Gradients of hidden weights themselves fall by 8^-3/2 and 8^-1; one draw of 32 units scatters by 32^-1/2.
    np.testing.assert_allclose(np.divide(wide_hidden, hidden), 1, atol=0.3)
    assert np.divide(wide_every, every).min() > 0.6


def test_gradients_can_be_gathered_over_several_steps():
    network = biased()
    transformation = Scaled(optax.MultiSteps(optax.sgd(0.1), 2)).transformation(network)
    gradients = [like(network) for _ in range(2)]
    first, second = updates(transformation, network, gradients)
    mean = jax.tree.map(lambda rate, g, h: -0.1 * rate * (g + h) / 2, network.rates(lambda s: s.gd_rate), *gradients)
    assert not any(leaf.any() for leaf in jax.tree.leaves(first)) and relative_gap(second, mean) < 1e-7


REFUSED = {
    "line search": (optax.lbfgs(), "cannot be used given .*'value_fn'.* choose one without a line search or a value"),
    "value": (optax.polyak_sgd(), "cannot be used given .*'value'"),
    "two sets of weights": (optax.lookahead(optax.sgd(0.1), 5, 0.5), "cannot be used given .*'fast'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_more_than_gradients_and_parameters_is_refused_in_a_sentence(name):
    given, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        train(Problem(biased(), X, Y), given, Schedule(1, LinearExact()))


def test_a_rate_of_nothing_is_refused():
    network = biased(replace(MUPC, output=replace(MUPC.output, adam_rate=Power(0.0))))
    with pytest.raises(ValueError, match="a layer of adam_rate 0 given"):
        Scaled(optax.adam(0.1)).transformation(network)
