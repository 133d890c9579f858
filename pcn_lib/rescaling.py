"""The rescaling S = I/lambda + M, M = sum_l P_l P_l^T, and what it gives in closed form.

P_l = df/dz_l (K x N) is the Jacobian of the output with respect to the activities of layer l.  For a deep
linear network with squared error the output is affine in the prediction errors, f + sum_l P_l e_l, so

    e_l* = P_l^T S^{-1} r,      F* = (1/2B) sum_i r_i^T S^{-1} r_i,      r = y - f(x),

and no matrix larger than K x N is ever formed.

Source: Innocenti et al. 2024 (NeurIPS 37); arXiv:2602.07697, its setting; expected values derived here,
see the chapter "The equilibrated energy of a deep linear network".
"""

from dataclasses import dataclass
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, check_precision, squared_error
from pcn_lib.inference import Equilibrium
from pcn_lib.inference.sample import Answer, Point, Sample, solve_samples
from pcn_lib.network import CNN, MLP, Activities, Network, zero_errors
from pcn_lib.network.cnn import WINDOW
from pcn_lib.parameterisation import Parameterisation, Role


class NotLinear(ValueError):
    """A closed form was asked of a problem for which it does not hold."""


def sample_jacobians(network: Network, x: Float[Array, "*inputs"], errors: Activities) -> Activities:
    """P_1..P_{L-1} of one sample, at the given prediction errors, by K passes back.

    For an MLP these are the row products P_{L-1} = a_L W_L, P_{l-1} = tau P_l + a_l P_l W_l, at a cost
    of O(L K N^2).

    Args:
        network: L layers.
        x: one sample.
        errors: its prediction errors; P_l is evaluated on the forward pass that they perturb.

    Returns:
        The Jacobians laid out as activities, with the K outputs as a new first axis.
    """
    activities, output = network.sample_forward(x, errors)
    cotangents = jnp.eye(output.size, dtype=output.dtype).reshape(output.size, *output.shape)
    return jax.vmap(lambda cotangent: network.sample_backward(x, activities, cotangent))(cotangents)


def gram(jacobians: Activities) -> Float[Array, "outputs outputs"]:
    """M = sum_l P_l P_l^T of one sample."""
    rows = (P.reshape(P.shape[0], -1) for P in jacobians)
    return reduce(jnp.add, (P @ P.T for P in rows))


def _zero_sample(network: Network, dtype) -> tuple[Array, Activities]:
    """A zero input and zero errors: where the Jacobians of a linear network may be evaluated as well as anywhere."""
    x = jnp.zeros(network.input_shape, dtype)
    shapes = jax.eval_shape(network.sample_forward, x).activities
    return x, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def linear_jacobians(network: Network) -> Activities:
    """P_1..P_{L-1} of a linear network, the same for every sample; axes [K, ...] per block.

    Raises:
        NotLinear: the network has an activation that is not the identity.
    """
    if not network.linear:
        raise NotLinear(
            "a network with a nonlinear activation given; this closed form needs activation=identity: "
            "use sample_jacobians for a linearisation, or equilibrate with SweepsThenNewton"
        )
    # Without parameters a network has no type of its own.
    dtype = next((leaf.dtype for leaf in jax.tree.leaves(network)), jnp.result_type(float))
    return sample_jacobians(network, *_zero_sample(network, dtype))


def rescaling(network: Network, output_precision: float | Float[Array, ""] = 1.0) -> Float[Array, "outputs outputs"]:
    """S = I/lambda + sum_l P_l P_l^T of a linear network.

    Raises:
        NotLinear: the network is not linear.
        ValueError: lambda is not one positive number.
    """
    check_precision(output_precision)
    M = gram(linear_jacobians(network))
    return jnp.eye(M.shape[0], dtype=M.dtype) / output_precision + M


def sample_grams(problem: Problem) -> Float[Array, "batch outputs outputs"]:
    """M of every sample, with P_l evaluated on the feedforward pass; any activation."""
    network = problem.network
    zero = jax.tree.map(lambda e: e[0], zero_errors(network, problem.x))
    return jax.vmap(lambda x: gram(sample_jacobians(network, x, zero)))(problem.x)


def sample_rescalings(problem: Problem) -> Float[Array, "batch outputs outputs"]:
    """S of every sample, with P_l evaluated on the feedforward pass; any activation.

    For N >> L, (1/2B) sum_i r_i^T S_i^{-1} r_i is F* to first order in L/N.
    """
    M = sample_grams(problem)
    return jnp.eye(M.shape[-1], dtype=M.dtype)[None] / problem.output_precision + M


def _check_closed_form(problem: Problem) -> None:
    if problem.loss is not squared_error:
        raise NotLinear(
            "a loss other than the squared error given; S^{-1} r is the squared error's closed form: "
            "use pcn_lib.moreau, or equilibrate with SweepsThenNewton"
        )


