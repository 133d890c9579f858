"""Two formulas about muPC with skips at initialisation: the size of grad Loss, and the richness of the largest angle.

Source: derived here, see the chapter "Predictive coding computes backpropagation's gradients".
"""

import math


def limiting_loss_gradient(width: int, depth: int, *, alignment: float, gamma_0: float = 1.0) -> float:
    """||grad Loss|| of muPC with skips at initialisation, to leading order in 1/N at fixed depth: N^-1/2.

        ||grad Loss||^2 -> q / (gamma_0^2 N) (2 G^(L-2) + (L-2)/L G^(L-3)),      G = 1 + 1/L

    Source: derived here, see the chapter "Predictive coding computes backpropagation's gradients".

    Args:
        width: N.
        depth: L.
        alignment: q = ||(1/B) sum_i y_i x_i||^2 / D.
        gamma_0: output scale.

    Assumes: K = 1, targets +-1 and a small output.
    """
    growth = 1 + 1 / depth
    layers = 2 * growth ** (depth - 2) + (depth - 2) / depth * growth ** (depth - 3)
    return math.sqrt(alignment * layers / width) / gamma_0


def farthest_gamma(width: int, depth: int) -> float:
    """gamma_0 at which the predicted angle is largest, as tan is proportional to gamma_0 / (gamma_0^2 + A).

        A = gamma_0^2 (s - 1) = (L/N) (G^(L-1) - 1)  ->  (e - 1) L/N

    Source: derived here, see the chapter "Predictive coding computes backpropagation's gradients".

    Args:
        width: N.
        depth: L.
    """
    return math.sqrt(depth / width * ((1 + 1 / depth) ** (depth - 1) - 1))
