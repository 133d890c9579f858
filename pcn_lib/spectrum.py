"""The curvature that inference meets: extreme eigenvalues of the activity Hessian d2F/dz2, sample by sample.

The prediction errors and the activities are linked by a bijection, but their Hessians differ: in z the skips
alone make a discrete Laplacian, in e the identity.  A solver's cost follows the condition number of the
variables that it works in.

Source: derived here, see the chapter "The activity Hessian".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from pcn_lib.energy import Problem, sample_energy
from pcn_lib.inference.sample import Sample
from pcn_lib.network import Activities, check_activities
from pcn_lib.numerics import tree_dot, tree_norm, tree_subtract

#: Lanczos vectors kept between restarts, restarts allowed, and the relative error of an eigenvalue asked for.
VECTORS, RESTARTS, ACCURACY = 60, 300, 1e-3
#: Dimension up to which the Hessian is written out: Lanczos needs more room than this to work in.
DENSE = 64


class SpectrumError(RuntimeError):
    """Lanczos iteration ended before the extreme eigenvalues were known."""


@dataclass(frozen=True)
class Spectrum:
    """Extreme eigenvalues of each sample's Hessian.

    Attributes:
        smallest: the least eigenvalue; not positive where the activities are at no strict minimum.
        largest: the greatest.
    """

    smallest: Float[np.ndarray, " batch"]
    largest: Float[np.ndarray, " batch"]

    @property
    def condition(self) -> Float[np.ndarray, " batch"]:
        """Largest over smallest; infinite where the smallest is not positive."""
        positive = self.smallest > 0
        return np.where(positive, self.largest / np.where(positive, self.smallest, 1), np.inf)


def activity_spectrum(problem: Problem, activities: Activities) -> Spectrum:
    """Extreme eigenvalues of d2F/dz2 of each sample's own energy, at the given activities.

    Lanczos iteration on Hessian-vector products: the Hessian itself, of the size of all activities of a
    sample, is never formed (but for dimensions up to :data:`DENSE`).

    Args:
        problem: network, batch and objective; float64 where small eigenvalues matter.
        activities: z_1..z_{L-1} of the whole batch, at an equilibrium or elsewhere.

    Raises:
        ValueError: the activities belong to another network or batch.
        SpectrumError: an eigenvalue was not found to :data:`ACCURACY` in the restarts allowed.
    """
    check_activities(problem.network, problem.x, activities)
    return _spectrum(_activity_product, problem, activities)


def error_spectrum(problem: Problem, errors: Activities) -> Spectrum:
    """Extreme eigenvalues of d2E/de2, the same energy in the prediction errors.

    For a deep linear network with squared error it is I + lambda P^T P, P = (P_1 ... P_{L-1}): its smallest
    eigenvalue is 1 wherever a sample has more activities than outputs, and its largest 1 + lambda ||M||.

    Source: derived here, see the chapter "The activity Hessian".

    Args:
        problem: network, batch and objective.
        errors: e_1..e_{L-1}, laid out as activities.

    Raises:
        ValueError: the errors belong to another network or batch.
        SpectrumError: as :func:`activity_spectrum`.
    """
    check_activities(problem.network, problem.x, errors)
    return _spectrum(_error_product, problem, errors)


def sweep_contraction(problem: Problem, errors: Activities, iterations: int = 10) -> Float[Array, " batch"]:
    """The factor by which a sweep e <- delta(e) shrinks what is left, at the given errors, for each sample.

    It is the eigenvalue of the sweep's Jacobian, I - d2E/de2, that is largest in absolute value, found by power
    iteration from the errors themselves, with its sign: sweeps diverge beyond 1, and where it exceeds 1 the energy
    curves downwards.  For a deep linear network with squared error it is -lambda ||M||.  Unlike
    :func:`error_spectrum` it can be compiled, and an estimate that is not converged is too small.

    Args:
        problem: network, batch and objective.
        errors: prediction errors, not all zero.
        iterations: of the power method.
    """

    def one(x: Array, y: Array, errors: Activities) -> Array:
        def gradient(e: Activities) -> Activities:
            return Sample(problem, x, y).at(e).gradient

        norm = tree_norm(errors)
        start = jax.tree.map(lambda e: e / norm, errors)

        # The product stands once, in the loop: it is most of what there is to compile.
        def step(_, state: tuple[Activities, Array]) -> tuple[Activities, Array]:
            direction, _ = state
            curved = jax.jvp(gradient, (errors,), (direction,))[1]
            image = tree_subtract(direction, curved)
            norm = tree_norm(image)
            return jax.tree.map(lambda v: v / norm, image), tree_dot(direction, image)

        return jax.lax.fori_loop(0, iterations, step, (start, jnp.zeros_like(norm)))[1]

    return jax.vmap(one)(problem.x, problem.y, errors)


Product = Callable[[Problem, Array, Array, Activities, Array], Array]


@jax.jit
def _activity_product(problem: Problem, x: Array, y: Array, activities: Activities, vector: Array) -> Array:
    def energy(z: Activities) -> Array:
        predicted, output = problem.network.sample_predict(x, z)
        return sample_energy(tree_subtract(z, predicted), output, y, problem)

    return _product(energy, activities, vector)


@jax.jit
def _error_product(problem: Problem, x: Array, y: Array, errors: Activities, vector: Array) -> Array:
    def energy(e: Activities) -> Array:
        return sample_energy(e, problem.network.sample_forward(x, e).output, y, problem)

    return _product(energy, errors, vector)


def _product(energy: Callable[[Activities], Array], point: Activities, vector: Array) -> Array:
    """Hessian times vector, forward over reverse."""
    _, unravel = ravel_pytree(point)
    image = jax.jvp(jax.grad(energy), (point,), (unravel(vector),))[1]
    return ravel_pytree(image)[0]


def _spectrum(product: Product, problem: Problem, points: Activities) -> Spectrum:
    ends = []
    for i in range(problem.x.shape[0]):
        x, y, point = jax.tree.map(lambda leaf, i=i: leaf[i], (problem.x, problem.y, points))
        ends.append(_extremes(partial(product, problem, x, y, point), point))
    smallest, largest = np.array(ends).T
    return Spectrum(smallest, largest)


def _extremes(product: Callable[[Array], Array], point: Activities) -> tuple[float, float]:
    flat = ravel_pytree(point)[0]
    size, dtype = flat.size, np.dtype(flat.dtype)
    if size <= DENSE:
        hessian = np.stack([np.asarray(product(row)) for row in jnp.eye(size, dtype=dtype)])
        values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        return values[0], values[-1]
    operator = LinearOperator(
        (size, size), matvec=lambda v: np.asarray(product(jnp.asarray(v.reshape(size), dtype))), dtype=dtype
    )
    # A start of its own: ARPACK's is random, and the same record would not come twice.
    start = np.random.default_rng(0).normal(size=size).astype(dtype)
    try:
        values = eigsh(
            operator, k=2, which="BE", v0=start, ncv=min(VECTORS, size - 1), maxiter=RESTARTS, tol=ACCURACY,
            return_eigenvectors=False,
        )  # fmt: skip
    except ArpackNoConvergence as error:
        raise SpectrumError(
            f"Lanczos iteration on a Hessian of size {size} stopped after {RESTARTS} restarts; its eigenvalues are "
            f"needed to {ACCURACY:g}: use float64, or measure fewer layers or a smaller width"
        ) from error
    return float(np.min(values)), float(np.max(values))


def skip_chain_residual(hidden: int, rate: float, steps: int) -> float:
    """The relative norm of dF/dz that gradient descent on z leaves in a chain of skips without branches.

    With f_l(z) = z the Hessian d2F/dz2 has the eigenvalues mu_k = 2 - 2 cos((2k - 1) pi / (2H + 1)), k = 1..H, and
    dF/dz on the feedforward pass, which is zero but at the top, has the share c_k in their eigenvectors:

        residual^2 = sum_k c_k^2 (1 - beta mu_k)^(2T),    c_k^2 = 4 / (2H + 1) sin^2((2k - 1) pi H / (2H + 1))

    The slowest mode, mu_1 ~ (pi / 2H)^2, asks for a number of steps that grows as H^2.

    Source: derived here, see the chapter "Nonlinear networks".

    Args:
        hidden: H.
        rate: beta.
        steps: T.
    """
    angles = (2 * np.arange(1, hidden + 1) - 1) * np.pi / (2 * hidden + 1)
    shares = 4 / (2 * hidden + 1) * np.sin(angles * hidden) ** 2
    return float(np.sqrt(np.sum(shares * (1 - rate * (2 - 2 * np.cos(angles))) ** (2 * steps))))
