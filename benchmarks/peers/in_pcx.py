"""``python in_pcx.py problem.npz answers.npz``: the numbers of pcx, https://github.com/liukidar/pcx."""

import sys
from importlib.metadata import version

import jax
import numpy as np
import optax
import pcx
import pcx.functional as pxf
import pcx.nn as pxnn
import pcx.predictive_coding as pxc
import pcx.utils as pxu

jax.config.update("jax_enable_x64", True)


class Model(pxc.EnergyModule):
    """A residual network under muPC: multipliers and skips are written where the layers are called."""

    def __init__(self, weights, multipliers, output_precision: float):
        super().__init__()
        self.multipliers = pcx.static(multipliers)
        self.layers = [pxnn.Linear(W.shape[1], W.shape[0], bias=False) for W in weights]
        for layer, W in zip(self.layers, weights, strict=True):
            layer.nn.weight.set(W)
        self.vodes = [pxc.Vode() for _ in weights[1:]]
        self.vodes += [pxc.Vode(lambda vode, rkg: output_precision * pxc.se_energy(vode))]
        self.vodes[-1].h.frozen = True

    def __call__(self, x, y):
        a, last = self.multipliers.get(), len(self.layers) - 1
        z = self.vodes[0](a[0] * self.layers[0](x))
        for layer in range(1, last):
            z = self.vodes[layer](z + a[layer] * self.layers[layer](jax.numpy.tanh(z)))
        self.vodes[-1](a[-1] * self.layers[-1](jax.numpy.tanh(z)))
        if y is not None:
            self.vodes[-1].set("h", y)
        return self.vodes[-1].get("u")


each_sample = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))


@pxf.vmap(each_sample, in_axes=(0, 0), out_axes=0)
def forward(x, y, *, model):
    return model(x, y)


@pxf.vmap(each_sample, in_axes=(0,), out_axes=(None, 0), axis_name="batch")
def energy(x, *, model):
    output = model(x, None)
    return jax.lax.psum(model.energy().sum(), "batch"), output


def predictive_coding(weights, given) -> dict[str, np.ndarray]:
    """Inference by gradient descent on the activities, and the gradient of the weights there."""
    x, y, batch = jax.numpy.asarray(given["x"]), jax.numpy.asarray(given["y"]), len(given["x"])
    model = Model(weights, given["multipliers"].tolist(), float(given["output_precision"]))
    with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
        output = forward(x, y, model=model)
    activities = pxu.M_hasnot(pxc.VodeParam, frozen=True)
    optimiser = pxu.Optim(lambda: optax.sgd(float(given["rate"])))
    optimiser.init(activities(model))
    inference = pxf.jit()(pxf.value_and_grad(activities.to([False, True]), has_aux=True)(energy))
    for _ in range(int(given["steps"])):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            _, slope = inference(x, model=model)
        optimiser.step(model, slope["model"])
    with pxu.step(model, clear_params=pxc.VodeParam.Cache):
        learning = pxf.value_and_grad(pxu.M(pxnn.LayerParam).to([False, True]), has_aux=True)(energy)
        (value, _), gradient = learning(x, model=model)
    layers = gradient["model"].layers
    # pcx adds energies up over the batch.
    return dict(
        loss=jax.numpy.mean(jax.numpy.sum((y - output) ** 2, axis=1)) / 2,
        energy=value / batch,
        **{f"gradient_{layer}": part.nn.weight.get() / batch for layer, part in enumerate(layers)},
    )


if __name__ == "__main__":
    asked, answers = sys.argv[1:]
    given = dict(np.load(asked))
    weights = [jax.numpy.asarray(given[f"weight_{layer}"]) for layer in range(int(given["depth"]))]
    versions = ", ".join(f"{name} {version(name)}" for name in ("pcx", "jax", "equinox"))
    np.savez(answers, versions=versions, **predictive_coding(weights, given))
