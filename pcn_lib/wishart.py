"""How the rescaling of a linear network scatters over initialisations, about its expectation.

S - I = a_L^2 W_L A W_L^T, where A = A_{L-1} grows layer by layer, A_1 = I and A_{n+1} = I + J A_n J^T, J = tau I + a W.
W_L is Gaussian and independent of A, so S - I is a Wishart matrix stretched by A, and two moments of A say how far
it scatters: with phi = tr / N,

    phi(A_{n+1})   = 1 + G phi(A_n),                                                G = tau + g,  g = a^2 sigma^2 N
    phi(A_{n+1}^2) = 1 + 2 G phi(A_n) + G^2 phi(A_n^2) + (G^2 - tau) phi(A_n)^2     (leading order in 1/N)

Source: derived here, see the chapter "Width and depth".
"""

import math

from pcn_lib.network import MLP
from pcn_lib.parameterisation import Parameterisation, Role

#: Mean of the Tracy-Widom law of order 1.
TRACY_WIDOM = -1.2065336


def effective_width(mlp: MLP, parameterisation: Parameterisation) -> float:
    """nu = N phi(A)^2 / phi(A^2): the degrees of freedom of the Wishart matrix that S - I is like.

    nu = N for L = 2; nu -> N (e - 1)^2 / (2 e) = 0.54 N for deep networks under muPC with skips and 3 N / L without.

    Raises:
        ValueError: an MLP with norms, which are not linear.
    """
    if mlp.norm:
        raise ValueError("an MLP with norms given, which are not linear: choose norm=None")
    scales = parameterisation.scales(Role.HIDDEN, fan_in=mlp.width, width=mlp.width, depth=mlp.depth)
    tau = float(mlp.skips)
    growth = tau + scales.multiplier**2 * scales.variance * mlp.width
    first, second = 1.0, 1.0
    for _ in range(mlp.depth - 2):
        second = 1 + 2 * growth * first + growth**2 * second + (growth**2 - tau) * first**2
        first = 1 + growth * first
    return mlp.width * first**2 / second


def relative_scatter(mlp: MLP, parameterisation: Parameterisation) -> float:
    """Standard deviation of tr(S - I) over one network's draw, relative to its mean: (2 / (K nu))^1/2."""
    return math.sqrt(2 / (mlp.outputs * effective_width(mlp, parameterisation)))


def largest_over_mean(mlp: MLP, parameterisation: Parameterisation) -> float:
    """E ||S - I||_2 / (tr E[S - I] / K): how far the largest eigenvalue lies above the mean one, K > 1.

        [ (sqrt(nu - 1) + sqrt K)^2 - 1.2065 (sqrt(nu - 1) + sqrt K) (1/sqrt(nu - 1) + 1/sqrt K)^1/3 ] / nu

    Source: the largest eigenvalue of a Wishart matrix, Johnstone 2001 (Annals of Statistics 29), in nu dimensions.

    Raises:
        ValueError: fewer than two effective dimensions, where the formula means nothing.
    """
    nu = effective_width(mlp, parameterisation)
    if nu <= 2:
        raise ValueError(f"width {mlp.width}, depth {mlp.depth} given: {nu:.1f} effective dimensions, and more than 2 "
                         "are needed: choose a wider network")  # fmt: skip
    root, outputs = math.sqrt(nu - 1), math.sqrt(mlp.outputs)
    edge = root + outputs
    return (edge**2 + TRACY_WIDOM * edge * (1 / root + 1 / outputs) ** (1 / 3)) / nu
