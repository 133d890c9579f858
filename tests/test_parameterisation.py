"""The table of multipliers, variances and rates, row by row against the paper's."""

import math
from dataclasses import astuple, replace

import jax
import numpy as np
import pytest

from pcn_lib.parameterisation import (
    Exponents,
    Power,
    Role,
    Scales,
    abcd,
    complete_p,
    mupc,
    mupc_convolutional,
    mupc_skips,
    ntp,
    sp,
    sp_uniform,
)

# No fan-in is the width, as in convolutions: no power of one can pass for a power of the other.
D, H, R, N, L, GAMMA = 7, 3, 13, 5, 11, 0.5
FAN_IN = {Role.INPUT: D, Role.HIDDEN: H, Role.OUTPUT: R}
E = Exponents(a_in=0.1, a=0.2, a_out=0.3, b_in=0.4, b=0.6, b_out=0.7, c=0.8, d=0.9, alpha=1.1)


def complete_p_table(gamma_0: float):
    return complete_p(0.3)


#: (multiplier, variance, GD rate, Adam rate, Adam epsilon unless 1) for input, hidden and output weights.
TABLE = {
    sp: [(1, 1 / D, 1, 1), (1, 1 / H, 1, 1), (1 / GAMMA, 1 / R, 1, 1)],
    sp_uniform: [(1, 1 / (3 * D), 1, 1), (1, 1 / (3 * H), 1, 1), (1 / GAMMA, 1 / (3 * R), 1, 1)],
    ntp: [(D**-0.5, 1, 1, 1), (H**-0.5, 1, 1, 1), (R**-0.5 / GAMMA, 1, 1, 1)],
    mupc: [
        (D**-0.5, 1, GAMMA**2 * N, N**-0.5),
        (H**-0.5, 1, GAMMA**2 * N, N**-0.5),
        (1 / (GAMMA * R), 1, GAMMA**2 * N, N**-0.5),
    ],
    mupc_skips: [
        (D**-0.5, 1, GAMMA**2 * N, (N * L) ** -0.5),
        ((H * L) ** -0.5, 1, GAMMA**2 * N, (N * L) ** -0.5),
        (1 / (GAMMA * R), 1, GAMMA**2 * N, (N * L) ** -0.5),
    ],
    mupc_convolutional: [
        (D**-0.5, 1, GAMMA**2 * N, 1),
        ((H * L) ** -0.5, 1, GAMMA**2 * N, (N * L) ** -0.5),
        (1 / (GAMMA * R), 1, GAMMA**2 * N, (N * L) ** -0.5),
    ],
    # The rate of gradient descent is Adam's over its epsilon, where the fan-in is the width.
    complete_p_table: [
        (1, 0.09, N, 1, 1 / N),
        (1 / L, 0.09, N * L / H, 1 / N, 1 / (N * L)),
        (1 / N, 0.09, N, 1, 1 / N),
    ],
    lambda gamma_0: abcd(E, gamma_0): [
        (N**-0.1 * D**-0.5, N**-0.4, GAMMA**2 * N**-0.8, 1),
        (N**-0.2 * L**-1.1, N**-0.6, GAMMA**2 * N**-0.8, 1),
        (N**-0.3 / (GAMMA * N**0.9), N**-0.7, GAMMA**2 * N**-0.8, 1),
    ],
}
EVERY = (sp, sp_uniform, ntp, mupc, mupc_skips, lambda gamma_0: abcd(gamma_0=gamma_0))


def numbers(parameterisation, role) -> Scales:
    return parameterisation.scales(role, fan_in=FAN_IN[role], width=N, depth=L)


