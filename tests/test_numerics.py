"""Precision, pytree arithmetic and the table of tolerances."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.network import CNN, feedforward
from pcn_lib.numerics import (
    check_dtype,
    in_float64,
    standard_normal,
    tolerance,
    tree_axpy,
    tree_dot,
    tree_norm,
    tree_subtract,
    use_highest_precision,
)
from pcn_lib.parameterisation import mupc_convolutional

A = {"left": jnp.arange(6.0).reshape(2, 3), "right": (jnp.array([1.0, -2.0]),)}
B = {"left": jnp.ones((2, 3)), "right": (jnp.array([3.0, 5.0]),)}
FLAT_A, FLAT_B = np.array([0, 1, 2, 3, 4, 5, 1, -2.0]), np.array([1, 1, 1, 1, 1, 1, 3, 5.0])


def test_the_inner_product_of_trees_is_that_of_the_flat_vectors():
    assert tree_dot(A, B) == FLAT_A @ FLAT_B


def test_the_norm_of_a_tree_is_that_of_the_flat_vector():
    np.testing.assert_allclose(tree_norm(A), np.linalg.norm(FLAT_A), rtol=1e-15)


def test_trees_subtract_and_combine_leaf_by_leaf():
    np.testing.assert_array_equal(tree_subtract(A, B)["right"][0], [-2, -7])
    np.testing.assert_array_equal(tree_axpy(2.0, A, B)["right"][0], [5, 1])


def test_a_shorter_mantissa_never_gets_a_tighter_tolerance():
    coarser = [tolerance("tensorfloat32", "gpu"), tolerance("float32", "gpu"), tolerance("float64", "gpu")]
    for field in ("exact", "solve", "gradient"):
        values = [getattr(t, field) for t in coarser]
        assert values == sorted(values, reverse=True) and values[-1] < values[0]


def test_an_unknown_number_type_has_no_tolerance_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="no tolerance for float16 on 'cpu'; known: float64/cpu.*choose"):
        tolerance(jnp.float16, "cpu")


def test_weights_of_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="dtype int32 given; weights need a floating type: use float32 or float64"):
        check_dtype(jnp.int32)


def test_float64_without_64_bit_jax_is_refused_before_any_weight_is_drawn():
    program = """
import jax
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc
try:
    MLP(3, 4, 5).init(jax.random.key(0), mupc(), "float64")
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "float64 given while JAX is limited to 32 bits; call pcn_lib.numerics.use_float64() first" in done.stdout, (
        done.stderr
    )


def test_at_the_highest_precision_no_product_and_no_convolution_is_left_to_the_device():
    network = CNN((8, 8, 3), 4, 2).init(jax.random.key(0), mupc_convolutional(), "float32")
    before = jax.config.jax_default_matmul_precision

    def left() -> int:
        """How many products and convolutions say nothing of their precision, which JAX then does not print."""
        text = str(jax.make_jaxpr(lambda x: feedforward(network, x))(jnp.ones((1, 8, 8, 3), "float32")))
        all_of_them = len(re.findall(r"= (?:dot_general|conv_general_dilated)\[", text))
        assert all_of_them >= 7
        return all_of_them - text.count("precision=(Precision.HIGHEST, Precision.HIGHEST)")

    assert left() >= 7
    try:
        use_highest_precision()
        assert left() == 0
    finally:
        jax.config.update("jax_default_matmul_precision", before)


@pytest.mark.parametrize("before", [False, True])
def test_a_block_in_float64_leaves_the_number_type_as_it_found_it(before: bool):
    kept = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", before)
    try:
        with pytest.raises(KeyError), in_float64():
            assert jnp.zeros(()).dtype == jnp.float64
            raise KeyError
        assert jnp.zeros(()).dtype == (jnp.float64 if before else jnp.float32)
    finally:
        jax.config.update("jax_enable_x64", kept)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (8, 64), (1000,), (513, 512), (2, 3, 5, 7)])
def test_normal_draws_are_those_of_jax_whatever_length_is_compiled(shape: tuple[int, ...], dtype: str):
    key = jax.random.key(3)
    np.testing.assert_array_equal(standard_normal(key, shape, dtype), jax.random.normal(key, shape, dtype))


def test_normal_draws_of_many_keys_and_in_a_compiled_function_are_those_of_each_key():
    keys = jax.random.split(jax.random.key(0), 3)
    many = jax.jit(jax.vmap(lambda key: standard_normal(key, (5, 9), "float32")))(keys)
    for key, drawn in zip(keys, many, strict=True):
        np.testing.assert_array_equal(drawn, jax.random.normal(key, (5, 9), "float32"))


def test_arrays_of_many_shapes_share_one_draw():
    def drawn(*shape: int) -> tuple[int, ...]:
        # The first equation of the computation is the draw; what follows cuts it.
        traced = jax.make_jaxpr(lambda key: standard_normal(key, shape, "float32"))(jax.random.key(0))
        return traced.eqns[0].outvars[0].aval.shape

    assert drawn(7, 3) == drawn(20, 25) == (512,)
    assert drawn(513) == drawn(64, 64) == (4096,)
    assert drawn(1024, 1024) == (2**20,)
