"""Training in lockstep against updates made by hand."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pcn_lib.energy import loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import feedforward
from pcn_lib.parameterisation import Exponents, abcd, mupc_skips, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import Adam, GradientDescent, Schedule, accuracy, shuffled_batches, train, train_batches
from tests.cases import Case
from tests.oracles import dense_layers, equation_count, flat, relative_gap

EXACT = LinearExact()
CASE = Case(mupc_skips(0.5), output_precision=1.3)
N, L = CASE.width, CASE.depth


def by_hand(network, gradient, update) -> list[np.ndarray]:
    """W_l + update(gradient_l) for every layer."""
    pairs = zip(dense_layers(network), dense_layers(gradient), strict=True)
    return [np.asarray(w.weight[...]) + update(np.asarray(g.weight[...])) for w, g in pairs]


OPTIMISERS = {
    # eta gamma_0^2 N
    "gradient descent": (GradientDescent(0.1), lambda g: -0.1 * 0.5**2 * N * g),
    # Adam's first step: both moments are corrected to g and g^2.
    "adam": (Adam(0.1), lambda g: -0.1 * (N * L) ** -0.5 * g / (np.abs(g) + 1e-8)),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_one_step_of_training_is_the_update_made_by_hand(name):
    optimiser, update = OPTIMISERS[name]
    problem = CASE.problem()
    # Optax's Adam raises its decay to an integer count, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        trained = train(problem, optimiser, Schedule(1, EXACT))
    pc = jax.jit(pc_gradient)(problem, equilibrate(problem, EXACT))
    bp = jax.jit(bp_gradient)(problem)
    for network, gradient in ((trained.pc, pc), (trained.bp, bp)):
        for layer, expected in zip(dense_layers(network), by_hand(problem.network, gradient, update), strict=True):
            np.testing.assert_allclose(layer.weight[...], expected, rtol=1e-9, atol=1e-12)


def squared_norms(pc_problem, equilibrium, bp_problem):
    return {"top": jnp.sum(equilibrium.activities[-1] ** 2), "gap": loss(pc_problem) - loss(bp_problem)}


#: One schedule for most tests, so that it is compiled once.
THREE = Schedule(3, EXACT, squared_norms)


def test_the_history_holds_what_was_measured_before_each_update():
    problem = CASE.problem()
    history = train(problem, GradientDescent(0.1), THREE).history
    equilibrium = equilibrate(problem, EXACT)
    np.testing.assert_allclose(history.energy[0], equilibrium.energy, rtol=1e-13)
    np.testing.assert_allclose([history.pc_loss[0], history.bp_loss[0]], [loss(problem)] * 2, rtol=1e-13)
    first = jax.jit(lambda p, e: compare(pc_gradient(p, e), bp_gradient(p)))(problem, equilibrium)
    for ours, theirs in zip(history.comparison.total, first.total, strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-9)


def test_every_entry_of_the_history_has_one_value_for_each_step():
    history = train(CASE.problem(), GradientDescent(0.1), THREE).history
    flat_entries = (history.energy, history.pc_loss, history.bp_loss, history.residual, history.converged)
    assert {entry.shape for entry in (*flat_entries, history.inference_steps, *history.comparison.total)} == {(3,)}
    assert {entry.shape for entry in history.comparison.layers} == {(3, L)}
    assert np.all(history.converged)


def test_three_steps_are_one_step_taken_three_times():
    problem = CASE.problem()
    together = train(problem, GradientDescent(0.1), THREE)
    pc = bp = problem
    for _ in range(3):
        pc = replace(pc, network=train(pc, GradientDescent(0.1), Schedule(1, EXACT)).pc)
        bp = replace(bp, network=train(bp, GradientDescent(0.1), Schedule(1, EXACT)).bp)
    assert relative_gap(together.pc, pc.network) < 1e-13 and relative_gap(together.bp, bp.network) < 1e-13


def test_a_training_goes_on_with_moments_and_schedule_where_it_ended():
    problem, optimiser = CASE.problem(), optax.adamw(optax.linear_schedule(0.1, 0.02, 3), weight_decay=0.1)
    with jax.numpy_dtype_promotion("standard"):
        together, one = train(problem, optimiser, Schedule(3, EXACT)), Schedule(1, EXACT)
        after = None
        for step in range(3):
            after = train(problem, optimiser, one, after)
            np.testing.assert_allclose(after.history.energy[0], together.history.energy[step], rtol=1e-8)
        assert relative_gap(together.pc, after.pc) < 1e-8 and relative_gap(together.bp, after.bp) < 1e-8
        with pytest.raises(ValueError, match="a network of other layers, sizes or parameterisation given"):
            train(replace(problem, network=CASE.mlp().init(jax.random.key(0), sp())), optimiser, one, after)


def test_each_training_keeps_its_own_moments():
    """Three steps of Adam on each rule's own gradients, with Optax alone."""
    problem, optimiser = CASE.problem(), Adam(0.1)
    with jax.numpy_dtype_promotion("standard"):
        together = train(problem, optimiser, Schedule(3, EXACT))
        transformation = optimiser.transformation(problem.network)
        rules = (lambda p: pc_gradient(p, EXACT(p)), together.pc), (bp_gradient, together.bp)
        for rule, trained in rules:
            gradient, update = jax.jit(rule), jax.jit(transformation.update)
            network, memory = problem.network, transformation.init(problem.network)
            for _ in range(3):
                updates, memory = update(gradient(replace(problem, network=network)), memory, network)
                network = optax.apply_updates(network, updates)
            assert relative_gap(trained, network) < 1e-12


