"""Deep linear networks: the closed form against full matrix products, and against a dense Hessian."""

from dataclasses import replace
from functools import reduce

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import block_diag, cho_factor, cho_solve
from jaxtyping import Array, Float

from benchmarks.cases import Size, problem
from benchmarks.rows import Row
from benchmarks.timing import alternate, cost, speed_up
from pcn_lib.energy import Problem
from pcn_lib.gradients import closed_form_gradient, loss_and_bp_gradient, pc_gradient
from pcn_lib.inference import Equilibrium
from pcn_lib.network import Network
from pcn_lib.rescaling import LinearExact


def closed_form(size: Size, rounds: int, goal: float, cost_goal: float | None = None) -> tuple[Row, ...]:
    """PC's gradient at the exact equilibrium: certified, against differentiating F*, and in BP steps."""
    case = problem(size)
    sides = (_exact_gradient, full_products_gradient, jax.jit(closed_form_gradient), jax.jit(loss_and_bp_gradient))
    ours, products, rows, bp = alternate([lambda side=side: side(case) for side in sides], rounds)
    name = f"closed form, {size.short}, K = {size.outputs}"
    words = dict(what=f"linear, gradient at the exact equilibrium, {size}, float64")
    return (
        speed_up(
            ours,
            products,
            title=f"{name}: N × N products",
            against="F* differentiated, full N × N products",
            goal=goal,
            disagreement=_difference(ours.answer, products.answer),
            how="certificate included; the baseline multiplies out the layers above each layer anew",
            **words,
        ),
        speed_up(
            ours,
            rows,
            title=f"{name}: K × N products",
            against="F* differentiated, K × N products",
            disagreement=_difference(ours.answer, rows.answer),
            how="the library's own oracle: no N × N product, and no equilibrium or certificate either",
            **words,
        ),
        cost(
            ours,
            bp,
            title=name,
            against="one BP step",
            goal=cost_goal,
            how="BP: loss and gradient of the same network",
            **words,
        ),
    )


def dense_hessian(size: Size, rounds: int) -> tuple[Row, ...]:
    """The exact equilibrium against solving with the Hessian of the energy in all activities."""
    case = problem(size)
    sides = (jax.jit(LinearExact()), dense_equilibrium)
    ours, dense = alternate([lambda side=side: side(case) for side in sides], rounds)
    unknowns = size.width * (size.depth - 1)
    row = speed_up(
        ours,
        dense,
        title=f"equilibrium, {size.short}: dense Hessian",
        what=f"linear, exact equilibrium, {size}, float64",
        against=f"activity Hessian, {unknowns} × {unknowns}",
        disagreement=_difference(_rows_of_samples(ours.answer), dense.answer),
        how="certificate included; the baseline is one Cholesky factorisation for the whole batch",
    )
    return (row,)


@jax.jit
def _exact_gradient(case: Problem) -> Network:
    return pc_gradient(case, LinearExact()(case))


def layer_matrices(network: Network) -> Float[Array, "hidden N N"]:
    """J_l = tau I + a_l W_l of the hidden layers 2..L-1, written out."""
    layers = network.blocks[1].layers
    branch = layers.scales.multiplier * layers.weight[...]
    return branch + jnp.eye(branch.shape[-1], dtype=branch.dtype)[None] * float(layers.skip)


def readout_matrix(network: Network) -> Float[Array, "K N"]:
    """a_L W_L."""
    return network.readout.scales.multiplier * network.readout.weight[...]


def _product(matrices: Float[Array, "some N N"]) -> Float[Array, "N N"]:
    """The last matrix times ... times the first, from the first on: no part is shared with another such product."""
    # Written out: XLA takes longer to compile a loop for each of the products.
    return reduce(lambda below, J: J @ below, list(matrices))


def energy_by_full_products(case: Problem) -> Float[Array, ""]:
    """F* = (1/2B) sum_i r_i^T S^-1 r_i with every P_l = W_L (J_{L-1} ... J_{l+1}) multiplied out as N x N products."""
    network, J, top = case.network, layer_matrices(case.network), readout_matrix(case.network)
    P = [top, *(top @ _product(J[first:]) for first in range(len(J)))]
    S = jnp.eye(len(top), dtype=top.dtype) / case.output_precision + sum(p @ p.T for p in P)
    r = case.y - jax.vmap(network.sample_forward)(case.x).output
    return jnp.mean(jnp.sum(r.T * jnp.linalg.solve(S, r.T), axis=0)) / 2


@jax.jit
def full_products_gradient(case: Problem) -> Network:
    """dF*/dtheta by differentiating :func:`energy_by_full_products`."""
    return jax.grad(lambda network: energy_by_full_products(replace(case, network=network)))(case.network)


@jax.jit
def dense_equilibrium(case: Problem) -> Float[Array, "unknowns batch"]:
    """All activities at once from H z = b, H = d^2F/dz^2 of one sample.

    Blocks: I + J_{l+1}^T J_{l+1} on the diagonal (W_L's at the top weighed by lambda), -J_{l+1} below it.
    """
    network, J, top = case.network, layer_matrices(case.network), readout_matrix(case.network)
    N, unit = top.shape[1], jnp.eye(top.shape[1], dtype=top.dtype)
    H = block_diag(*(unit + j.T @ j for j in J), unit + case.output_precision * top.T @ top)
    below = block_diag(*J)
    H = H.at[N:, :-N].add(-below).at[:-N, N:].add(-below.T)
    first = jax.vmap(network.blocks[0])(case.x).T
    last = case.output_precision * top.T @ case.y.T
    b = jnp.zeros((len(H), len(case.x)), top.dtype).at[:N].add(first).at[-N:].add(last)
    return cho_solve(cho_factor(H), b)


def _rows_of_samples(equilibrium: Equilibrium) -> Float[Array, "unknowns batch"]:
    first, stack = equilibrium.activities
    return jnp.concatenate([first[:, None], stack], axis=1).reshape(len(first), -1).T


def _difference(a, b) -> float:
    """||a - b|| / ||b|| over whole pytrees."""
    a, b = ravel_pytree(a)[0], ravel_pytree(b)[0]
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))
