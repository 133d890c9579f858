"""Parameterisations trained as one network with other scales and rates move as each does by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, energy
from pcn_lib.equivalence import BASE, PerRole, equivalent, residual_over_batch, train_many
from pcn_lib.inference import ActivityDescent, equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import tree_norm
from pcn_lib.parameterisation import Parameterisation, mupc, ntp, sp
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import GradientDescent, Schedule, train

# Width 16: the scales of SP and of d = 1/2 are powers of 2, so that the draws, made in float32, agree to the last bit.
MLP_16, TABLE = MLP(4, 16, 3), (mupc(gamma_0=2.0), sp())


def problem(parameterisation: Parameterisation) -> Problem:
    task = toy_task(0, inputs=4, samples=4)
    network = MLP_16.init(jax.random.key(0), parameterisation, jnp.float64)
    return Problem(network, jnp.asarray(task.x), jnp.asarray(task.y))


def test_a_batch_has_the_residual_of_its_summed_energy():
    given = problem(mupc())
    early, late = (equilibrate(given, ActivityDescent(optax.sgd(0.1), steps)) for steps in (5, 10))
    # Samples of one batch keep step in a linear network: these do not.
    mixed = jax.tree.map(lambda a, b: jnp.concatenate([a[:1], b[1:]]), early, late)
    start, output = feedforward(given.network, given.x)
    now, before = (tree_norm(jax.grad(lambda z: energy(given, z))(z)) for z in (mixed.activities, start))
    assert 0.1 < now / before < 1
    assert residual_over_batch(mixed.residual, given.y - output) == pytest.approx(float(now / before), rel=1e-9)


@pytest.mark.parametrize("place", range(len(TABLE)), ids=[p.name for p in TABLE])
def test_the_loop_over_parameterisations_moves_a_network_as_training_it_does(place: int):
    moved = train_many(problem(BASE), equivalent(TABLE, MLP_16), 0.01, steps=2)
    own = problem(TABLE[place])
    trained = train(own, GradientDescent(0.01), Schedule(2, LinearExact()))
    before = feedforward(own.network, own.x)
    for movement, network in ((moved.pc, trained.pc), (moved.bp, trained.bp)):
        after = feedforward(network, own.x)
        output = np.sqrt(np.mean((after.output - before.output) ** 2))
        top, start = after.activities[-1][:, -1], before.activities[-1][:, -1]
        assert movement.output[place, -1] == pytest.approx(float(output), rel=1e-9)
        hidden = np.linalg.norm(top - start) / np.linalg.norm(start)
        assert movement.hidden[place, -1, -1] == pytest.approx(float(hidden), rel=1e-9)
    ratio = trained.history.energy / trained.history.pc_loss
    assert np.allclose(moved.energy_ratio[place], ratio, rtol=1e-9, atol=0)


def test_a_parameterisation_is_equivalent_to_itself_with_unit_scales():
    same = equivalent([ntp()], MLP(4, 8, 3))
    assert all(np.all(np.asarray(value) == 1) for value in jax.tree.leaves(same))


def test_each_role_gets_its_own_number():
    network = MLP(4, 8, 4).init(jax.random.key(0), BASE, jnp.float64)
    one, two, three = (jnp.array(float(k)) for k in (1, 2, 3))
    first, stack, readout = jax.tree.leaves(PerRole(one, two, three).like(network))
    assert (float(first), float(stack), float(readout)) == (1, 2, 3)
