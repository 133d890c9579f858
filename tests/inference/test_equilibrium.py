"""The answer to inference: what its certificate says, and what is refused before or after."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.inference import Criterion, NotAtEquilibrium, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.layers import Dense
from pcn_lib.network import Network
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Scales
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import relative_gap

SOLVER = SweepsThenNewton(1e-10)
SOLVERS = [SOLVER, LinearExact(), Sweeps(1e-12)]


def one_unit_problem(w_1: float, w_2: float, x: float, y: float, precision: float) -> Problem:
    """h = w_1 x, f = w_2 h: one number everywhere."""

    def layer(w):
        return Dense(jnp.array([[w]]), Scales(1.0, 1.0, 1.0, 1.0), activation=identity)

    network = Network((layer(w_1),), layer(w_2), (1,))
    return Problem(network, jnp.array([[x]]), jnp.array([[y]]), output_precision=precision)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_a_network_of_one_unit_is_where_the_hand_calculation_puts_it(solver):
    # F(z) = (z - h)^2 / 2 + lambda (y - w_2 z)^2 / 2 with h = 1.5 * 2 = 3, w_2 = 0.5, y = 5.5, lambda = 2.
    # dF/dz = (z - 3) - 2 * 0.5 (5.5 - 0.5 z) = 0   =>   1.5 z = 8.5   =>   z* = 17/3, e* = 8/3.
    # r = 5.5 - 1.5 = 4, S = 1/2 + 1/4 = 3/4, F* = r^2 / (2 S) = 32/3.
    equilibrium = equilibrate(one_unit_problem(1.5, 0.5, 2.0, 5.5, 2.0), solver).require()
    np.testing.assert_allclose(equilibrium.activities[0], [[17 / 3]], rtol=1e-9)
    np.testing.assert_allclose(equilibrium.errors[0], [[8 / 3]], rtol=1e-9)
    np.testing.assert_allclose(equilibrium.energy, 32 / 3, rtol=1e-12)


def test_the_energy_of_an_equilibrium_is_the_mean_over_its_samples():
    equilibrium = equilibrate(Case().problem(), LinearExact())
    np.testing.assert_allclose(equilibrium.energy, np.mean(equilibrium.energies), rtol=1e-15)


def test_a_batch_equals_its_samples_one_by_one():
    problem = Case(activation=jnp.tanh).problem()
    whole = equilibrate(problem, SOLVER)
    for i in range(4):
        single = equilibrate(replace(problem, x=problem.x[i : i + 1], y=problem.y[i : i + 1]), SOLVER)
        assert relative_gap(single.activities, jax.tree.map(lambda z, i=i: z[i : i + 1], whole.activities)) < 1e-12
        assert single.criterion[0] == whole.criterion[i]


def test_a_sample_that_is_fitted_exactly_is_at_equilibrium_without_a_step():
    problem = one_unit_problem(1.5, 0.5, 2.0, 1.5, 1.0)
    equilibrium = equilibrate(problem, SOLVER).require()
    assert equilibrium.energy == equilibrium.residual[0] == equilibrium.steps[0] == 0


def test_an_unreached_tolerance_is_said_and_cannot_pass_for_an_equilibrium():
    problem = Case(activation=jnp.tanh).problem()
    # All but the first sample, which is fitted exactly.
    problem = replace(problem, x=problem.x.at[0].set(0.0), y=problem.y.at[0].set(0.0))
    answer = equilibrate(problem, Sweeps(1e-12, max_steps=1))
    assert not answer.converged and list(answer.criterion) == [Criterion.GRADIENT] + 3 * [Criterion.NONE]
    worst, steps = f"{max(answer.residual):.1e}", "after 1 steps.*; an equilibrium is n"
    assert worst != f"{sorted(answer.residual)[1]:.1e}"
    with pytest.raises(NotAtEquilibrium, match=f"inference left 3 of 4 samples .*norm {re.escape(worst)} {steps}"):
        answer.require()


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
@pytest.mark.parametrize("part", ["inputs x", "targets y", "weights"])
def test_nan_or_infinity_is_refused_by_the_name_of_where_it_is(part, bad):
    problem = Case(activation=jnp.tanh).problem()
    poisoned = {
        "inputs x": lambda: replace(problem, x=problem.x.at[1, 2].set(bad)),
        "targets y": lambda: replace(problem, y=problem.y.at[3, 0].set(bad)),
        "weights": lambda: replace(
            problem, network=jax.tree.map(lambda w: w.at[(0,) * w.ndim].set(bad), problem.network)
        ),
    }[part]()
    with pytest.raises(ValueError, match=f"NaN or infinity in the {part}; inference needs finite numbers"):
        equilibrate(poisoned, SOLVER)
