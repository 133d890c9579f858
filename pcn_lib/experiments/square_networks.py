"""The angle between the two gradients in networks as deep as they are wide, where theory has only a conjecture.

For one output every layer's gradients have rank one, with the same left factor, so that the angle needs products of
matrices with vectors and no gradient is ever formed: N = L = 512 takes seconds.
"""

import numpy as np
from jaxtyping import Float


def square_cosines(
    x: Float[np.ndarray, "B D"], y: Float[np.ndarray, "B 1"], sizes: tuple[int, ...], *, seeds: int, seed: int = 0
) -> Float[np.ndarray, "sizes seeds"]:
    """cos(grad F*, grad Loss) of linear networks with N = L in muPC with skips at initialisation, gamma_0 = 1.

    Args:
        x: inputs.
        y: targets.
        sizes: N = L.
        seeds: initialisations of each size.
        seed: of the first draw.
    """
    found = np.zeros((len(sizes), seeds))
    for i, size in enumerate(sizes):
        for k in range(seeds):
            found[i, k] = _cosine(*draw(size, size, x.shape[1], np.random.default_rng((seed, size, k))), x, y)
    return found


def draw(width: int, depth: int, inputs: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W_1, W_2..W_{L-1} and W_L of standard normal entries; axes [N, D], [L-2, N, N], [N]."""
    hidden = rng.standard_normal((depth - 2, width, width))
    return rng.standard_normal((width, inputs)), hidden, rng.standard_normal(width)


def _cosine(first: np.ndarray, hidden: np.ndarray, last: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """cos(grad F*, grad Loss) of one network, from rank-one factors.

        dLoss/dW_m = -a_m P_m^T c_m^T,      c_m = (1/B) sum_i r_i h_{m-1,i}
        ds/dW_m    = 2 a_m P_m^T A_m^T,     A_m = J_{m-1} A_{m-1} + P_{m-1}^T,   A_1 = 0,   J_1 = 0
        grad F*    = (grad Loss - (Loss / s) grad s) / s

    Source: derived here, see the chapter "Predictive coding computes backpropagation's gradients".
    """
    width, inputs, depth = len(last), x.shape[1], len(hidden) + 2
    a = (width * depth) ** -0.5
    activities = [inputs**-0.5 * x @ first.T]
    for weights in hidden:
        activities.append(activities[-1] + a * activities[-1] @ weights.T)
    residual = y - activities[-1] @ last[:, None] / width
    jacobians = [last / width]  # P_{L-1}, and then down to P_1
    for weights in hidden[::-1]:
        jacobians.append(jacobians[-1] + a * jacobians[-1] @ weights)
    jacobians.reverse()
    s, loss = 1 + sum(P @ P for P in jacobians), float(np.mean(residual**2)) / 2
    # Layer 1: s does not contain it.
    c = np.mean(residual * x, axis=0)
    from_loss, from_s, mixed = (jacobians[0] @ jacobians[0]) * (c @ c) / inputs, 0.0, 0.0
    A = np.zeros(width)
    for m in range(2, depth + 1):
        A = (A + a * (hidden[m - 3] @ A) if m > 2 else A) + jacobians[m - 2]
        c = np.mean(residual * activities[m - 2], axis=0)
        scale = a**2 * (jacobians[m - 1] @ jacobians[m - 1]) if m < depth else width**-2.0
        from_loss += scale * (c @ c)
        from_s += 4 * scale * (A @ A)
        mixed -= 2 * scale * (c @ A)
    t = loss / s
    return float((from_loss - t * mixed) / np.sqrt(from_loss * (from_loss - 2 * t * mixed + t**2 * from_s)))
