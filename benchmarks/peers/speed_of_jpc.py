"""``python speed_of_jpc.py given.npz answers.npz``: seconds and MB of jpc, https://github.com/thebuckleylab/jpc.

Its functions are used as in the authors' script: one compiled call for every step on activities or weights.
"""

import re
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import equinox as eqx
import jax
import jpc
import numpy as np
import optax
from in_jpc import network

SHARED = dict(param_type="mupc", gamma=1.0)


def backpropagation(optimiser, loss):
    """One compiled update of a network's weights by the gradient of its loss, and the gradient."""

    @eqx.filter_jit
    def step(params, memory, x, y):
        def of(model):
            return loss(jpc.init_activities_with_ffwd(model, x, skip_model=params[1], **SHARED)[-1], y)

        gradient = eqx.filter_grad(of)(params[0])
        updates, memory = optimiser.update((gradient, None), memory, params)
        return eqx.apply_updates(params, updates), memory, gradient

    return step


def cosine(one, other) -> float:
    """Of two gradients, all layers together."""
    a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)]) for gradient in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def linear_training(given) -> dict:
    """Networks one after another, each trained at its equilibrated energy beside BP; losses after the last step."""
    x, y, losses, start = given["x"], given["y"], [], time.perf_counter()
    for number, depth in enumerate(given["depths"]):
        params = other = network([given[f"{number}_{layer}"] for layer in range(depth)], "linear")
        optimiser = optax.sgd(float(given["rate"]) * len(params[0][0][1].weight))
        memory = memory_of_other = optimiser.init(eqx.filter(params, eqx.is_array))
        step, cosines = backpropagation(optimiser, jpc.mse_loss), []
        for _ in range(int(given["steps"])):
            jpc.linear_equilib_energy(params, x, y, return_rescaling=True, **SHARED)
            made = jpc.update_linear_equilib_energy_params(params, optimiser, memory, x, y, **SHARED)
            params, memory = (made["model"], made["skip_model"]), made["opt_state"]
            other, memory_of_other, gradient = step(other, memory_of_other, x, y)
            cosines.append(cosine(made["grads"][0], gradient))
        for trained in (params, other):
            output = jpc.init_activities_with_ffwd(trained[0], x, skip_model=trained[1], **SHARED)[-1]
            losses.append(float(jpc.mse_loss(output, y)))
    return dict(seconds=time.perf_counter() - start, losses=losses)


def training_step(given) -> dict:
    """One update of PC's weights after so many steps on the activities, and one of BP's: seconds for each count."""
    x, y = given["x"], given["y"]
    params = network([given[f"0_{layer}"] for layer in range(int(given["depths"][0]))], "tanh")
    descent, optimiser = optax.sgd(0.3 * len(x)), optax.adam(1e-5)
    memory = optimiser.init(eqx.filter(params, eqx.is_array))
    step = backpropagation(optimiser, jpc.cross_entropy_loss)
    shared = dict(input=x, loss_id="ce", **SHARED)

    def after(count: int) -> float:
        start = time.perf_counter()
        activities = jpc.init_activities_with_ffwd(params[0], x, skip_model=params[1], **SHARED)
        state = descent.init(activities)
        for _ in range(count):
            made = jpc.update_pc_activities(params, activities, descent, state, y, **shared)
            activities, state = made["activities"], made["opt_state"]
        made = jpc.update_pc_params(params, activities, optimiser, memory, y, **shared)
        cosine(made["grads"][0], step(params, memory, x, y)[-1])
        return time.perf_counter() - start

    after(1)
    rounds = range(int(given["rounds"]))
    return dict(seconds=[statistics.median(after(int(count)) for _ in rounds) for count in given["counts"]])


if __name__ == "__main__":
    asked, answers = sys.argv[1:]
    given = dict(np.load(asked))
    jax.config.update("jax_enable_x64", given["x"].dtype == np.float64)
    measured = {"linear training": linear_training, "training step": training_step}[str(given["task"])](given)
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    versions = ", ".join(f"{name} {version(name)}" for name in ("jpc", "jax", "equinox"))
    np.savez(answers, versions=versions, peak=peak, **measured)
