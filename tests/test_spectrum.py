"""Extreme eigenvalues of the activity Hessian, against matrices written out."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pcn_lib import spectrum
from pcn_lib.energy import cross_entropy, energy, squared_error
from pcn_lib.inference import equilibrate
from pcn_lib.network import zero_errors
from pcn_lib.numerics import identity
from pcn_lib.rescaling import rescaling
from pcn_lib.spectrum import Spectrum, SpectrumError, activity_spectrum, error_spectrum, sweep_contraction
from tests.cases import Case
from tests.oracles import by_layer, jacobian_products
from tests.test_network import random_like

NONLINEAR = Case(activation=jnp.tanh, loss=cross_entropy, width=20, batch=2, output_precision=1.7)
LINEAR = Case(activation=identity, loss=squared_error, width=20, batch=2, output_precision=1.7)


def ends_by_autodiff(problem, activities, i: int) -> np.ndarray:
    """All eigenvalues of sample i, from the dense Hessian of the batch energy."""
    one = replace(problem, x=problem.x[i : i + 1], y=problem.y[i : i + 1])
    flat, unravel = ravel_pytree(jax.tree.map(lambda z: z[i : i + 1], activities))
    return np.linalg.eigvalsh(np.asarray(jax.jit(jax.hessian(lambda z: energy(one, unravel(z))))(flat)))


@pytest.mark.parametrize("case", [NONLINEAR, replace(NONLINEAR, width=5)], ids=["lanczos", "written out"])
def test_the_ends_of_the_spectrum_are_those_of_the_dense_hessian(case):
    problem = case.problem()
    activities = equilibrate(problem).activities
    measured = activity_spectrum(problem, activities)
    for i in range(2):
        values = ends_by_autodiff(problem, activities, i)
        np.testing.assert_allclose(measured.smallest[i], values[0], rtol=1e-3)
        np.testing.assert_allclose(measured.largest[i], values[-1], rtol=1e-3)
        np.testing.assert_allclose(measured.condition[i], values[-1] / values[0], rtol=2e-3)


def test_in_the_errors_a_linear_network_has_the_identity_plus_its_rescaling():
    problem = LINEAR.problem()
    measured = error_spectrum(problem, equilibrate(problem).errors)
    S = np.asarray(rescaling(problem.network, LINEAR.output_precision))
    np.testing.assert_allclose(measured.smallest, [1, 1], rtol=1e-3)
    np.testing.assert_allclose(measured.largest, LINEAR.output_precision * np.linalg.eigvalsh(S)[-1], rtol=1e-3)


@pytest.mark.parametrize("case", [LINEAR, NONLINEAR], ids=["linear", "nonlinear"])
def test_the_contraction_of_a_sweep_is_the_end_of_the_spectrum_that_lies_farther_from_one(case):
    problem = case.problem()
    errors = equilibrate(problem).errors
    ends = error_spectrum(problem, errors)
    farther = np.where(ends.largest - 1 > 1 - ends.smallest, 1 - ends.largest, 1 - ends.smallest)
    measured = jax.jit(sweep_contraction, static_argnames="iterations")(problem, errors, iterations=60)
    np.testing.assert_allclose(measured, farther, rtol=1e-2)


def test_one_step_of_the_power_method_gives_the_quotient_of_the_errors_themselves():
    """e.(I - d2E/de2) e / e.e = -lambda |sum_l P_l e_l|^2 / |e|^2 in a linear network."""
    problem = LINEAR.problem()
    errors = random_like(zero_errors(problem.network, problem.x))
    e, P = np.concatenate(by_layer(errors), axis=1), np.concatenate(jacobian_products(problem.network), axis=1)
    expected = -LINEAR.output_precision * np.sum((e @ P.T) ** 2, axis=1) / np.sum(e**2, axis=1)
    np.testing.assert_allclose(sweep_contraction(problem, errors, iterations=1), expected, rtol=1e-12)


def test_activities_at_no_minimum_have_an_infinite_condition_number():
    found = Spectrum(smallest=np.array([0.5, 0.0, -1.0]), largest=np.array([2.0, 2.0, 2.0]))
    np.testing.assert_array_equal(found.condition, [4, np.inf, np.inf])


def test_eigenvalues_that_are_not_found_raise(monkeypatch):
    problem = NONLINEAR.problem()
    monkeypatch.setattr(spectrum, "VECTORS", 3)
    monkeypatch.setattr(spectrum, "RESTARTS", 1)
    with pytest.raises(SpectrumError, match="after 1 restarts; its eigenvalues are needed to 0.001: use float64"):
        activity_spectrum(problem, equilibrate(problem).activities)


def test_activities_of_another_network_are_refused():
    problem = NONLINEAR.problem()
    with pytest.raises(ValueError, match="take them from feedforward"):
        activity_spectrum(problem, (jnp.zeros((2, 3)),))
