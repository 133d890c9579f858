"""The network and the numbers of this library."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import pc_gradient
from pcn_lib.inference import equilibrate, gradient_descent
from pcn_lib.network import MLP, Network
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import equilibrated_energy, rescaling


@dataclass(frozen=True)
class Setting:
    """One residual network under muPC, one batch, and how inference is done.

    Attributes:
        inputs, width, depth, outputs, batch: D, N, L, K, B.
        gamma_0, output_precision: gamma_0 and lambda.
        rate, steps: of gradient descent on the activities of each sample.
        seed: of weights and batch.
    """

    inputs: int = 5
    width: int = 16
    depth: int = 4
    outputs: int = 3
    batch: int = 6
    gamma_0: float = 0.5
    output_precision: float = 2.0
    rate: float = 0.1
    steps: int = 50
    seed: int = 0


def network(setting: Setting, activation: Activation) -> Network:
    """The same weights whatever the activation function, N(0, 1) as muPC has them."""
    mlp = MLP(setting.inputs, setting.width, setting.depth, setting.outputs, activation, skips=True)
    like = mlp.init(jax.random.key(0), mupc_skips(setting.gamma_0), "float64")
    # NumPy draws the same numbers under every compiler and its options, to the last digit.
    rng = np.random.default_rng(setting.seed)
    return like.with_parameters([jnp.asarray(rng.normal(size=leaf.shape)) for leaf in jax.tree.leaves(like)])


def batch(setting: Setting) -> tuple[jax.Array, jax.Array]:
    """Normal inputs and targets."""
    rng = np.random.default_rng(setting.seed + 1)
    shapes = (setting.batch, setting.inputs), (setting.batch, setting.outputs)
    x, y = (jnp.asarray(rng.normal(size=shape)) for shape in shapes)
    return x, y


def layers(network: Network) -> list[Network]:
    """Its layers, or their gradients, one by one."""
    first, stack = network.blocks
    hidden = [jax.tree.map(lambda leaf, place=place: leaf[place], stack.layers) for place in range(stack.depth)]
    return [first, *hidden, network.readout]


def predictive_coding(setting: Setting) -> dict[str, jax.Array]:
    """Inference by gradient descent on the activities, and the gradient of the weights there."""
    x, y = batch(setting)
    problem = Problem(network(setting, jnp.tanh), x, y, output_precision=setting.output_precision)
    equilibrium = equilibrate(problem, gradient_descent(setting.rate, setting.steps))
    gradient = pc_gradient(problem, equilibrium)
    return dict(
        loss=loss(problem),
        energy=equilibrium.energy,
        **{f"gradient_{place}": layer.weight[...] for place, layer in enumerate(layers(gradient))},
    )


def closed_form(setting: Setting) -> dict[str, jax.Array]:
    """The equilibrated energy of the linear network with these weights, and its rescaling S."""
    x, y = batch(setting)
    problem = Problem(network(setting, identity), x, y, output_precision=setting.output_precision)
    S = rescaling(problem.network, problem.output_precision)
    return dict(equilibrated_energy=equilibrated_energy(problem), rescaling=S)


def asked(setting: Setting) -> dict[str, np.ndarray]:
    """What a script of another library is given: network, batch and how inference is done."""
    (x, y), parts = batch(setting), layers(network(setting, jnp.tanh))
    weights = {f"weight_{place}": layer.weight[...] for place, layer in enumerate(parts)}
    numbers = {name: getattr(setting, name) for name in ("depth", "gamma_0", "output_precision", "rate", "steps")}
    return dict(x=x, y=y, multipliers=[layer.scales.multiplier for layer in parts], **weights, **numbers)