def test_a_probe_is_measured_at_every_step():
    problem = CASE.problem()
    history = train(problem, GradientDescent(0.1), THREE).history
    top = np.sum(np.asarray(equilibrate(problem, EXACT).activities[-1]) ** 2)
    np.testing.assert_allclose(history.probe["top"][0], top, rtol=1e-13)
    np.testing.assert_allclose(history.probe["gap"], history.pc_loss - history.bp_loss, atol=1e-15)


def test_training_lowers_what_it_descends_and_leaves_the_start_as_it_was():
    problem = CASE.problem()
    before = flat(problem.network).copy()
    history = train(problem, GradientDescent(0.1), THREE).history
    assert np.all(np.diff(history.energy) < 0) and np.all(np.diff(history.bp_loss) < 0)
    np.testing.assert_array_equal(flat(problem.network), before)


def test_the_free_exponent_b_moves_scale_between_weights_and_multipliers_and_changes_nothing_else():
    def trajectory(shift):
        # a -> a - shift / 2, b -> b + shift, c -> c + shift keeps a W and the update of a W.
        a = 0.5 - shift / 2
        shifted = Exponents(-shift / 2, a, a, shift, shift, shift, shift - 1)
        problem = Case(abcd(shifted, 0.5), skips=False).problem()
        return train(problem, GradientDescent(0.1), Schedule(3, EXACT)).history

    shifted, plain = trajectory(1.0), trajectory(0.0)
    for name in ("energy", "pc_loss", "bp_loss"):
        np.testing.assert_allclose(getattr(shifted, name), getattr(plain, name), rtol=1e-6)


def test_the_traced_training_step_grows_neither_with_depth_nor_with_the_number_of_steps():
    def size(depth, steps):
        schedule = Schedule(steps, SweepsThenNewton())
        problem = Case(depth=depth, activation=jnp.tanh).problem()
        return equation_count(lambda p: train(p, GradientDescent(0.1), schedule), problem)

    assert size(4, 2) == size(9, 50)


@pytest.mark.parametrize("steps", [0, -3])
def test_a_training_without_steps_is_refused(steps):
    with pytest.raises(ValueError, match=f"steps = {steps} given; training needs at least 1: choose steps >= 1"):
        Schedule(steps, EXACT)


def test_training_on_inputs_of_another_network_is_refused_before_it_starts():
    problem = CASE.problem()
    with pytest.raises(ValueError, match=re.escape("inputs of shape (4, 6) given; this network reads [batch, 7]")):
        train(replace(problem, x=problem.x[:, :6]), GradientDescent(0.1), Schedule(1, EXACT))


def test_an_unconverged_inference_is_on_record():
    problem = Case(activation=jnp.tanh, output_precision=50.0).problem()
    history = train(problem, GradientDescent(1e-3), Schedule(2, Sweeps(1e-10, max_steps=2))).history
    assert not np.any(history.converged) and np.all(history.residual > 1e-10) and np.all(history.inference_steps == 2)
    assert history.probe is None


def test_minibatch_training_is_training_on_each_batch_in_turn():
    problem = CASE.problem()
    batches = jnp.array([[0, 2], [3, 1], [2, 2]])
    together = train_batches(problem, batches, GradientDescent(0.1), Schedule(3, EXACT))
    pc = bp = problem.network
    for step, chosen in enumerate(batches):
        batch = replace(problem, x=problem.x[chosen], y=problem.y[chosen])
        one = Schedule(1, EXACT)
        trained = [train(replace(batch, network=network), GradientDescent(0.1), one) for network in (pc, bp)]
        pc, bp = trained[0].pc, trained[1].bp
        np.testing.assert_allclose(together.history.energy[step], trained[0].history.energy[0], rtol=1e-10)
        np.testing.assert_allclose(together.history.bp_loss[step], trained[1].history.bp_loss[0], rtol=1e-10)
    assert relative_gap(together.pc, pc) < 1e-12 and relative_gap(together.bp, bp) < 1e-12


def test_an_epoch_holds_every_sample_once_and_epochs_differ():
    batches = np.asarray(shuffled_batches(jax.random.key(0), samples=7, batch=3, steps=5))
    assert batches.shape == (5, 3)
    first, second = batches[:2].ravel(), batches[2:4].ravel()
    assert len(set(first)) == len(set(second)) == 6 and set(first) | set(second) <= set(range(7))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("batches", "steps", "message"),
    [
        ([[0, 1]], 2, "1 batches and 2 steps given"),
        ([[0, 4]], 1, "batches of samples 0 to 4 given; there are 4"),
        ([[2, 5]], 1, "batches of samples 2 to 5 given; there are 4"),
        ([[-1, 3]], 1, "batches of samples -1 to 3 given; there are 4"),
    ],
)
def test_batches_that_do_not_fit_are_refused(batches, steps, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        train_batches(CASE.problem(), jnp.array(batches), GradientDescent(0.1), Schedule(steps, EXACT))


@pytest.mark.parametrize("batch", [0, 8])
def test_a_batch_that_is_empty_or_larger_than_the_samples_is_refused(batch):
    with pytest.raises(ValueError, match=f"batch = {batch} of 7 samples given; choose 1 <= batch <= 7"):
        shuffled_batches(jax.random.key(0), samples=7, batch=batch, steps=1)


def test_right_answers_are_counted_one_by_one_and_a_network_that_is_not_a_number_has_none():
    problem = CASE.problem()
    outputs = np.asarray(feedforward(problem.network, problem.x).output)
    y = np.roll(np.eye(outputs.shape[1])[outputs.argmax(axis=1)], 1, axis=1)
    y[0] = np.roll(y[0], -1)
    assert float(accuracy(problem.network, problem.x, jnp.asarray(y))) == pytest.approx(1 / len(y))
    assert float(accuracy(jax.tree.map(lambda w: w * jnp.nan, problem.network), problem.x, jnp.asarray(y))) == 0
