"""Gradients against differences and closed forms; the comparison record against geometry."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import cross_entropy, loss
from pcn_lib.gradients import (
    bp_gradient,
    closed_form_gradient,
    compare,
    loss_and_bp_gradient,
    pc_gradient,
    similarity,
)
from pcn_lib.inference import NewtonCG, Sweeps, equilibrate
from pcn_lib.parameterisation import mupc
from pcn_lib.rescaling import LinearExact, NotLinear
from tests.cases import Case
from tests.inference.test_equilibrium import one_unit_problem
from tests.oracles import central_differences, dense_layers, flat, relative_gap

TINY = Case(mupc(0.4), jnp.tanh, cross_entropy, inputs=2, width=4, outputs=3, batch=2, depth=4, output_precision=1.7)


def test_the_bp_gradient_is_the_slope_of_the_loss():
    problem = TINY.problem()
    slope = central_differences(lambda network: loss(replace(problem, network=network)), problem.network)
    value, gradient = jax.jit(loss_and_bp_gradient)(problem)
    np.testing.assert_allclose(flat(gradient), slope, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(value, jax.jit(loss)(problem), rtol=1e-15)


def test_the_pc_gradient_at_an_equilibrium_is_the_slope_of_the_equilibrated_energy():
    problem, solver = TINY.problem(), NewtonCG(1e-12)
    slope = central_differences(lambda network: solver(replace(problem, network=network)).energy, problem.network)
    gradient = jax.jit(pc_gradient)(problem, equilibrate(problem, solver).require())
    np.testing.assert_allclose(flat(gradient), slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", [Case(output_precision=1.7), Case(mupc(0.5), skips=False), Case(depth=2)], ids=str)
def test_the_pc_gradient_at_the_exact_equilibrium_is_the_closed_forms(case):
    problem = case.problem()
    at_equilibrium = jax.jit(pc_gradient)(problem, equilibrate(problem, LinearExact()))
    assert relative_gap(at_equilibrium, jax.jit(closed_form_gradient)(problem)) < 1e-10


def test_sweeps_give_the_closed_forms_gradient_where_the_width_is_eight_times_the_depth():
    problem = Case(width=64, depth=8).problem()
    swept = jax.jit(pc_gradient)(problem, equilibrate(problem, Sweeps(1e-10)).require())
    assert relative_gap(swept, jax.jit(closed_form_gradient)(problem)) < 1e-8


def test_the_gradients_of_one_unit_are_those_of_the_hand_calculation():
    # One unit with w_1 = 1.5, w_2 = 0.5, x = 2, y = 5.5, lambda = 2: z* = 17/3, e* = 8/3 (see the equilibrium's test).
    # dF/dw_1 = -e x = -16/3;  dF/dw_2 = -lambda (y - w_2 z) z = -2 (5.5 - 17/6) 17/3 = -272/9.
    # Loss = (5.5 - w_2 w_1 x)^2 / 2:  -4 w_2 x = -4 and -4 w_1 x = -12.
    problem = one_unit_problem(1.5, 0.5, 2.0, 5.5, 2.0)
    pc, bp = pc_gradient(problem, equilibrate(problem, LinearExact())), bp_gradient(problem)
    np.testing.assert_allclose(flat(pc), [-16 / 3, -272 / 9], rtol=1e-13)
    np.testing.assert_allclose(flat(bp), [-4, -12], rtol=1e-13)


def test_at_feedforward_activities_only_the_readout_learns():
    problem = Case(output_precision=1.7).problem()
    start = equilibrate(problem, Sweeps(1e-10, max_steps=0))
    gradient, bp = jax.jit(pc_gradient)(problem, start), jax.jit(bp_gradient)(problem)
    assert not any(np.any(layer.weight[...]) for layer in dense_layers(gradient)[:-1])
    np.testing.assert_allclose(gradient.readout.weight[...], 1.7 * bp.readout.weight[...], rtol=1e-12)


@pytest.mark.parametrize("case", [Case(activation=jnp.tanh), Case(loss=cross_entropy)], ids=str)
def test_the_closed_form_gradient_of_a_problem_without_closed_form_is_refused(case):
    with pytest.raises(NotLinear, match="given; .*: use"):
        closed_form_gradient(case.problem())


def test_the_pc_gradient_at_the_activities_of_another_network_is_refused():
    stranger = equilibrate(Case(depth=5).problem(), LinearExact())
    with pytest.raises(ValueError, match="activities of shapes .* given; this network and batch need"):
        pc_gradient(Case().problem(), stranger)


def test_a_scaled_gradient_points_the_same_way_at_another_length():
    gradient = Case().problem().network
    record = jax.jit(compare)(jax.tree.map(lambda g: 3 * g, gradient), gradient)
    for part in (record.total, record.layers):
        np.testing.assert_allclose(part.cosine, 1, rtol=1e-14)
        np.testing.assert_allclose(part.one_minus_cosine, 0, atol=1e-15)
        np.testing.assert_allclose(part.relative_error, 2, rtol=1e-14)
        np.testing.assert_allclose(part.norm_ratio, 3, rtol=1e-14)
    assert record.layers.cosine.shape == (6,)


@pytest.mark.parametrize("angle", [0.1, 1.0, np.pi / 2, 3.0])
def test_a_rotated_vector_is_recognised_by_its_angle(angle):
    a, b = {"u": jnp.array([2 * np.cos(angle)]), "v": jnp.array([2 * np.sin(angle)])}, {"u": [1.0], "v": [0.0]}
    record = similarity(a, jax.tree.map(jnp.asarray, {"u": jnp.array(b["u"]), "v": jnp.array(b["v"])}))
    np.testing.assert_allclose(record.cosine, np.cos(angle), atol=1e-15)
    np.testing.assert_allclose(record.one_minus_cosine, 1 - np.cos(angle), rtol=1e-13)
    np.testing.assert_allclose(record.relative_error, np.sqrt(5 - 4 * np.cos(angle)), rtol=1e-13)
    np.testing.assert_allclose(record.norm_ratio, 2, rtol=1e-14)


def test_one_minus_the_cosine_is_right_in_float32_where_the_cosine_itself_is_one():
    # Two vectors 1e-3 apart: 1 - cos = 5e-7, which float32 rounds to 4.8e-7 or 5.4e-7 when formed from the cosine.
    rng = np.random.default_rng(0)
    direction, other = np.linalg.qr(rng.normal(size=(5000, 2)))[0].T
    a, b = direction, np.cos(1e-3) * direction + np.sin(1e-3) * other
    record = similarity(jnp.asarray(7 * a, "float32"), jnp.asarray(b, "float32"))
    assert record.one_minus_cosine.dtype == "float32"
    np.testing.assert_allclose(record.one_minus_cosine, 1 - np.cos(1e-3), rtol=1e-3)


def test_every_layer_is_compared_with_its_own_reference():
    gradient = Case().problem().network
    factors = np.arange(1.0, 7.0)
    scaled = jax.tree.map(lambda g: g, gradient)
    scaled.blocks[1].layers.weight[...] = gradient.blocks[1].layers.weight[...] * factors[1:5, None, None]
    scaled.readout.weight[...] = gradient.readout.weight[...] * factors[5]
    np.testing.assert_allclose(jax.jit(compare)(scaled, gradient).layers.norm_ratio, factors, rtol=1e-14)


def test_the_comparison_with_a_vanishing_gradient_is_not_a_number():
    gradient = Case().problem().network
    zero = jax.tree.map(jnp.zeros_like, gradient)
    assert np.isnan(jax.jit(compare)(zero, gradient).total.cosine)
    assert np.isnan(jax.jit(compare)(zero, gradient).total.one_minus_cosine)
    assert np.isnan(jax.jit(compare)(zero, zero).total.relative_error)
    assert np.isnan(jax.jit(compare)(zero, zero).total.norm_ratio)


@pytest.mark.parametrize(
    "other",
    [Case(depth=5), Case(width=6), Case(depth=2), Case(skips=False)],
    ids=str,
)
def test_gradients_of_different_networks_are_refused(other):
    with pytest.raises(ValueError, match="gradients of different networks given .*; a comparison needs one structure"):
        compare(Case().problem().network, other.problem().network)


def test_the_gradients_of_several_networks_at_once_are_not_those_of_one():
    one = Case().problem().network
    stacked = jax.tree.map(lambda g: g[None], one)
    for pair in ((stacked, one), (one, stacked)):
        with pytest.raises(ValueError, match="gradients of different networks given"):
            compare(*pair)
