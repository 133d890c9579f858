"""Modules of one's own as layers: the same network as the library's own layers make, and what is refused."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.layers import Applied, Dense, Unchanged, Wrapped, draw_dense, draw_wrapped
from pcn_lib.layers.flax_parameters import parameters
from pcn_lib.network import MLP, Network, Stack, feedforward
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Role, Scales, mupc, mupc_skips, ntp, sp
from pcn_lib.rescaling import rescaling
from pcn_lib.training import Adam, GradientDescent

SCALES = Scales(multiplier=0.5, variance=1.0, gd_rate=3.0, adam_rate=7.0)
SIZE = (6, 4)


def flax_linear(inputs: int, outputs: int, use_bias: bool = False) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, use_bias=use_bias, param_dtype=jnp.float64, rngs=nnx.Rngs(0))


def flax_mlp(given: Network) -> Network:
    """The network of the library's own dense layers, made of Flax's."""

    def layer(dense, **kind) -> Wrapped:
        module = flax_linear(*dense.weight[...].shape[::-1])
        module.kernel[...] = dense.weight[...].T
        return Wrapped(module, dense.scales, activation=dense.activation, skip=dense.skip, **kind)

    first, stack = given.blocks
    hidden = jax.vmap(layer)(stack.layers)
    return Network((layer(first), Stack(hidden)), layer(given.readout), given.input_shape)


def test_flax_layers_give_the_energy_equilibrium_and_gradients_of_the_librarys_own():
    ours = MLP(3, *SIZE, outputs=2, activation=jnp.tanh, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    flax = flax_mlp(ours)
    x, y = jax.random.normal(jax.random.key(1), (5, 3)), jax.random.normal(jax.random.key(2), (5, 2))
    a, b = (equilibrate(Problem(network, x, y)).require() for network in (ours, flax))
    np.testing.assert_allclose(a.energy, b.energy, rtol=1e-9)
    gradients = jax.jit(lambda problem, at: (bp_gradient(problem), pc_gradient(problem, at)))
    both = zip(*(gradients(Problem(network, x, y), at) for network, at in ((ours, a), (flax, b))), strict=True)
    for mine, theirs in (map(jax.tree.leaves, pair) for pair in both):
        for left, right in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(left, jnp.swapaxes(right, -1, -2), atol=1e-7)


def test_a_function_is_a_layer_without_parameters():
    h = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(Wrapped(jnp.sin, SCALES, activation=jnp.square, skip=True)(h), h + jnp.sin(h**2) / 2)
    assert jax.tree.leaves(Wrapped(jnp.sin, SCALES)) == []


def test_a_wrapped_layer_is_linear_where_it_is_said_to_be_and_its_activation_is_the_identity():
    module = flax_linear(2, 2)
    assert Wrapped(module, SCALES, is_linear=True, activation=identity).linear
    assert not Wrapped(module, SCALES, is_linear=True, activation=jnp.tanh).linear
    assert not Wrapped(module, SCALES).linear


def test_rates_are_those_of_the_parameterisation_for_every_parameter():
    layer = Wrapped(flax_linear(2, 3, use_bias=True), SCALES)
    assert jax.tree.leaves(layer.rates(lambda scales: scales.gd_rate)) == [3.0, 3.0]


def test_drawn_kernels_have_the_variance_of_their_role_biases_are_zero_and_the_module_stays():
    module = flax_linear(200, 300, use_bias=True)
    module.bias[...] = jnp.ones(300)
    before = jax.tree.leaves(module)
    layer = draw_wrapped(jax.random.key(0), module, mupc_skips(), Role.HIDDEN, (200, 16))
    assert layer.scales == mupc_skips().scales(Role.HIDDEN, fan_in=200, width=200, depth=16)
    np.testing.assert_allclose(jnp.var(layer.module.kernel[...]), layer.scales.variance, rtol=0.02)
    assert not layer.module.bias[...].any() and layer.module.kernel[...].dtype == "float64"
    assert all(left is right for left, right in zip(before, jax.tree.leaves(module), strict=True))


def test_vectors_that_are_no_biases_stay_and_a_fan_in_can_be_given():
    class Scaled(nnx.Module):
        def __init__(self):
            self.scale, self.inner = nnx.Param(jnp.full(4, 2.0)), flax_linear(4, 4)

        def __call__(self, h):
            return self.inner(h * self.scale[...])

    layer = draw_wrapped(jax.random.key(0), Scaled(), mupc_skips(), Role.HIDDEN, (4, 3), fan_in=16)
    np.testing.assert_array_equal(layer.module.scale[...], 2.0)
    assert layer.scales == mupc_skips().scales(Role.HIDDEN, fan_in=16, width=4, depth=3)


def test_a_stack_of_drawn_layers_is_one_layer_after_the_other():
    module, keys = flax_linear(4, 4), jax.random.split(jax.random.key(0), 3)

    def drawn(key) -> Wrapped:
        return draw_wrapped(key, module, mupc_skips(), Role.HIDDEN, (4, 5), activation=jnp.tanh, skip=True)

    h = jnp.arange(4.0)
    one_by_one = h
    for key in keys:
        one_by_one = drawn(key)(one_by_one)
    np.testing.assert_allclose(Stack(jax.vmap(drawn)(keys))(h), one_by_one)


class Inside(nnx.Module):
    def __init__(self, part):
        self.first, self.second = flax_linear(2, 2), part

    def __call__(self, h):
        return self.second(self.first(h))


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (nnx.BatchNorm(2, rngs=nnx.Rngs(0)), "has BatchNorm.*use nnx.LayerNorm or nnx.RMSNorm"),
        (nnx.Dropout(0.5, rngs=nnx.Rngs(0)), "has Dropout.*leave it out"),
        (nnx.Dropout(0.5, deterministic=True), "has Dropout"),
        (nnx.MultiHeadAttention(1, 2, decode=False, dropout_rate=0.5, rngs=nnx.Rngs(0)), "keeps Rng"),
    ],
)
def test_modules_of_chance_or_of_other_samples_are_refused_by_name(part, sentence):
    for module in (part, Inside(part)):
        with pytest.raises(ValueError, match=sentence):
            Wrapped(module, SCALES)


def test_a_module_without_kernels_cannot_be_drawn():
    with pytest.raises(ValueError, match="no kernel to draw"):
        draw_wrapped(jax.random.key(0), nnx.LayerNorm(4, rngs=nnx.Rngs(0)), mupc_skips(), Role.HIDDEN, (4, 3))
    with pytest.raises(ValueError, match="no kernel to draw"):
        draw_wrapped(jax.random.key(0), jnp.tanh, mupc_skips(), Role.HIDDEN, (4, 3))


def attention(heads: int) -> nnx.Module:
    return nnx.MultiHeadAttention(heads, 64, normalize_qk=True, decode=False, rngs=nnx.Rngs(0))


def fans(module: nnx.Module) -> dict[str, int]:
    return {parameter.name: parameter.fan_in for parameter in parameters(module) if parameter.is_kernel}


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_the_fan_in_of_attention_is_its_width_whatever_the_heads(heads):
    assert fans(attention(heads)) == {f"{name}/kernel": 64 for name in ("key", "out", "query", "value")}
    layer = draw_wrapped(jax.random.key(0), attention(heads), sp(), Role.HIDDEN, (64, 4))
    assert layer.scales.variance == 1 / 64
    for kernel in (layer.module.query.kernel, layer.module.out.kernel):
        # The scatter of a variance estimated from 4096 numbers is 2 %.
        np.testing.assert_allclose(jnp.var(kernel[...]), 1 / 64, rtol=0.1)


@pytest.mark.parametrize(
    ("module", "fan_in"),
    [
        (nnx.Linear(5, 7, rngs=nnx.Rngs(0)), 5),
        (nnx.LinearGeneral((2, 3), (4, 5), axis=(-2, -1), rngs=nnx.Rngs(0)), 6),
        (nnx.LinearGeneral(3, 5, batch_axis={0: 4}, rngs=nnx.Rngs(0)), 3),
        (nnx.Conv(6, 8, (3, 5), rngs=nnx.Rngs(0)), 90),
        (nnx.Conv(6, 8, (3,), feature_group_count=2, rngs=nnx.Rngs(0)), 9),
        (nnx.Einsum("nta,hab->nthb", (8, 2, 4), (8, 4), rngs=nnx.Rngs(0)), 2),
        (nnx.Embed(11, 4, rngs=nnx.Rngs(0)), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_outputs_of_a_drawn_module_have_variance_one_for_inputs_of_variance_one(module, fan_in):
    """The fan-in by Flax's layout, and as the variance that an output really has."""
    assert list(fans(module).values()) == [fan_in]
    shapes = {nnx.LinearGeneral: (4, 2, 3), nnx.Conv: (7, 9, 6), nnx.Einsum: (3, 3, 2), nnx.Linear: (5,)}
    if isinstance(module, nnx.Embed):
        inputs = jnp.arange(11)
    else:
        inputs = jnp.ones(shapes[type(module)][-len(shapes[type(module)]) :], "float32")

    def middle(key):
        output = draw_wrapped(key, module, sp(), Role.HIDDEN, (8, 4)).module(inputs)
        return output[tuple(size // 2 for size in output.shape)]

    values = jax.vmap(middle)(jax.random.split(jax.random.key(1), 4000))
    np.testing.assert_allclose(jnp.var(values), 1, rtol=4 * (2 / 4000) ** 0.5)


class Bare(nnx.Module):
    """Its own matrix, in PyTorch's layout, and a bias."""

    def __init__(self):
        self.weight, self.bias = nnx.Param(jnp.ones((7, 5))), nnx.Param(jnp.ones(7))

    def __call__(self, h):
        return self.weight[...] @ h + self.bias[...]


@pytest.mark.parametrize("module", [Bare(), nnx.Sequential(flax_linear(5, 5), Bare())])
def test_a_kernel_whose_axes_are_not_known_is_refused_without_a_fan_in(module):
    with pytest.raises(ValueError, match=r"weight of shape \(7, 5\), whose axes only Bare knows.*pass fan_in"):
        draw_wrapped(jax.random.key(0), module, sp(), Role.HIDDEN, (5, 4))
    layer = draw_wrapped(jax.random.key(0), module, mupc(), Role.OUTPUT, (5, 4), fan_in=5)
    assert layer.scales == mupc().scales(Role.OUTPUT, fan_in=5, width=5, depth=4)
    # a = 1/5 stands before the bias as well, so that it learns as one of multiplier 1: at 5^2 times eta.
    assert jax.tree.leaves(layer.rates(lambda scales: scales.gd_rate))[-2:] == pytest.approx([25, 5])


def test_the_multiplier_is_that_of_the_largest_fan_in_and_each_kernel_has_the_variance_of_its_own():
    module = nnx.Sequential(flax_linear(100, 400), jnp.tanh, flax_linear(400, 100))
    up, _, down = draw_wrapped(jax.random.key(0), module, sp(), Role.HIDDEN, (100, 4)).module.layers
    for kernel, fan_in in ((up.kernel, 100), (down.kernel, 400)):
        np.testing.assert_allclose(jnp.var(kernel[...]), 1 / fan_in, rtol=0.05)
    assert draw_wrapped(jax.random.key(0), module, ntp(), Role.HIDDEN, (100, 4)).scales.multiplier == 1 / 20


def test_a_drawn_layer_with_a_bias_learns_as_the_librarys_own():
    """Ours has a multiplier for the bias, Flax's shares that of the kernel: Adam and descent must not see which."""
    ours = draw_dense(jax.random.key(0), mupc_skips(0.5), Role.OUTPUT, (3, 16), (16, 4), bias=True, dtype="float64")
    flax = draw_wrapped(jax.random.key(0), flax_linear(16, 3, use_bias=True), mupc_skips(0.5), Role.OUTPUT, (16, 4))
    flax.module.kernel[...] = ours.weight[...].T
    h, y = jax.random.normal(jax.random.key(1), (5, 16)), jnp.array([1.0, -2.0, 3.0])

    def output(layer):
        return feedforward(Network((Unchanged(),), layer, (16,)), h).output

    def trained(layer, optimiser):
        transformation = optimiser.transformation(Network((Unchanged(),), layer, (16,)))

        def step(state, _):
            network, memory = state
            gradient = jax.grad(lambda network: jnp.sum((feedforward(network, h).output - y[None]) ** 2))(network)
            updates, memory = transformation.update(gradient, memory, network)
            return (jax.tree.map(jnp.add, network, updates), memory), None

        start = Network((Unchanged(),), layer, (16,))
        with jax.numpy_dtype_promotion("standard"):
            (network, _), _ = jax.lax.scan(step, (start, transformation.init(start)), length=20)
        return feedforward(network, h).output

    for optimiser in (GradientDescent(0.01), Adam(0.1, epsilon=1e-3)):
        after = trained(ours, optimiser)
        assert jnp.abs(after - output(ours)).min() > 1e-3
        np.testing.assert_allclose(trained(flax, optimiser), after, rtol=1e-9)


def test_norms_inside_a_module_have_the_rates_of_vectors():
    layer = draw_wrapped(jax.random.key(0), attention(2), mupc_skips(), Role.HIDDEN, (64, 4))
    adam = [scales.adam_rate for scales in layer.each]
    rates = dict(zip((parameter.name for parameter in parameters(layer.module)), adam, strict=True))
    assert rates["query_ln/scale"] == mupc_skips().vector_scales(Role.HIDDEN, 64, 4).adam_rate == 0.5
    # L^-1/2 for a bias with the multiplier L^-1/2; here it is that of the kernel, (64 L)^-1/2.
    assert rates["out/bias"] == rates["query/bias"] == pytest.approx(0.5 * 8)
    assert rates["query/kernel"] == 1 / 16
    assert (layer.module.query_ln.scale[...] == 1).all() and not layer.module.query.bias[...].any()


class Linen(linen.Module):
    """A matrix of its own, in Flax's older way."""

    @linen.compact
    def __call__(self, h):
        return linen.Dense(5, use_bias=False, param_dtype="float64")(h)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Equinox:
    """A callable pytree of arrays, as Equinox's modules are."""

    weight: jax.Array

    def __call__(self, h):
        return self.weight @ h


def test_weights_of_other_libraries_are_parameters_that_learn_as_the_librarys_own():
    W = jax.random.normal(jax.random.key(0), (5, 7))
    x, y, readout = jnp.ones((2, 7)), jnp.zeros((2, 3)), Dense(jnp.ones((3, 5)), SCALES, activation=jnp.tanh)

    @jax.jit
    def gradients(layer):
        problem = Problem(Network((layer,), readout, (7,)), x, y)
        pc, bp = pc_gradient(problem, Sweeps(max_steps=3)(problem)), bp_gradient(problem)
        return jax.tree.leaves(pc)[0], jax.tree.leaves(bp)[0], compare(pc, bp).layers.cosine

    ours = gradients(Dense(W, SCALES))
    # Linen keeps its matrices the other way round.
    variables = {"params": {"Dense_0": {"kernel": W.T}}}
    pc, bp, cosine = gradients(Wrapped(Applied(Linen().apply, variables), SCALES))
    for given, expected in zip((pc.T, bp.T, cosine), ours, strict=True):
        np.testing.assert_allclose(given, expected, rtol=1e-12)
    for applied in (Applied(lambda model, h: model(h), Equinox(W)), Applied(lambda W, h: W @ h, W)):
        for given, expected in zip(gradients(Wrapped(applied, SCALES)), ours, strict=True):
            np.testing.assert_allclose(given, expected, rtol=1e-12)


@pytest.mark.parametrize("module", [Linen(), Equinox(jnp.ones((5, 7)))], ids=lambda module: type(module).__name__)
def test_a_module_whose_parameters_would_not_learn_is_refused(module):
    with pytest.raises(ValueError, match=f"{type(module).__name__} given, whose parameters Flax NNX does not see"):
        Wrapped(module, SCALES)


def test_a_network_of_functions_alone_has_no_gradients_to_compare_but_an_equilibrium():
    W = jnp.ones((3, 5))
    functions = Wrapped(lambda h: W.T @ h, SCALES, is_linear=True), Wrapped(lambda h: W @ h, SCALES, is_linear=True)
    problem = Problem(Network(functions[:1], functions[1], (3,)), jnp.ones((2, 3)), jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"network without parameters given.*Wrapped\(Applied\(function, weights\)"):
        compare(bp_gradient(problem), bp_gradient(problem))
    # S = I + a^2 W W^T, and W W^T = 5 in every entry.
    np.testing.assert_allclose(rescaling(problem.network), np.eye(3) + SCALES.multiplier**2 * 5)


def test_a_function_of_numpys_arrays_is_refused_where_it_is_traced():
    layer = Wrapped(np.tanh, SCALES)
    with pytest.raises(ValueError, match="tanh given, which turns arrays into NumPy's"):
        jax.eval_shape(layer, jnp.ones(3))
