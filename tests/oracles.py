"""Slow computations that nobody can doubt: loops over samples and layers, dense matrices, differences.

They read a network's weights and multipliers and share no other code with the library.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pcn_lib.energy import Problem, cross_entropy, energy
from pcn_lib.layers import AveragePool, Convolution, Dense, FlatDense, Layer, TransformerBlock
from pcn_lib.network import Network, Stack
from pcn_lib.numerics import identity

NUMPY_ACTIVATIONS = {identity: lambda h: h, jnp.tanh: np.tanh, jax.nn.relu: lambda h: np.maximum(h, 0)}


def dense_layers(network: Network) -> list[Layer]:
    """Layers 1..L one by one, stacks taken apart."""
    layers = []
    for block in network.blocks:
        if isinstance(block, Stack):
            layers += [jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], block.layers) for i in range(block.depth)]
        else:
            layers.append(block)
    return [*layers, network.readout]


def by_layer(activities) -> list[np.ndarray]:
    """Activities (or errors) of the hidden layers 1..L-1, each [batch, N]."""
    parts = []
    for kept in map(np.asarray, activities):
        parts += [kept] if kept.ndim == 2 else list(np.moveaxis(kept, 1, 0))
    return parts


def activities_by_layer(network: Network, activities) -> list[np.ndarray]:
    """Activities of the layers below the readout, one by one, whatever their shapes; each [batch, ...]."""
    parts = []
    for block, kept in zip(network.blocks, map(np.asarray, activities), strict=True):
        parts += list(np.moveaxis(kept, 1, 0)) if isinstance(block, Stack) else [kept]
    return parts


def layer_map(layer: Layer, h: np.ndarray) -> np.ndarray:
    """f_l(h) of one sample; a layer that is not the library's must bring its own ``by_loops``."""
    if isinstance(layer, AveragePool):
        return pool_by_loops(h, layer.window)
    if isinstance(layer, TransformerBlock):
        return transformer_block_by_loops(layer, h)
    if isinstance(layer, Convolution):
        branch = convolution_by_loops(np.asarray(layer.weight[...]), NUMPY_ACTIVATIONS[layer.activation](h))
    elif isinstance(layer, Dense):
        h = h.ravel() if isinstance(layer, FlatDense) else h
        branch = np.asarray(layer.weight[...]) @ NUMPY_ACTIVATIONS[layer.activation](h)
    else:
        return layer.by_loops(h)
    # tau h + a W phi(h)
    branch = layer.scales.multiplier * branch
    return h + branch if layer.skip else branch


def convolution_by_loops(weight: np.ndarray, h: np.ndarray) -> np.ndarray:
    """sum_ij W_ij h_{p+i, q+j} at every pixel, zeros beyond the edge."""
    kernel, (height, width, _) = weight.shape[0], h.shape
    out = np.zeros((height, width, weight.shape[-1]))
    for p, q, i, j in np.ndindex(height, width, kernel, kernel):
        below, beside = p + i - kernel // 2, q + j - kernel // 2
        if 0 <= below < height and 0 <= beside < width:
            out[p, q] += h[below, beside] @ weight[i, j]
    return out


