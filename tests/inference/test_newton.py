"""Newton's method in the errors: right where the answer is known, and where sweeps do not contract."""

import numpy as np

from pcn_lib.inference import NewtonCG, equilibrate
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