def equilibrated_energy(problem: Problem) -> Float[Array, ""]:
    """F* = (1/2B) sum_i r_i^T S^{-1} r_i of a deep linear network; differentiable in the weights.

    Source: Innocenti et al. 2024; arXiv:2602.07697, its setting.

    Raises:
        NotLinear: the network is not linear or the loss is not the squared error.
    """
    _check_closed_form(problem)
    S = rescaling(problem.network, problem.output_precision)
    outputs = jax.vmap(problem.network.sample_forward)(problem.x).output
    r = problem.y - outputs
    return jnp.mean(jnp.sum(r.T * cho_solve(cho_factor(S), r.T), axis=0)) / 2


@dataclass(frozen=True)
class LinearExact:
    """The exact equilibrium of a deep linear network, e_l = P_l^T S^{-1} r and one forward sweep.

    A solver like the others: its certificate is measured, not assumed.

    Attributes:
        tolerance: relative norm of dF/dz that the certificate asks for.
    """

    tolerance: float = 1e-6

    def __call__(self, problem: Problem) -> Equilibrium:
        _check_closed_form(problem)
        jacobians = linear_jacobians(problem.network)
        M = gram(jacobians)
        factor = cho_factor(jnp.eye(M.shape[0], dtype=M.dtype) / problem.output_precision + M)

        def solve(sample: Sample, start: Point, scale: Array) -> Answer:
            r = sample.y - problem.network.sample_forward(sample.x).output
            w = cho_solve(factor, r)
            errors = jax.tree.map(lambda P: jnp.tensordot(w, P, axes=1), jacobians)
            point = sample.at(errors)
            return Answer(point, sample.residual(point, scale), jnp.array(1), jnp.array(False))

        return solve_samples(problem, self.tolerance, solve)


def expected_rescaling(mlp: MLP, parameterisation: Parameterisation) -> float:
    """The number m with E[S] - I / lambda = m I at initialisation, exact at every width and for any number of outputs.

    The readout gives E[P_{L-1} P_{L-1}^T] = a_L^2 sigma_L^2 N I, and every hidden layer multiplies
    it by tau + a^2 sigma^2 N: a geometric sum over the L - 1 hidden layers.

    Source: derived here, see the chapter "The equilibrated energy of a deep linear network".

    Args:
        mlp: a linear MLP; its sizes and skips matter, not its activation.
        parameterisation: multipliers and variances.

    Raises:
        NotLinear: an MLP with norms.
    """
    if mlp.norm:
        raise NotLinear("an MLP with norms given, which are not linear: choose norm=None, or measure sample_rescalings")

    def gain(role: Role) -> float:
        scales = parameterisation.scales(role, fan_in=mlp.width, width=mlp.width, depth=mlp.depth)
        return scales.multiplier**2 * scales.variance * mlp.width

    growth = float(mlp.skips) + gain(Role.HIDDEN)
    return gain(Role.OUTPUT) * sum(growth**hidden for hidden in range(mlp.depth - 1))


def expected_cnn_rescaling(cnn: CNN, parameterisation: Parameterisation) -> float:
    """The number m with E[S] - I / lambda = m I of a linear CNN at initialisation, exact at every width.

    E ||P_l||^2 follows the mean square v of P_l's entries at each pixel, from the readout down: a convolution turns v
    into a^2 sigma^2 N times its sum over the kernel's window, a skip adds v to that, and pooling spreads v / 16 over
    the 2 x 2 pixels of each mean.  Nothing else depends on the width, so m is a constant over N where v is.

    Source: derived here, see the chapter "Convolutional networks".

    Args:
        cnn: a linear CNN; its sizes matter, not its activation.
        parameterisation: multipliers and variances.
    """

    def square(role: Role, fan_in: int, depth: int) -> float:
        scales = parameterisation.scales(role, fan_in=fan_in, width=cnn.width, depth=depth)
        return scales.multiplier**2 * scales.variance

    fan_in, margin = cnn.kernel**2 * cnn.width, cnn.kernel // 2
    through, branch = (cnn.width * square(Role.HIDDEN, fan_in, depth) for depth in (1, cnn.depth))

    def window_sums(v: np.ndarray) -> np.ndarray:
        padded = np.pad(v, margin)
        return np.lib.stride_tricks.sliding_window_view(padded, (cnn.kernel, cnn.kernel)).sum(axis=(2, 3))

    total, sides = 0.0, cnn.sides
    v = np.full(sides[-1], square(Role.OUTPUT, cnn.features, 1))
    for height, width in sides[-2::-1]:
        total += v.sum()
        spread = np.kron(v, np.full((WINDOW, WINDOW), WINDOW**-4.0))
        v = np.pad(spread, ((0, height - len(spread)), (0, width - spread.shape[1])))
        for _ in range(cnn.blocks // cnn.stages):
            total += v.sum()
            v = v + branch * window_sums(v)
        total += v.sum()
        v = through * window_sums(v)
    return cnn.width * float(total)
