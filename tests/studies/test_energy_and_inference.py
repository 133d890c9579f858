"""The energy and the inference that the chapter writes out, and what its theorems need: three derivatives, a branch."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from pcn_lib.energy import Problem, energy
from pcn_lib.layers import Dense
from pcn_lib.network import MLP, Network
from pcn_lib.parameterisation import Scales, sp
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("energy_and_inference", profile="smoke")


def test_energies_and_one_step_of_inference_are_those_of_explicit_matrices(names):
    x, y = jax.random.normal(jax.random.key(0), (2, 3)), jnp.array([[1.0], [-1.0]])
    problem = Problem(MLP(3, 4, 4, activation=jnp.tanh).init(jax.random.key(1), sp(), float), x, y)
    first, stack, last = (np.asarray(w) for w in jax.tree.leaves(problem.network))
    h = [np.asarray(x) @ first.T]
    for weight in stack:
        h.append(np.tanh(h[-1]) @ weight.T)
    residual = np.asarray(y) - np.tanh(h[-1]) @ last.T
    # One step moves the top layer alone, along tanh' W_L^T r.
    step = 0.1 * (1 - np.tanh(h[-1]) ** 2) * (residual @ last)
    z = names["infer"](problem, 0.1, 1)
    np.testing.assert_allclose(names["by_layer"](z)[:, -1], h[-1] + step, rtol=1e-10)
    moved = np.tanh(h[-1] + step) @ last.T
    expected = [0, 0, np.mean(np.sum(step**2, axis=1)) / 2, np.mean((np.asarray(y) - moved) ** 2) / 2]
    np.testing.assert_allclose(names["energies"](problem, z), expected, rtol=1e-10, atol=1e-20)
    assert names["F"](problem, z) == pytest.approx(float(energy(problem, z)), rel=1e-12)
    # The target travels one layer in each step.
    z = names["infer"](problem, 0.1, 2)
    np.testing.assert_array_equal(np.abs(names["by_layer"](z) - np.stack(h, 1)).max(axis=(0, 2)) > 1e-12, [0, 1, 1])


def one_unit(activation, *, first: float, second: float, y: float = 1.0) -> Problem:
    """f(x) = w_2 phi(w_1 x), x = 1: one free activity."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    column = partial(jnp.full, (1, 1))
    readout = Dense(column(second), plain, activation=activation)
    return Problem(Network((Dense(column(first), plain),), readout, (1,)), x=column(1.0), y=column(y))


@jax.jit
def energy_at(problem: Problem, z: Array) -> Array:
    return energy(problem, (jnp.reshape(z, (1, 1)),))


@pytest.mark.parametrize("power", [2.5, 3.0], ids=["two derivatives", "three derivatives"])
def test_a_cubic_remainder_needs_three_derivatives(power: float):
    """phi(z) = z + |z|^power, whose equilibrium lies at z = 0 with H = 2: F - F* - v^2 = O(|v|^power), no better."""
    problem = one_unit(lambda z: z + jnp.abs(z) ** power, first=-1.0, second=1.0)
    assert jax.grad(partial(energy_at, problem))(0.0) == 0
    v = np.array([1e-2, 1e-3, 1e-4])
    remainders = [abs(float(energy_at(problem, jnp.array(d)) - energy_at(problem, jnp.array(0.0))) - d**2) for d in v]
    assert np.polyfit(np.log(v), np.log(remainders), 1)[0] == pytest.approx(power, abs=0.02)


@jax.jit
def settled(problem: Problem, z: Array) -> Array:
    """The minimum that Newton's method finds from z."""
    slope = jax.grad(partial(energy_at, problem))
    return jax.lax.fori_loop(0, 20, lambda _, z: z - slope(z) / jax.grad(slope)(z), z)


@jax.jit
def partial_derivative(problem: Problem, z: Array) -> Array:
    """dF/dw_1 at fixed z."""
    gradient = jax.grad(lambda network: energy_at(replace(problem, network=network), z))(problem.network)
    return jax.tree.leaves(gradient)[0][0, 0]


def test_the_envelope_theorem_is_about_a_branch_and_the_least_of_two_has_a_kink():
    """phi(z) = z^2: at w_1 = 0 there are two minima, z = +-1/sqrt 2, of equal energy 3/8."""

    def branch(first: float, side: float) -> tuple[float, Problem, Array]:
        problem = one_unit(jnp.square, first=first, second=1.0)
        z = settled(problem, jnp.array(side * 0.7))
        return float(energy_at(problem, z)), problem, z

    step, partials = 1e-4, {}
    for side in (1.0, -1.0):
        value, problem, z = branch(0.0, side)
        assert value == pytest.approx(3 / 8, rel=1e-12)
        partials[side] = float(partial_derivative(problem, z))
        along = (branch(step, side)[0] - branch(-step, side)[0]) / (2 * step)
        assert partials[side] == pytest.approx(along, rel=1e-6)
    least = [min(branch(first, 1.0)[0], branch(first, -1.0)[0]) for first in (step, -step)]
    assert abs(least[0] - least[1]) / (2 * step) < 1e-6, "the least energy is symmetric in w_1"
    assert partials[1.0] == pytest.approx(-(0.5**0.5)) and partials[-1.0] == pytest.approx(0.5**0.5)
