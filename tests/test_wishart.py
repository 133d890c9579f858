"""The scatter of the rescaling over initialisations: against sums derived otherwise, and against sampled matrices."""

import numpy as np
import pytest

from pcn_lib.gap import _squared_sums
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.wishart import effective_width, largest_over_mean, relative_scatter


@pytest.mark.parametrize("depth", [2, 3, 7, 32])
def test_the_effective_width_agrees_with_the_sums_of_the_chapter_on_gradients(depth):
    # There ||sum_k H_k u||^2 is derived another way, by adding pairs of layers.
    *_, squared = [1.0, *_squared_sums(depth)]
    first = sum((1 + 1 / depth) ** k for k in range(depth - 1))
    mlp = MLP(5, 64, depth, skips=True)
    assert effective_width(mlp, mupc_skips()) == pytest.approx(64 * first**2 / squared, rel=1e-12)


@pytest.mark.parametrize(("outputs", "skips", "depth"), [(10, True, 4), (10, True, 12), (1, False, 12), (10, False, 3)])
def test_sampled_rescalings_scatter_and_have_the_norm_that_the_wishart_matrix_has(outputs, skips, depth):
    rng, width, parameterisation = np.random.default_rng(0), 64, mupc_skips() if skips else mupc()
    multiplier = (width * depth) ** -0.5 if skips else width**-0.5
    traces, norms = [], []
    for _ in range(300):
        P = rng.standard_normal((outputs, width)) / width
        M = P @ P.T
        for _ in range(depth - 2):
            P = float(skips) * P + multiplier * P @ rng.standard_normal((width, width))
            M = M + P @ P.T
        traces.append(np.trace(M) / outputs)
        norms.append(np.linalg.eigvalsh(M)[-1])
    mlp = MLP(5, width, depth, outputs, skips=skips)
    # 300 draws know a standard deviation to 4 %; the rest is the next order in 1/N.
    assert relative_scatter(mlp, parameterisation) == pytest.approx(np.std(traces) / np.mean(traces), rel=0.25)
    if outputs > 1:
        assert largest_over_mean(mlp, parameterisation) == pytest.approx(np.mean(norms) / np.mean(traces), rel=0.06)


def test_a_network_too_narrow_for_the_largest_eigenvalue_is_refused():
    with pytest.raises(ValueError, match="wider network"):
        largest_over_mean(MLP(5, 2, 8, 10, skips=True), mupc_skips())
