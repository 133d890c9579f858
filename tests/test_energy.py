"""Energy, loss and prediction errors against loops over samples and layers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from pcn_lib.energy import (
    Problem,
    cross_entropy,
    energy,
    loss,
    one_unit_problem,
    prediction_errors,
    squared_error,
)
from pcn_lib.gap import first_order_gap
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.inference import Sweeps
from pcn_lib.moreau import moreau_energy
from pcn_lib.network import zero_errors
from pcn_lib.rescaling import equilibrated_energy
from tests.cases import Case
from tests.oracles import by_layer, energy_by_loops, feedforward_by_loops, relative_gap, sample_loss
from tests.test_network import random_like

CASES = [
    Case(output_precision=2.5),
    Case(activation=jnp.tanh, loss=cross_entropy, output_precision=0.3),
    Case(activation=jax.nn.relu, skips=False, depth=3),
    Case(loss=cross_entropy, depth=2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_energy_is_the_sum_over_layers_averaged_over_samples(case):
    problem = case.problem()
    z = random_like(zero_errors(problem.network, problem.x))
    np.testing.assert_allclose(jax.jit(energy)(problem, z), energy_by_loops(problem, z), rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_loss_is_the_mean_over_samples_of_the_outputs_loss(case):
    problem = case.problem()
    outputs = feedforward_by_loops(problem.network, problem.x)[1]
    values = [sample_loss(problem, u, y) for u, y in zip(outputs, np.asarray(problem.y), strict=True)]
    np.testing.assert_allclose(jax.jit(loss)(problem), np.mean(values), rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_prediction_errors_are_what_the_feedforward_pass_needs_to_give_the_activities(case):
    problem = case.problem()
    z = random_like(zero_errors(problem.network, problem.x))
    rebuilt, _ = feedforward_by_loops(problem.network, problem.x, jax.jit(prediction_errors)(problem, z))
    np.testing.assert_allclose(rebuilt, by_layer(z), rtol=1e-12, atol=1e-12)


def test_the_squared_error_is_half_the_squared_distance():
    assert squared_error(jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0])) == (4 + 9) / 2


def test_the_cross_entropy_is_the_expected_surprise_averaged_over_positions():
    u = np.random.default_rng(0).normal(size=(6, 5)) * 30
    y = np.eye(5)[[0, 4, 2, 2, 1, 3]]
    expected = np.mean([scipy.special.logsumexp(row) - row @ target for row, target in zip(u, y, strict=True)])
    np.testing.assert_allclose(cross_entropy(jnp.array(u), jnp.array(y)), expected, rtol=1e-14)


def test_x_and_y_of_different_batch_are_refused():
    problem = Case().problem()
    with pytest.raises(ValueError, match="4 inputs and 3 targets given; each input needs one target: pass x and y"):
        Problem(problem.network, problem.x, problem.y[:3])


@pytest.mark.parametrize("precision", [0.0, -1.0, float("nan")])
def test_an_output_precision_that_is_not_positive_is_refused(precision):
    with pytest.raises(ValueError, match="output precision lambda = .* given; it must be positive: try 1"):
        replace(Case().problem(), output_precision=precision)


def test_the_output_precision_is_a_number_of_the_problem_and_not_of_the_program():
    """Another lambda compiles nothing anew; ``vmap`` maps over many, each with the equilibrium of its own."""
    traced = []

    def counted(u, y):
        traced.append(u)
        return squared_error(u, y)

    problem = replace(Case().problem(), loss=counted)

    @jax.jit
    def answer(problem):
        equilibrium = Sweeps(max_steps=3)(problem)
        return equilibrium.energy, pc_gradient(problem, equilibrium).readout.weight[...]

    precisions = jnp.array([0.5, 1.7, 30.0])
    one_by_one = [answer(replace(problem, output_precision=float(value))) for value in precisions[:1]]
    once = len(traced)
    one_by_one += [answer(replace(problem, output_precision=float(value))) for value in precisions[1:]]
    assert len(traced) == once > 0
    mapped = jax.vmap(lambda value: answer(replace(problem, output_precision=value)))(precisions)
    for all_at_once, single in zip(mapped, zip(*one_by_one, strict=True), strict=True):
        np.testing.assert_allclose(all_at_once, jnp.stack(single), rtol=1e-12)
    exact = jax.vmap(lambda value: equilibrated_energy(replace(Case().problem(), output_precision=value)))(precisions)
    expected = [equilibrated_energy(Case(output_precision=float(value)).problem()) for value in precisions]
    np.testing.assert_allclose(exact, jnp.array(expected), rtol=1e-12)


def test_the_energy_has_a_slope_in_the_output_precision():
    """dF*/dlambda = (1/B) sum_i ell(u_i*, y_i), by the envelope theorem, against one unit solved by hand."""
    # w = (1, 1), x = 0, y = 2: F* = lambda y^2 / (2 (1 + lambda)), whose slope at lambda = 2 is y^2 / 18 = 2 / 9.
    problem = one_unit_problem(weights=(1, 1), x=0, y=2)
    slope = jax.grad(lambda value: equilibrated_energy(replace(problem, output_precision=value)))(2.0)
    np.testing.assert_allclose(slope, 2 / 9, rtol=1e-6)


@pytest.mark.parametrize("verb", [energy, prediction_errors])
def test_activities_of_another_network_are_refused(verb):
    stranger = Case(width=6).problem()
    with pytest.raises(ValueError, match="activities of shapes .* given; this network and batch need"):
        verb(Case().problem(), zero_errors(stranger.network, stranger.x))


def test_a_problem_whose_inputs_do_not_fit_its_network_is_refused():
    problem = Case().problem()
    with pytest.raises(ValueError, match=r"inputs of shape \(4, 6\) given; this network reads \[batch, 7\]"):
        Problem(problem.network, problem.x[:, :6], problem.y)


@pytest.mark.parametrize("case", [Case(), Case(loss=cross_entropy)], ids=str)
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_that_do_not_fit_the_outputs_are_refused_and_not_broadcast(case, columns):
    problem = case.problem()
    with pytest.raises(ValueError, match=rf"targets of shape \({columns},\) given for outputs of shape \(3,\)"):
        loss(replace(problem, y=problem.y[:, :columns]))


@pytest.mark.parametrize(
    "use",
    [
        loss,
        bp_gradient,
        first_order_gap,
        lambda problem: energy(problem, zero_errors(problem.network, problem.x)),
        lambda problem: Sweeps()(problem),
        lambda problem: pc_gradient(problem, Sweeps()(replace(problem, loss=squared_error))),
        moreau_energy,
    ],
)
def test_a_loss_that_makes_an_array_of_a_sample_is_refused_and_not_averaged(use):
    problem = replace(Case().problem(), loss=optax.l2_loss)
    with pytest.raises(ValueError, match=r"shape \(3,\) of one sample's.*jnp.sum\(l2_loss"):
        use(problem)


def test_optax_losses_of_integer_labels_are_the_cross_entropy_of_one_hot_rows():
    one_hot = Case(loss=cross_entropy, outputs=3).problem()
    labels = jnp.argmax(one_hot.y, axis=-1)
    integers = replace(one_hot, y=labels, loss=optax.softmax_cross_entropy_with_integer_labels)
    np.testing.assert_allclose(loss(integers), loss(one_hot), rtol=1e-12)
    learnt = jax.jit(lambda problem: pc_gradient(problem, Sweeps(tolerance=1e-12)(problem)))
    ours, theirs = map(learnt, (one_hot, integers))
    assert relative_gap(jax.tree.leaves(theirs), jax.tree.leaves(ours)) < 1e-9
