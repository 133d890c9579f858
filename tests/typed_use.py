"""The public API as a reader uses it, for the type checker alone: `make check` runs mypy over this file."""

from typing import assert_type

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from pcn_lib.data import Dataset, Selection, images
from pcn_lib.energy import Problem, cross_entropy, energy, loss, prediction_errors
from pcn_lib.gradients import GradientComparison, bp_gradient, compare, pc_gradient
from pcn_lib.inference import ActivityDescent, Equilibrium, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.layers import Layer, Wrapped, draw_wrapped
from pcn_lib.network import MLP, Network, Stack, feedforward
from pcn_lib.parameterisation import Parameterisation, Role, Scales, mupc_skips
from pcn_lib.rescaling import LinearExact, equilibrated_energy, sample_rescalings
from pcn_lib.study import Claim, Picture, axes_grid, caption, close
from pcn_lib.training import Adam, GradientDescent, Schedule, Training, train


class Doubling(Layer):
    """A layer of one's own."""

    def __call__(self, h: Array) -> Array:
        return 2 * h

    @property
    def linear(self) -> bool:
        return True


def networks(key: Array) -> Network:
    table: Parameterisation = mupc_skips(gamma_0=0.5)
    scales = assert_type(table.scales(Role.HIDDEN, fan_in=8, width=8, depth=4), Scales)
    module = nnx.Linear(8, 8, rngs=nnx.Rngs(0))
    wrapped = assert_type(draw_wrapped(key, module, table, Role.HIDDEN, (8, 4), skip=True), Wrapped)
    blocks: tuple[Layer, ...] = (Wrapped(jnp.tanh, scales), Stack(wrapped), Doubling())
    _ = Network(blocks, wrapped, (8,))
    return assert_type(MLP(4, 8, 4, activation=jnp.tanh, skips=True).init(key, table), Network)


def equilibria(network: Network, x: Array, y: Array) -> Equilibrium:
    problem = Problem(network, x, y, cross_entropy, output_precision=2.0)
    assert_type(loss(problem), Array)
    activities = feedforward(network, x).activities
    assert_type(energy(problem, activities), Array)
    assert_type(prediction_errors(problem, activities), tuple[Array, ...])
    for solver in (Sweeps(accelerate=True), SweepsThenNewton(), LinearExact(), ActivityDescent(optax.sgd(0.3), 10)):
        equilibrate(problem, solver)
    assert_type(equilibrated_energy(problem), Array)
    assert_type(sample_rescalings(problem), Array)
    return assert_type(equilibrate(problem).require(), Equilibrium)


def gradients(problem: Problem) -> Training:
    comparison = compare(pc_gradient(problem, equilibrate(problem)), bp_gradient(problem))
    assert_type(comparison, GradientComparison)
    assert_type(comparison.total.cosine, Array)
    train(problem, Adam(1e-3), Schedule(3, Sweeps()))
    train(problem, optax.adamw(1e-3, weight_decay=0.1), Schedule(3, Sweeps()))
    return assert_type(train(problem, GradientDescent(0.1), Schedule(3, SweepsThenNewton())), Training)


def results() -> Claim:
    data = assert_type(images("mnist", Selection(samples=4), default="digits"), Dataset)
    figure, _ = axes_grid(1, 2)
    words = caption("It falls", data=data.note, sizes="N = 8", device="CPU")
    assert_type(Picture(figure, words, "A line falls.").data, str)
    return close("rate", "It falls.", predicted=-2, measured=-1.9, tolerance=0.2, because="scatter")


if __name__ == "__main__":
    gradients(Problem(networks(jax.random.key(0)), jnp.ones((3, 4)), jnp.ones((3, 1))))
