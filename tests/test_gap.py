"""The predicted gap between the two gradients is that of random matrices."""

import numpy as np
import pytest

from pcn_lib.gap import predict


def test_the_predicted_angle_is_that_of_explicit_random_matrices():
    """grad s by explicit products of one wide network's matrices, against the sum over random products."""
    width, depth, q = 600, 5, 0.07
    rng = np.random.default_rng(0)
    jumps = [np.eye(width) + rng.standard_normal((width, width)) / np.sqrt(width * depth) for _ in range(depth - 2)]
    rows = [rng.standard_normal(width) / width]
    for jump in reversed(jumps):
        rows.append(rows[-1] @ jump)
    rows = rows[::-1]  # P_1 .. P_{L-1}
    norms = []
    for m in range(2, depth + 1):  # layer m reads z_{m-1}; what reaches its input from every P_l below
        carried = np.zeros(width)
        for place in range(m - 1):
            carried = (jumps[place - 1] @ carried if place else carried) + rows[place]
        above = np.sum(rows[m - 1] ** 2) / (width * depth) if m < depth else width**-2
        norms.append(4 * above * np.sum(carried**2))
    growth = 1 + 1 / depth
    loss = q / width * np.array([growth ** (depth - 3) / depth] * (depth - 2) + [growth ** (depth - 2)])
    s = 1 + sum(np.sum(row**2) for row in rows)
    tan = np.sqrt(norms / loss) / (2 * s)
    measured = 1 - 1 / np.sqrt(1 + tan**2)
    predicted = predict(width, depth, alignment=q).layers
    assert predicted[0] == 0
    # Squared norms of N Gaussian numbers scatter by sqrt(2/N).
    np.testing.assert_allclose(measured, predicted[1:], rtol=5 * np.sqrt(2 / width))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(gamma_0=0.0), "gamma_0 = 0.0 given"),
        (dict(gamma_0=-1.0), "gamma_0 = -1.0 given"),
        (dict(alignment=0.0), "choose alignment > 0"),
        (dict(depth=1), "needs a hidden layer: choose depth >= 2"),
        (dict(width=0), "choose width >= 1"),
    ],
)
def test_what_no_network_has_is_not_predicted(wrong, message):
    with pytest.raises(ValueError, match=message):
        predict(**{**dict(width=8, depth=2, alignment=0.1), **wrong})
    assert predict(width=8, depth=2, alignment=0.1).layers.shape == (2,)
