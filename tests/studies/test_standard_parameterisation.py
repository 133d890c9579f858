"""The standard parameterisation: the expected kernel is a mean over draws; rates are matched where there is signal."""

import numpy as np
import pytest

from pcn_lib.network import MLP
from pcn_lib.parameterisation import Role, mupc_skips, sp, sp_uniform
from tests.studies.chapters import defined


@pytest.mark.parametrize("parameterisation", [sp(), sp_uniform(), mupc_skips()], ids=lambda p: p.name)
@pytest.mark.parametrize("skips", [False, True])
def test_the_expected_kernel_is_a_mean_over_many_draws(parameterisation, skips):
    rng, mlp, x = np.random.default_rng(0), MLP(7, 12, 4, skips=skips), np.linspace(-1, 1, 7)
    roles = ((Role.INPUT, (12, 7)), (Role.HIDDEN, (12, 12)), (Role.HIDDEN, (12, 12)), (Role.OUTPUT, (1, 12)))
    scales = [parameterisation.scales(role, fan_in=shape[1], width=12, depth=4) for role, shape in roles]
    kernels = []
    for _ in range(3000):
        maps = [
            one.multiplier * one.variance**0.5 * rng.standard_normal(shape)
            for one, (_, shape) in zip(scales, roles, strict=True)
        ]
        if skips:
            maps[1:3] = [np.eye(12) + branch for branch in maps[1:3]]
        below = [x, maps[0] @ x, maps[1] @ maps[0] @ x, maps[2] @ maps[1] @ maps[0] @ x]
        above = [maps[3] @ maps[2] @ maps[1], maps[3] @ maps[2], maps[3], np.eye(1)]
        terms = zip(scales, below, above, strict=True)
        kernels.append(sum(one.gd_rate * one.multiplier**2 * (h @ h) * np.sum(P**2) for one, h, P in terms))
    expected = defined("standard_parameterisation", profile="smoke")["kernel"](parameterisation, mlp, float(x @ x))
    assert expected == pytest.approx(np.mean(kernels), abs=4 * np.std(kernels) / 3000**0.5)


def test_the_matched_rate_is_the_base_rate_where_the_signal_vanishes():
    names = defined("standard_parameterisation", profile="smoke", depth=32)
    assert names["matched_rate"](sp_uniform(), False) == names["sizes"].base_rate
    assert names["matched_rate"](sp(), True) < 1e-6 * names["sizes"].base_rate
