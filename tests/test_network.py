"""The network as a sequence of layers: passes, stacks, and what it refuses to read."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, loss
from pcn_lib.network import MLP, Network, Stack, feedforward, predictions, zero_errors
from pcn_lib.numerics import tree_subtract
from pcn_lib.parameterisation import mupc_skips, sp
from tests.cases import Case
from tests.oracles import by_layer, dense_layers, equation_count, feedforward_by_loops, layer_map

X = jnp.ones((4, 7))
CASES = [Case(), Case(activation=jnp.tanh, skips=False), Case(activation=jax.nn.relu, depth=3), Case(depth=2)]


def random_like(tree, seed=1):
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [jax.random.normal(k, z.shape, z.dtype) for k, z in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_scanned_stack_equals_a_loop_over_layers(case):
    problem = case.problem()
    errors = random_like(zero_errors(problem.network, problem.x))
    for given in (None, errors):
        activities, output = jax.jit(feedforward)(problem.network, problem.x, given)
        kept, outputs = feedforward_by_loops(problem.network, problem.x, given)
        np.testing.assert_allclose(by_layer(activities), kept, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(output, outputs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_predicts_from_the_activities_below_it(case):
    problem = case.problem()
    z = random_like(zero_errors(problem.network, problem.x))
    predicted, output = jax.jit(predictions)(problem.network, problem.x, z)
    below = [np.asarray(problem.x), *by_layer(z)]
    by_hand = [
        np.stack([layer_map(layer, h) for h in batch])
        for layer, batch in zip(dense_layers(problem.network), below, strict=True)
    ]
    np.testing.assert_allclose(by_layer(predicted), by_hand[:-1], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(output, by_hand[-1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_activities_and_prediction_errors_determine_each_other(case):
    problem = case.problem()
    errors = random_like(zero_errors(problem.network, problem.x))
    z = jax.jit(feedforward)(problem.network, problem.x, errors).activities
    recovered = tree_subtract(z, jax.jit(predictions)(problem.network, problem.x, z).activities)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), recovered, errors)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_depth_counts_the_weight_layers(depth):
    network = Case(depth=depth).problem().network
    assert network.depth == depth == len(dense_layers(network))


def test_every_layer_of_a_stack_has_weights_of_its_own():
    stack = Case().problem().network.blocks[1]
    weights = np.asarray(stack.layers.weight[...])
    assert isinstance(stack, Stack) and weights.shape == (4, 5, 5)
    assert len({w.tobytes() for w in weights}) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_and_activities_have_the_precision_asked_for(dtype):
    problem = Case(dtype=dtype, activation=jnp.tanh).problem()
    made = (problem.network, jax.jit(feedforward)(problem.network, problem.x), zero_errors(problem.network, problem.x))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(made)} == {dtype}


def test_the_same_key_gives_the_same_network_in_every_precision():
    single, double = (Case(dtype=dtype).problem().network for dtype in ("float32", "float64"))
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        np.testing.assert_array_equal(np.asarray(a, "float64"), np.asarray(b))


def test_another_key_gives_another_network():
    a, b = (Case(seed=seed).problem().network for seed in (0, 1))
    assert not np.array_equal(a.readout.weight[...], b.readout.weight[...])


def test_a_network_is_linear_if_and_only_if_all_its_layers_are():
    assert Case().problem().network.linear
    assert not Case(activation=jnp.tanh).problem().network.linear
    assert not Case(activation=jnp.tanh, depth=2).problem().network.linear


def test_the_traced_passes_do_not_grow_with_depth():
    def size(depth):
        p = Case(depth=depth).problem()
        errors = zero_errors(p.network, p.x)
        return equation_count(feedforward, p.network, p.x, errors), equation_count(predictions, p.network, p.x, errors)

    assert size(8) == size(64)


@pytest.mark.parametrize("field", ["inputs", "width", "outputs"])
def test_a_network_without_units_is_refused(field):
    with pytest.raises(ValueError, match=f"{field} = 0 given; a network needs at least 1: choose {field} >= 1"):
        replace(MLP(3, 4, 5), **{field: 0})


@pytest.mark.parametrize("depth", [1, 0, -2])
def test_a_network_without_a_hidden_layer_is_refused(depth):
    with pytest.raises(ValueError, match=f"depth = {depth} given; inference needs a hidden layer: choose depth >= 2"):
        MLP(3, 4, depth)
    with pytest.raises(ValueError, match="a readout and nothing below it given; .* add one"):
        Network((), Case(depth=2).problem().network.readout, (3,))


@pytest.mark.parametrize("act", [feedforward, lambda n, x: predictions(n, x, zero_errors(n, jnp.ones((4, 7))))])
def test_inputs_of_the_wrong_number_of_features_are_refused(act):
    network = Case().problem().network
    with pytest.raises(ValueError, match=r"inputs of shape \(4, 6\) given; this network reads \[batch, 7\]: reshape"):
        act(network, jnp.ones((4, 6)))


@pytest.mark.parametrize("act", [feedforward, predictions])
@pytest.mark.parametrize("other", [Case(depth=5), Case(width=6), Case(batch=3), Case(depth=2)], ids=str)
def test_activities_of_another_network_or_batch_are_refused(act, other):
    problem, stranger = Case().problem(), other.problem()
    activities = zero_errors(stranger.network, stranger.x)
    with pytest.raises(ValueError, match="activities of shapes .* given; this network and batch need .* feedforward"):
        act(problem.network, problem.x, activities)


def narrower():
    """The leaves of a network of the same kind and half the width."""
    return jax.tree.leaves(MLP(7, 4, 6, 3, skips=True).init(jax.random.key(1), mupc_skips(), "float64"))


@pytest.mark.parametrize(
    "use",
    [
        lambda network, leaves: network.with_parameters(leaves),
        lambda network, leaves: feedforward(jax.tree.unflatten(jax.tree.structure(network), leaves), X),
        lambda network, leaves: Problem(jax.tree.unflatten(jax.tree.structure(network), leaves), X, jnp.ones((4, 3))),
    ],
)
def test_bare_arrays_of_another_width_are_refused(use):
    network = MLP(7, 8, 6, 3, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    refused = pytest.raises(ValueError, match=r"parameters of shapes .*; the multipliers and rates .* for \[\(8, 7\)")
    with refused:
        use(network, narrower())
    with refused:
        network.with_parameters(jax.tree.leaves(network)[:-1])
    use(network, [2 * leaf for leaf in jax.tree.leaves(network)])


def test_parameters_go_from_network_to_network_of_one_parameterisation():
    first, second, other = (
        MLP(7, 8, 6, 3, skips=True).init(jax.random.key(seed), table, "float64")
        for seed, table in enumerate((mupc_skips(), mupc_skips(), sp()))
    )
    moved = first.with_parameters(second)
    np.testing.assert_array_equal(feedforward(moved, X).output, feedforward(second, X).output)
    with pytest.raises(ValueError, match="of other layers, sizes or parameterisation given"):
        first.with_parameters(other)


def test_networks_stacked_for_vmap_keep_the_shapes_of_one():
    keys = jax.random.split(jax.random.key(0), 2)
    many = jax.vmap(lambda key: MLP(7, 8, 4, 3).init(key, mupc_skips(), "float64"))(keys)
    problem = Problem(many, X, jnp.ones((4, 3)))
    losses = jax.vmap(lambda network: loss(replace(problem, network=network)))(many)
    one = jax.tree.map(lambda leaf: leaf[1], many)
    np.testing.assert_allclose(losses[1], loss(replace(problem, network=one)), rtol=1e-12)
