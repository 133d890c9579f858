"""Modules of one's own as layers: the same network as the library's own layers make, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.inference import equilibrate
from pcn_lib.layers import Wrapped, draw_wrapped
from pcn_lib.network import MLP, Network, Stack
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Role, Scales, mupc_skips

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
    for gradient in (bp_gradient, lambda problem: pc_gradient(problem, equilibrate(problem).require())):
        mine, theirs = (jax.tree.leaves(gradient(Problem(network, x, y))) for network in (ours, flax))
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


@pytest.mark.parametrize("module", [nnx.BatchNorm(2, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(0))])
def test_a_module_that_keeps_state_is_refused(module):
    with pytest.raises(ValueError, match="has only parameters"):
        Wrapped(module, SCALES)


def test_a_module_without_kernels_cannot_be_drawn():
    with pytest.raises(ValueError, match="no kernel to draw"):
        draw_wrapped(jax.random.key(0), nnx.LayerNorm(4, rngs=nnx.Rngs(0)), mupc_skips(), Role.HIDDEN, (4, 3))