@pytest.mark.parametrize("make", TABLE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("row, role", list(enumerate(Role)))
def test_each_row_of_the_table_is_the_papers(make, row, role):
    scales = numbers(make(gamma_0=GAMMA), role)
    np.testing.assert_allclose(astuple(scales), (*TABLE[make][row], 1)[:5], rtol=1e-14)


@pytest.mark.parametrize("make", TABLE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("role", list(Role))
def test_a_vector_has_the_powers_of_depth_and_its_gradient_those_of_the_width(make, role):
    p = make(gamma_0=GAMMA)
    size = 1 if role is Role.OUTPUT else N
    alone, wide = (p.scales(role, fan_in=1, width=width, depth=L) for width in (1, size))
    expected = alone.multiplier, 0, wide.gd_rate, alone.adam_rate, wide.adam_epsilon
    np.testing.assert_allclose(astuple(p.vector_scales(role, N, L)), expected, rtol=1e-14)


@pytest.mark.parametrize("make", [sp, sp_uniform, ntp, mupc, mupc_skips, mupc_convolutional, abcd, complete_p])
def test_the_output_scale_is_one_unless_given(make):
    assert make().gamma_0 == 1
    if make is not complete_p:
        assert make() == make(gamma_0=1.0) and make(gamma_0=GAMMA).gamma_0 == GAMMA


@pytest.mark.parametrize("role", list(Role))
def test_the_default_abcd_exponents_are_mupc(role):
    ours, named = (p.scales(role, fan_in=N, width=N, depth=L) for p in (abcd(gamma_0=GAMMA), mupc(GAMMA)))
    for field in ("multiplier", "variance", "gd_rate"):
        assert getattr(ours, field) == pytest.approx(getattr(named, field), rel=1e-14)


@pytest.mark.parametrize("make", EVERY)
def test_every_number_is_a_python_float_so_that_float32_is_never_promoted(make):
    for role in Role:
        scales = numbers(make(GAMMA), role)
        assert all(type(value) is float for value in vars(scales).values())


@pytest.mark.parametrize("make", EVERY)
def test_initial_weights_have_mean_zero_and_the_variance_of_the_table(make):
    parameterisation = make(1.0)
    scales = numbers(parameterisation, Role.INPUT)
    weights = np.asarray(parameterisation.draw(jax.random.key(0), (300, 200), scales, "float64"))
    # Standard errors of mean and variance of a Gaussian sample; a uniform one's variance is known better still.
    assert abs(weights.mean()) < 4 * math.sqrt(scales.variance / weights.size)
    assert abs(weights.var() / scales.variance - 1) < 4 * math.sqrt(2 / weights.size)


def test_the_authors_uniform_weights_stay_within_one_over_the_root_of_the_fan_in():
    p = sp_uniform()
    weights = np.asarray(p.draw(jax.random.key(0), (300, 200), numbers(p, Role.INPUT), "float64"))
    assert 0.99 < np.abs(weights).max() * math.sqrt(D) <= 1 + 1e-6


@pytest.mark.parametrize("make", EVERY)
def test_the_same_key_draws_the_same_weights_in_every_precision(make):
    p = make(1.0)
    single, double = (p.draw(jax.random.key(3), (4, 6), numbers(p, Role.HIDDEN), t) for t in ("float32", "float64"))
    assert (single.dtype, double.dtype) == ("float32", "float64")
    np.testing.assert_array_equal(np.asarray(single, "float64"), np.asarray(double))


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("gamma_0", [0.0, -1.0, math.nan])
def test_an_output_scale_that_is_not_positive_is_refused(make, gamma_0):
    with pytest.raises(ValueError, match="gamma_0 = .* given; it must be positive: try gamma_0 = 1"):
        make(gamma_0)


def test_a_parameterisation_prints_as_its_table():
    title, header, *rows = str(mupc_skips(2.0)).splitlines()
    assert title.startswith("muPC with skips, gamma_0 = 2")
    kinds = [role.value for role in Role]
    assert [row.split("  ")[0] for row in rows] == kinds + [f"{kind} vectors" for kind in kinds]
    assert "4 N" in rows[0] and "D^-1/2 L^-1/2" in rows[1] and "0.5 D^-1" in rows[2]
    assert rows[4].split() == ["hidden", "vectors", "L^-1/2", "0", "4", "N", "L^-1/2"]
    assert rows[5].split() == ["output", "vectors", "0.5", "0", "4", "L^-1/2"]
    assert all(len(row) <= len(header) + 20 for row in rows)


def test_a_page_shows_the_table_with_its_formulas_as_mathematics():
    shown = mupc_skips(2.0)._repr_html_()
    assert "muPC with skips, γ<sub>0</sub> = 2" in shown and shown.count("<tr>") == 1 + 2 * len(Role)
    assert ">D<sup>−1/2</sup> L<sup>−1/2</sup></td>" in shown and "Adam rate / η</th>" in shown
    assert "its gain</caption>" in mupc_convolutional()._repr_html_()


def test_the_table_has_a_column_for_adams_epsilon_where_one_differs_from_one():
    assert "epsilon" not in str(mupc_skips()) and "N^-1 L^-1" in str(complete_p())
    assert "Adam epsilon / eps" in str(replace(sp(), hidden=replace(sp().hidden, adam_epsilon=Power(0.5))))
