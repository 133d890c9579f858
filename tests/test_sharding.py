"""Sharded batches: the same numbers as one device, on eight simulated ones in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from pcn_lib.energy import Problem
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.sharding import _check_divisible, batch_mesh, shard_batch

ROOT = Path(__file__).parents[1]
EIGHT = {
    "XLA_FLAGS": "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
}

COMPARED = """
import jax, jax.numpy as jnp, numpy as np
from pcn_lib.energy import Problem, energy, loss
from pcn_lib.gradients import bp_gradient, closed_form_gradient, pc_gradient
from pcn_lib.inference import SweepsThenNewton, equilibrate
from pcn_lib.network import MLP
from pcn_lib.numerics import identity, tolerance, tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.sharding import batch_mesh, shard_batch

assert len(jax.devices()) == 8
rng = np.random.default_rng(0)
x, y = jnp.asarray(rng.normal(size=(16, 6))), jnp.asarray(rng.normal(size=(16, 2)))

def relative(a, b):
    return float(tree_norm(tree_subtract(jax.device_get(a), jax.device_get(b))) / tree_norm(jax.device_get(b)))

def spread(array):
    return {shard.data.shape[0] for shard in array.addressable_shards}, len(array.sharding.device_set)

def measured(problem, equilibrium):
    gradients = bp_gradient(problem), pc_gradient(problem, equilibrium)
    closed = (closed_form_gradient(problem),) if problem.network.linear else ()
    return loss(problem), energy(problem, equilibrium.activities), equilibrium.activities, *gradients, *closed

solvers = {jnp.tanh: SweepsThenNewton(tolerance("float64").solve), identity: LinearExact()}
for activation in ACTIVATIONS:
    solver = solvers[activation]
    mlp = MLP(inputs=6, width=12, depth=4, outputs=2, activation=activation, skips=True)
    one = Problem(mlp.init(jax.random.key(0), mupc_skips(), "float64"), x, y)
    many = shard_batch(one)
    assert spread(many.x) == ({2}, 8) == spread(many.y)
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(many.network))
    at_one, at_many = equilibrate(one, solver).require(), equilibrate(many, solver).require()
    # The answer stays where its samples are: inference really ran on all devices.
    assert spread(at_many.energies) == ({2}, 8)
    numbers = zip(jax.jit(measured)(many, at_many), jax.jit(measured)(one, at_one), strict=True)
    assert max(relative(a, b) for a, b in numbers) < tolerance("float64").exact
assert spread(shard_batch(one, batch_mesh(4)).x) == ({4}, 4)
print("equal")
"""


TRAINED = """
import jax, jax.numpy as jnp, numpy as np
from pcn_lib.energy import Problem
from pcn_lib.network import MLP
from pcn_lib.numerics import tolerance, tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.sharding import shard_batch
from pcn_lib.training import GradientDescent, Schedule, train

rng = np.random.default_rng(0)
network = MLP(inputs=6, width=8, depth=3, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
one = Problem(network, jnp.asarray(rng.normal(size=(16, 6))), jnp.asarray(rng.normal(size=(16, 1))))
trained = [train(problem, GradientDescent(0.1), Schedule(5, LinearExact())) for problem in (one, shard_batch(one))]
alone, shared = (jax.device_get((t.pc, t.bp, t.history.energy, t.history.bp_loss)) for t in trained)
assert float(tree_norm(tree_subtract(shared, alone)) / tree_norm(alone)) < tolerance("float64").exact
print("equal")
"""


def on_eight_devices(source: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-c", source]
    return subprocess.run(command, cwd=ROOT, env=os.environ | EIGHT, capture_output=True, text=True)


# The exact solver is as good a test as the iterative one, and compiles in half the time.
@pytest.mark.parametrize("activation", ["identity", pytest.param("jnp.tanh", marks=pytest.mark.slow)])
def test_loss_gradients_and_equilibria_of_a_sharded_batch_equal_those_of_one_device(activation: str):
    process = on_eight_devices(COMPARED.replace("ACTIVATIONS", f"({activation},)"))
    assert process.stdout == "equal\n", process.stderr


@pytest.mark.slow
def test_training_on_a_sharded_batch_equals_training_on_one_device():
    process = on_eight_devices(TRAINED)
    assert process.stdout == "equal\n", process.stderr


def problem(samples: int) -> Problem:
    network = MLP(inputs=3, width=4, depth=2).init(jax.random.key(0), mupc_skips())
    return Problem(network, jnp.ones((samples, 3), "float32"), jnp.ones((samples, 1), "float32"))


def test_one_line_serves_where_there_is_one_device_too():
    sharded = shard_batch(problem(3), batch_mesh(1))
    assert (sharded.x == problem(3).x).all() and sharded.x.sharding.device_set == {jax.devices()[0]}


@pytest.mark.parametrize(
    "samples, devices, sizes, fewer", [(20, 8, "16 or 24", 5), (5, 8, "8", 5), (7, 2, "6 or 8", 1)]
)
def test_a_batch_that_cannot_be_shared_equally_is_refused_with_what_to_do(samples, devices, sizes, fewer):
    with pytest.raises(ValueError, match=rf"take a batch of {sizes}, or fewer devices with mesh=batch_mesh\({fewer}\)"):
        _check_divisible(samples, devices)


@pytest.mark.parametrize("devices", [0, 4097])
def test_devices_that_are_not_there_are_refused_with_how_to_simulate_them(devices):
    with pytest.raises(ValueError, match="XLA_FLAGS=--xla_force_host_platform_device_count"):
        batch_mesh(devices)


def test_a_mesh_of_two_axes_is_refused():
    mesh = Mesh(np.array([[jax.devices()[0]]]), ("batch", "model"))
    with pytest.raises(ValueError, match="axes batch, model given"):
        shard_batch(problem(2), mesh)
