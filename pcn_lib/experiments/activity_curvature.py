"""The activity Hessian of a deep linear network as a product of sweeps, and its extreme eigenvalues.

With A_l = tau I + a_l W_l the matrix of layer l, the prediction errors are e = D z + const with D block bidiagonal,
and for the squared error the Hessian of one sample's energy in the activities, and its inverse, are

    d2F/dz2 = D^T (I + P^T P) D,        (d2F/dz2)^-1 = D^-1 (I - P^T S^-1 P) D^-T,

P = (P_1 ... P_H) and S = I + P P^T the rescaling.  D^-1 is a forward sweep and D^-T a backward one: the inverse
costs as much as the Hessian itself, and so Lanczos iteration finds the smallest eigenvalue as fast as the largest.

Source: derived here, see the chapter "Inference convergence".
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from pcn_lib.network import Network, Stack
from pcn_lib.rescaling import NotLinear

#: Relative residual of an eigenvector that Lanczos iteration is asked for; the eigenvalue's error is smaller still.
ACCURACY = 1e-4


@dataclass(frozen=True)
class Extremes:
    """The extreme eigenvalues of the activity Hessian."""

    smallest: float
    largest: float


@dataclass(frozen=True)
class Curvature:
    """The activity Hessian of a linear network with squared error, lambda = 1; the same for every sample.

    Attributes:
        hidden: A_2..A_H, each [N, N].
        readout: A_L, [K, N].
    """

    hidden: tuple[Float[np.ndarray, "width width"], ...]
    readout: Float[np.ndarray, "outputs width"]

    @property
    def size(self) -> int:
        """N H, the number of activities of a sample."""
        return (len(self.hidden) + 1) * self.readout.shape[1]

    def product(self, vector: Float[np.ndarray, " size"]) -> Float[np.ndarray, " size"]:
        """d2F/dz2 times a vector."""
        z = self._layers(vector)
        errors = z.copy()
        for below, A in enumerate(self.hidden):
            errors[below + 1] -= A @ z[below]
        image = errors.copy()
        for below, A in enumerate(self.hidden):
            image[below] -= A.T @ errors[below + 1]
        image[-1] += self.readout.T @ (self.readout @ z[-1])
        return image.ravel()

    def inverse_product(self, vector: Float[np.ndarray, " size"]) -> Float[np.ndarray, " size"]:
        """The inverse of d2F/dz2 times a vector."""
        back = self._backward(self._layers(vector)).ravel()
        P = self._jacobians
        S = np.eye(len(P)) + P @ P.T
        return self._forward(self._layers(back - P.T @ np.linalg.solve(S, P @ back))).ravel()

    def extremes(self) -> Extremes:
        """Smallest and largest eigenvalue, by Lanczos iteration on the inverse and on the Hessian."""
        largest = self._largest(self.product)
        return Extremes(1 / self._largest(self.inverse_product), largest)

    def _largest(self, product) -> float:
        operator = LinearOperator((self.size, self.size), matvec=lambda v: product(v.ravel()), dtype=float)
        # A start of its own: ARPACK's is random, and the same record would not come twice.
        start = np.random.default_rng(0).normal(size=self.size)
        return float(eigsh(operator, k=1, which="LA", v0=start, tol=ACCURACY, return_eigenvectors=False)[0])

    @cached_property
    def _jacobians(self) -> Float[np.ndarray, "outputs size"]:
        """P: the backward sweep of the readout's rows."""
        rows = np.zeros((len(self.readout), self.size))
        for row, weights in zip(rows, self.readout, strict=True):
            self._layers(row)[-1] = weights
            row[:] = self._backward(self._layers(row)).ravel()
        return rows

    def _layers(self, vector: np.ndarray) -> np.ndarray:
        return vector.reshape(len(self.hidden) + 1, -1)

    def _forward(self, errors: np.ndarray) -> np.ndarray:
        z = errors.copy()
        for below, A in enumerate(self.hidden):
            z[below + 1] += A @ z[below]
        return z

    def _backward(self, cotangents: np.ndarray) -> np.ndarray:
        delta = cotangents.copy()
        for below, A in reversed(list(enumerate(self.hidden))):
            delta[below] += A.T @ delta[below + 1]
        return delta


def curvature(network: Network) -> Curvature:
    """The activity Hessian of a linear multilayer perceptron, in float64.

    Raises:
        NotLinear: the network has an activation that is not the identity.
    """
    if not network.linear:
        raise NotLinear(
            "a network with a nonlinear activation given; its activity Hessian differs from sample to sample: "
            "use pcn_lib.spectrum.activity_spectrum"
        )
    hidden = []
    for block in network.blocks[1:]:
        if isinstance(block, Stack):
            layers = block.layers
            weights = np.asarray(layers.weight[...], float)
            hidden += [layers.scales.multiplier * W + float(layers.skip) * np.eye(len(W)) for W in weights]
        else:
            raise NotLinear("a network that is no multilayer perceptron given; build it with MLP")
    return Curvature(tuple(hidden), network.readout.scales.multiplier * np.asarray(network.readout.weight[...], float))
