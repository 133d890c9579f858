"""``python in_jpc.py problem.npz answers.npz``: the numbers of jpc, https://github.com/thebuckleylab/jpc."""

import sys
from importlib.metadata import version

import equinox as eqx
import jax
import jpc
import numpy as np
import optax

jax.config.update("jax_enable_x64", True)


def network(weights, activation: str):
    """A residual network under muPC with the weights given; axes [outputs, inputs]."""
    depth, (width, inputs), outputs = len(weights), weights[0].shape, len(weights[-1])
    key = jax.random.PRNGKey(0)
    model = jpc.make_mlp(key, inputs, width, depth, outputs, activation, param_type="mupc")
    model = eqx.tree_at(lambda layers: [layer[1].weight for layer in layers], model, weights)
    return model, jpc.make_skip_model(depth)


def predictive_coding(weights, given) -> dict[str, np.ndarray]:
    """Inference by gradient descent on the activities, and the gradient of the weights there."""
    x, y = given["x"], given["y"]
    params = network(weights, "tanh")
    shared = dict(param_type="mupc", gamma=given["gamma_0"], output_energy_scaling=given["output_precision"])
    start = jpc.init_activities_with_ffwd(params[0], x, skip_model=params[1], param_type="mupc", gamma=given["gamma_0"])
    # jpc descends the mean over the batch, so that a sample's own rate is B times smaller.
    optimiser = optax.sgd(given["rate"] * len(x))
    activities, memory = start, optimiser.init(start)
    for _ in range(int(given["steps"])):
        step = jpc.update_pc_activities(params, activities, optimiser, memory, y, input=x, **shared)
        activities, memory = step["activities"], step["opt_state"]
    gradient, _ = jpc.compute_pc_param_grads(params, activities, y, x=x, **shared)
    return dict(
        loss=jpc.mse_loss(start[-1], y),
        energy=jpc.pc_energy_fn(params, activities, y, x=x, **shared),
        **{f"gradient_{layer}": part[1].weight for layer, part in enumerate(gradient)},
    )


def closed_form(weights, given) -> dict[str, np.ndarray]:
    """The equilibrated energy of the linear network with these weights, and its rescaling S."""
    shared = dict(param_type="mupc", gamma=given["gamma_0"], output_energy_scaling=given["output_precision"])
    energy, rescaling = jpc.linear_equilib_energy(
        network(weights, "linear"), given["x"], given["y"], return_rescaling=True, **shared
    )
    return dict(equilibrated_energy=energy, rescaling=rescaling)


if __name__ == "__main__":
    asked, answers = sys.argv[1:]
    given = dict(np.load(asked))
    weights = [jax.numpy.asarray(given[f"weight_{layer}"]) for layer in range(int(given["depth"]))]
    numbers = predictive_coding(weights, given) | closed_form(weights, given)
    versions = ", ".join(f"{name} {version(name)}" for name in ("jpc", "jax", "equinox"))
    np.savez(answers, versions=versions, **numbers)
