"""Predictive coding that stays different: the chapter's limit, parts and trainings against independent computations."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, closed_form_gradient, similarity
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.study import SettingsError
from pcn_lib.training import GradientDescent, Schedule, train
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("beyond_backpropagation", profile="smoke", depth=3, steps=3, gamma_0=0.5)


def drawn(seed: int = 0) -> Problem:
    """One network, and data of the seed."""
    draw = np.random.default_rng(seed)
    network = MLP(4, 12, 3, skips=True).init(jax.random.key(7), mupc_skips(0.5), float)
    return Problem(network, jnp.asarray(draw.standard_normal((6, 4))), jnp.asarray(3 * draw.standard_normal((6, 1))))


def free_probability(depth: int, q: float, mu: float, gamma_0: float) -> float:
    """1 - cos by another road: spectral moments of B_{l+1} = I + V_l B_l V_l^T, V and B asymptotically free."""
    g, growth = 1 / depth, 1 + 1 / depth
    first, second, hidden = 1.0, 1.0, 0.0
    for layer in range(2, depth):
        hidden += g * growth ** (2 * depth - 2 * layer - 1) * second
        first, second = 1 + growth * first, 1 + 2 * growth * first + growth**2 * second + (2 * g + g**2) * first**2
    kernel = 2 * growth ** (depth - 2) + (depth - 2) * g * growth ** (depth - 3)
    lambda_m = mu * (growth ** (depth - 1) - 1)
    tan = gamma_0 * mu / (depth * (1 + lambda_m)) * np.sqrt((second + hidden) / (kernel * q))
    return 1 - 1 / np.sqrt(1 + tan**2)


@pytest.mark.parametrize("depth", [3, 8, 20])
@pytest.mark.parametrize("mu, gamma_0", [(0.1, 1.0), (1.0, 1.0), (5.0, 0.5)])
def test_the_limiting_angle_is_that_of_free_random_matrices(depth, mu, gamma_0):
    limiting = defined("beyond_backpropagation", profile="smoke", depth=depth, gamma_0=gamma_0)["limiting"]
    assert limiting(0.05, mu) == pytest.approx(free_probability(depth, 0.05, mu, gamma_0), rel=1e-10)


def test_deep_networks_tend_to_the_constants_of_the_theorem(names):
    assert names["kappa"](10_000) == pytest.approx(np.e - 1, rel=1e-3)
    assert names["T"](2000, 0.05) == pytest.approx(np.sqrt(np.e / (3 * 0.05)), rel=1e-2)


def test_the_two_parts_are_the_derivative_of_the_equilibrated_energy(names):
    """And the second one's direction knows no data: divided by the loss it is the same for any."""
    parts, derivative, seconds = jax.jit(names["parts"]), jax.jit(closed_form_gradient), []
    for problem in (drawn(0), drawn(1)):
        first, second = parts(problem, 5.0)
        whole = derivative(replace(problem, output_precision=5.0))
        rest = jax.tree.map(lambda a, b: a / 5.0 - b, whole, first)
        assert float(similarity(first, bp_gradient(problem)).one_minus_cosine) < 1e-14
        assert float(similarity(second, rest).relative_error) < 1e-8
        seconds.append(jax.tree.map(lambda g, of=problem: g / loss(of), rest))
    assert float(similarity(*seconds).relative_error) < 1e-8


def test_the_angle_and_the_metric_before_training_are_those_of_an_equilibrium(names):
    precisions = jnp.array([1.0, 4.0])
    angles, metrics = names["at_start"](drawn(), precisions)
    for precision, angle, metric in zip((1.0, 4.0), angles, metrics, strict=True):
        _, seen = jax.jit(names["predictive_coding"])(replace(drawn(), output_precision=precision))
        assert float(angle) == pytest.approx(float(seen["one_minus_cosine"]), rel=1e-9)
        assert float(metric) == pytest.approx(float(seen["metric"]), rel=1e-12)


def test_trainings_are_the_librarys_and_predictive_codings_rate_is_divided_by_lambda(names):
    names |= {"task": toy_task(0)}
    rate, schedule, problem = names["sizes"].rate, Schedule(2, LinearExact()), names["toy_problem"](48, 1)
    growing, fixed = (names["by_pc"](names[at], 48, 1) for at in ("precision", "fixed"))
    precise = train(replace(problem, output_precision=4.0), GradientDescent(rate / 4), schedule)  # 0.5^2 * 48 / 3
    plain = train(problem, GradientDescent(rate), schedule)
    expected = precise.history.pc_loss, plain.history.pc_loss, plain.history.bp_loss
    for found, losses in zip((growing, fixed, names["by_bp"](rate, 48, 1)), expected, strict=True):
        np.testing.assert_allclose(found["loss"][1][:2], losses, rtol=1e-10)
    assert float(growing["metric"][1][0] / fixed["metric"][1][0]) == pytest.approx(4.0, rel=1e-12)
    before, after = (feedforward(one, problem.x).activities[-1][:, -1] for one in (problem.network, precise.pc))
    assert float(growing["moved"][1][2]) == pytest.approx(float(jnp.sqrt(jnp.mean((after - before) ** 2))), rel=1e-9)


def test_a_network_without_hidden_to_hidden_layers_is_refused():
    with pytest.raises(SettingsError, match="depth"):
        defined("beyond_backpropagation", profile="smoke", depth=2)