def pool_by_loops(h: np.ndarray, window: int) -> np.ndarray:
    """The mean of every window that fits, from the first corner on."""
    out = np.zeros((h.shape[0] // window, h.shape[1] // window, h.shape[2]))
    for p, q in np.ndindex(out.shape[:2]):
        out[p, q] = h[p * window : (p + 1) * window, q * window : (q + 1) * window].mean(axis=(0, 1))
    return out


def transformer_block_by_loops(block: TransformerBlock, h: np.ndarray) -> np.ndarray:
    """h + attention(h), then + MLP, one position and one head at a time; no layer norm."""

    def dense(layer: Dense, v: np.ndarray) -> np.ndarray:
        return layer.scales.multiplier * np.asarray(layer.weight[...]) @ NUMPY_ACTIVATIONS[layer.activation](v)

    attention, width = block.attention, h.shape[1]
    q, k, v = np.stack([dense(attention.reading, row).reshape(3, width) for row in h], axis=1)
    size = width // attention.heads
    read = np.zeros_like(h)
    for t, head in np.ndindex(len(h), attention.heads):
        units = slice(head * size, (head + 1) * size)
        products = attention.scale * np.array([q[t, units] @ k[s, units] for s in range(t + 1)])
        weights = np.exp(products) / np.exp(products).sum()
        read[t, units] = sum(weight * v[s, units] for s, weight in enumerate(weights))
    h = np.stack([row + dense(attention.writing, r) for row, r in zip(h, read, strict=True)])
    return np.stack([row + dense(block.down, dense(block.up, row)) for row in h])


def sample_loss(problem: Problem, u: np.ndarray, y: np.ndarray) -> float:
    if problem.loss is cross_entropy:
        return float(-sum(y_k * (u_k - np.log(np.sum(np.exp(u)))) for u_k, y_k in zip(u, y, strict=True)))
    return float(sum((y_k - u_k) ** 2 for u_k, y_k in zip(u, y, strict=True)) / 2)


def sample_energy_by_loops(problem: Problem, activities, i: int) -> float:
    """Energy of sample i."""
    *hidden, readout = dense_layers(problem.network)
    below, total = np.asarray(problem.x[i]), 0.0
    for layer, z in zip(hidden, activities_by_layer(problem.network, activities), strict=True):
        total += np.sum((z[i] - layer_map(layer, below)) ** 2) / 2
        below = z[i]
    return total + problem.output_precision * sample_loss(problem, layer_map(readout, below), np.asarray(problem.y[i]))


def energy_by_loops(problem: Problem, activities) -> float:
    """(1/B) sum_i [ sum_l 1/2 ||z_l - f_l(z_{l-1})||^2 + lambda ell ]."""
    batch = problem.x.shape[0]
    return sum(sample_energy_by_loops(problem, activities, i) for i in range(batch)) / batch


def feedforward_by_loops(network: Network, x, errors=None) -> tuple[list[np.ndarray], np.ndarray]:
    """Activities of layers 1..L-1, each [batch, N], and outputs [batch, K]."""
    *hidden, readout = dense_layers(network)
    below, kept = [np.asarray(row) for row in x], []
    for number, layer in enumerate(hidden):
        added = by_layer(errors)[number] if errors is not None else np.zeros((len(below), 1))
        below = [layer_map(layer, h) + e for h, e in zip(below, added, strict=True)]
        kept.append(np.stack(below))
    return kept, np.stack([layer_map(readout, h) for h in below])


def dense_equilibrium(problem: Problem, zero_activities) -> np.ndarray:
    """All activities of a linear network, flat: z = - H^{-1} dF/dz(0) with the dense Hessian by autodiff."""
    flat, unravel = ravel_pytree(jax.tree.map(jnp.zeros_like, zero_activities))

    def flat_energy(z):
        return energy(problem, unravel(z))

    hessian, gradient = jax.jit(jax.hessian(flat_energy))(flat), jax.jit(jax.grad(flat_energy))(flat)
    return np.linalg.solve(np.asarray(hessian), -np.asarray(gradient))


def jacobian_products(network: Network) -> list[np.ndarray]:
    """P_1..P_{L-1} of a linear network, as products of full layer matrices tau I + a W."""
    *hidden, readout = dense_layers(network)
    above = readout.scales.multiplier * np.asarray(readout.weight[...])
    products = [above]
    for layer in reversed(hidden[1:]):
        matrix = layer.scales.multiplier * np.asarray(layer.weight[...])
        above = above @ (matrix + np.eye(len(matrix)) if layer.skip else matrix)
        products.append(above)
    return products[::-1]


def central_differences(function: Callable, tree, step: float = 1e-5) -> np.ndarray:
    """The gradient of a scalar function of a pytree, flat, entry by entry: (f(+h) - f(-h)) / 2h."""
    flat, unravel = ravel_pytree(tree)
    shifts = step * jnp.eye(flat.size, dtype=flat.dtype)
    values = jax.jit(lambda rows: jax.lax.map(lambda row: function(unravel(row)), rows))
    return np.asarray((values(flat[None] + shifts) - values(flat[None] - shifts)) / (2 * step))


def flat(tree) -> np.ndarray:
    return np.asarray(ravel_pytree(tree)[0])


def relative_gap(a, b) -> float:
    """||a - b|| / ||b|| over whole pytrees."""
    return float(np.linalg.norm(flat(a) - flat(b)) / np.linalg.norm(flat(b)))


_activity_gradient = jax.jit(jax.grad(energy, argnums=1))


def activity_gradient_norms(problem: Problem, activities) -> np.ndarray:
    """||dF/dz|| of every sample's own energy, differentiated in the activities themselves."""
    gradient = _activity_gradient(problem, activities)
    batch = problem.x.shape[0]
    return batch * np.sqrt(sum(np.sum(np.asarray(g).reshape(batch, -1) ** 2, axis=1) for g in gradient))


def equations(jaxpr) -> Iterator:
    """Every equation of a traced function, those of loops and inner functions included."""
    for equation in jaxpr.eqns:
        yield equation
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def largest_intermediate(function: Callable, *args) -> int:
    """Entries of the largest array that a traced function makes."""
    made = equations(jax.make_jaxpr(function)(*args).jaxpr)
    return max(int(np.prod(v.aval.shape)) for equation in made for v in equation.outvars)


def equation_count(function: Callable, *args) -> int:
    return sum(1 for _ in equations(jax.make_jaxpr(function)(*args).jaxpr))
