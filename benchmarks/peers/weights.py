"""``python -m benchmarks.peers.weights table.csv``: weights of Equinox and PyTorch models in a network, and back."""

import csv
import sys
from collections.abc import Sequence
from importlib.metadata import version
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np

from pcn_lib.energy import Problem
from pcn_lib.inference import Sweeps
from pcn_lib.network import MLP, Network, feedforward
from pcn_lib.numerics import Activation, use_float64
from pcn_lib.parameterisation import Parameterisation, sp
from pcn_lib.training import GradientDescent, Schedule, train

#: W and b of every layer, W with axes [outputs, inputs], as Equinox and PyTorch have them.
Layers = Sequence[tuple[jax.Array, jax.Array]]


def network_of(layers: Layers, activation: Activation, parameterisation: Parameterisation) -> Network:
    """The network f_l(h) = W_l phi(h) + b_l; its multipliers are taken out of the weights given."""
    (width, inputs), outputs = layers[0][0].shape, len(layers[-1][0])
    mlp = MLP(inputs, width, len(layers), outputs, activation, bias=True)
    like = mlp.init(jax.random.key(0), parameterisation, layers[0][0].dtype)
    # The leaves of a layer are in the order of their names, bias before weight; hidden layers are stacked.
    first, *hidden, last = [(b, W) for W, b in layers]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *hidden) if hidden else ()
    given = like.with_parameters(jax.tree.leaves((first, stack, last)))
    return jax.tree.map(lambda weight, a: weight / a, given, like.rates(attrgetter("multiplier")))


def layers_of(network: Network) -> Layers:
    """a W and a b of every layer: multipliers belong to the weights that another library is given."""
    whole = jax.tree.map(lambda weight, a: a * weight, network, network.rates(attrgetter("multiplier")))
    first, *stacks = whole.blocks
    hidden = [(W, b) for stack in stacks for b, W in zip(*jax.tree.leaves(stack), strict=True)]
    ends = [jax.tree.leaves(layer)[::-1] for layer in (first, whole.readout)]
    return [tuple(ends[0]), *hidden, tuple(ends[1])]


def from_equinox(model) -> Layers:
    """Of an ``eqx.nn.MLP``."""
    return [(layer.weight, layer.bias) for layer in model.layers]


def to_equinox(model, layers: Layers):
    """The model with other weights."""
    import equinox as eqx

    def parts(model):
        return [part for layer in from_equinox(model) for part in layer]

    return eqx.tree_at(parts, model, [part for layer in layers for part in layer])


def from_torch(model) -> Layers:
    """Of a ``torch.nn.Sequential`` of linear layers with activations between them."""
    linear = [layer for layer in model if hasattr(layer, "weight")]
    return [tuple(jnp.asarray(part.detach().numpy()) for part in (layer.weight, layer.bias)) for layer in linear]


def to_torch(model, layers: Layers):
    """The same model, its weights overwritten."""
    import torch

    linear = [layer for layer in model if hasattr(layer, "weight")]
    with torch.no_grad():
        for layer, (W, b) in zip(linear, layers, strict=True):
            layer.weight.copy_(torch.from_numpy(np.array(W)))
            layer.bias.copy_(torch.from_numpy(np.array(b)))
    return model


def equinox_model():
    """A tanh network of Equinox's, and what it computes of a batch."""
    import equinox as eqx

    model = eqx.nn.MLP(5, 3, 16, depth=3, activation=jnp.tanh, key=jax.random.key(0))
    return model, lambda model, x: jax.vmap(model)(x)


def torch_model():
    """The same of PyTorch's."""
    import torch
    from torch.nn import Linear, Tanh

    torch.manual_seed(0)
    model = torch.nn.Sequential(Linear(5, 16), Tanh(), Linear(16, 16), Tanh(), Linear(16, 16), Tanh(), Linear(16, 3))
    return model.double(), lambda model, x: model(torch.from_numpy(np.array(x))).detach().numpy()


#: How a model is made and computed, taken out and put back, and the packages of its library.
LIBRARIES = {
    "Equinox": (equinox_model, from_equinox, to_equinox, "equinox"),
    "PyTorch": (torch_model, from_torch, to_torch, "torch"),
}


def there_and_back(name: str, parameterisation: Parameterisation) -> tuple[float, float]:
    """Largest difference of outputs: of the model and the network, and of both once the network has learnt."""
    make, out, back, _ = LIBRARIES[name]
    model, compute = make()
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.normal(size=(6, units))) for units in (5, 3))
    network = network_of(out(model), jnp.tanh, parameterisation)
    before = jnp.max(jnp.abs(feedforward(network, x).output - compute(model, x)))
    learnt = train(Problem(network, x, y), GradientDescent(0.01), Schedule(5, Sweeps(max_steps=20))).pc
    output = feedforward(learnt, x).output
    assert jnp.max(jnp.abs(output - feedforward(network, x).output)) > 1e-3, "nothing was learnt"
    return float(before), float(jnp.max(jnp.abs(output - compute(back(model, layers_of(learnt)), x))))


if __name__ == "__main__":
    use_float64()
    with open(sys.argv[1], "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["model of", "outputs differ by", "after learning here, and back, by", "with"])
        for name, (*_, package) in LIBRARIES.items():
            before, after = there_and_back(name, sp())
            versions = ", ".join(f"{part} {version(part)}" for part in (package, "jax", "flax"))
            table.writerow([name, f"{before:.0e}", f"{after:.0e}", versions])
