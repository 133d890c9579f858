"""Newton's method in the errors: right where the answer is known, and where sweeps do not contract."""

import jax.numpy as jnp
import numpy as np

from pcn_lib.energy import cross_entropy, loss
from pcn_lib.inference import NewtonCG, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import relative_gap


def test_newton_finds_the_exact_equilibrium_of_a_linear_network():
    problem = Case(output_precision=30.0).problem()
    found, exact = equilibrate(problem, NewtonCG(1e-12)).require(), equilibrate(problem, LinearExact())
    assert relative_gap(found.activities, exact.activities) < 1e-10
    np.testing.assert_allclose(found.energies, exact.energies, rtol=1e-12)


def test_conjugate_gradients_see_no_more_than_the_outputs_and_need_few_newton_steps():
    # The Hessian of a linear network is I + lambda P^T P: K + 1 eigenvalues, one Newton step solves it.
    answer = equilibrate(Case(outputs=1, output_precision=30.0).problem(), NewtonCG(1e-6))
    assert np.all(answer.steps <= 3)


def test_the_default_falls_through_to_newton_where_sweeps_diverge():
    # A readout so strong that the feedforward pass is far from the equilibrium.
    problem = Case(mupc_skips(0.1), jnp.tanh, cross_entropy, depth=8).problem()
    assert not equilibrate(problem, Sweeps(1e-6)).converged
    answer = equilibrate(problem, SweepsThenNewton(1e-10)).require()
    assert np.all(answer.residual <= 1e-10) and answer.energy < loss(problem)
