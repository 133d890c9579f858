"""The standard parameterisation: what is expected at initialisation, the matched rates, and the claims."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import standard_parameterisation as claims
from pcn_lib.energy import one_unit_problem
from pcn_lib.experiments import standard_parameterisation as study
from pcn_lib.experiments.linear_trainings import Curves
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.standard_parameterisation import DRAWS, Kind, Record, Settings
from pcn_lib.figures import standard_parameterisation as figures
from pcn_lib.gradients import bp_gradient
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Role, mupc_skips, sp, sp_uniform
from pcn_lib.rescaling import expected_rescaling
from pcn_lib.results import provenance

SMALL = Settings(widths=(8, 64), depth=4, depths=(2, 4), draws=8, steps=2, seeds=2)


def kind_of(name: str, parameterisation, *, skips: bool) -> Kind:
    """A kind just as theory has it."""
    expected = tuple(expected_rescaling(MLP(40, 64, depth, skips=skips), parameterisation) for depth in SMALL.depths)
    ones = np.ones((2, 2, 3))
    dead = name == "variance 1/3N, without skips"
    s = 1 + expected[-1] * ones * (np.array([1, 2, 3]) if dead else 1)
    moved = (1e-6 if dead else 1e-2) * ones * np.array([8, 64])[:, None, None]
    blank = {field.name: 1e-13 * ones for field in fields(Curves)}
    values = dict(energy=ones / s, pc_loss=ones, bp_loss=ones, rescaling=s - 1, same_weights=0.5 * ones)
    trained = Curves(**(blank | values | dict(bp_moved=moved, pc_moved=1e-3 * moved)))
    rate = study.matched_rate(SMALL, parameterisation, skips=skips)
    sampled = np.array(expected)[:, None] * np.linspace(0.9, 1.1, 8)
    return Kind(name, skips, rate, expected, sampled, trained)


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    kinds = tuple(
        kind_of(f"{name}, {'with' if skips else 'without'} skips", parameterisation, skips=skips)
        for skips in (False, True)
        for name, parameterisation in DRAWS
    )
    return Record(SMALL, provenance(SMALL, seconds=1.0, data_set="data made for a test"), kinds, 1.0)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


@pytest.mark.parametrize("parameterisation", [sp(), sp_uniform(), mupc_skips()], ids=lambda p: p.name)
@pytest.mark.parametrize("skips", [False, True])
def test_the_expected_output_and_kernel_are_means_over_many_draws(parameterisation, skips):
    rng, mlp, x = np.random.default_rng(0), MLP(7, 12, 4, skips=skips), np.linspace(-1, 1, 7)
    roles = ((Role.INPUT, (12, 7)), (Role.HIDDEN, (12, 12)), (Role.HIDDEN, (12, 12)), (Role.OUTPUT, (1, 12)))
    scales = [parameterisation.scales(role, fan_in=shape[1], width=12, depth=4) for role, shape in roles]
    outputs, kernels = [], []
    for _ in range(3000):
        maps = [
            one.multiplier * one.variance**0.5 * rng.standard_normal(shape)
            for one, (_, shape) in zip(scales, roles, strict=True)
        ]
        if skips:
            maps[1:3] = [np.eye(12) + branch for branch in maps[1:3]]
        below = [x, maps[0] @ x, maps[1] @ maps[0] @ x, maps[2] @ maps[1] @ maps[0] @ x]
        above = [maps[3] @ maps[2] @ maps[1], maps[3] @ maps[2], maps[3], np.eye(1)]
        outputs.append((maps[3] @ below[3]).item() ** 2)
        terms = zip(scales, below, above, strict=True)
        kernels.append(sum(one.gd_rate * one.multiplier**2 * (h @ h) * np.sum(P**2) for one, h, P in terms))
    expected = study.expected_start(mlp, parameterisation, float(x @ x))
    for predicted, found in ((expected.output, outputs), (expected.kernel, kernels)):
        assert predicted == pytest.approx(np.mean(found), abs=4 * np.std(found) / 3000**0.5)


def test_the_kernel_moves_the_output_of_one_sample_to_first_order_only():
    """w_2 w_1 with both weights 1, x = 1, y = 3: kernel 2, residual 2; the step is 4 eta + 4 eta^2, not 4 eta."""
    problem = one_unit_problem(weights=(1, 1), x=1, y=3)
    kernel = 2.0

    def moved(problem, eta):
        step = jax.tree.map(lambda w, g: w - eta * g, problem.network, bp_gradient(problem))
        return (feedforward(step, problem.x[:1]).output - feedforward(problem.network, problem.x[:1]).output).item()

    assert moved(problem, 1e-7) / 1e-7 == pytest.approx(2 * kernel, rel=1e-5)
    assert moved(problem, 0.5) == pytest.approx(4 * 0.5 + 4 * 0.5**2, rel=1e-12)
    # A second sample, fitted already in nothing but its sign, takes part in the step.
    two = replace(problem, x=jnp.array([[1.0], [1.0]]), y=jnp.array([[3.0], [-1.0]]))
    assert moved(two, 1e-7) == pytest.approx(0, abs=1e-12)


def test_the_matched_rate_is_the_base_rate_where_the_signal_vanishes():
    deep = Settings(depth=32)
    assert study.matched_rate(deep, sp_uniform(), skips=False) == deep.base_rate
    assert study.matched_rate(deep, sp(), skips=True) < 1e-6 * deep.base_rate


def test_widths_that_do_not_ascend_are_refused():
    with pytest.raises(SettingsError, match="ascending"):
        Settings(widths=(32, 8))


@pytest.mark.slow
def test_a_small_study_holds_both_draws_without_and_with_skips():
    record = study.run(Settings(widths=(2, 3), depth=3, depths=(2, 3), draws=8, steps=2, seeds=2))
    assert [kind.name for kind in record.kinds][::3] == ["variance 1/N, without skips", "variance 1/3N, with skips"]
    for kind in record.kinds:
        assert kind.trained.energy.shape == (2, 2, 3)
        np.testing.assert_allclose(kind.trained.energy * (1 + kind.trained.rescaling), kind.trained.pc_loss, rtol=1e-9)


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_a_rescaling_that_vanishes_fails_the_claims(ideal: Record):
    wrong = replace(ideal, kinds=tuple(replace(kind, sampled=kind.sampled / 10) for kind in ideal.kinds))
    assert failing(wrong) == {f"the rescaling, {kind.name}" for kind in ideal.kinds}


def test_networks_that_compute_one_gradient_fail_the_claims_outside(ideal: Record):
    alike = [
        replace(
            kind.trained,
            rescaling=kind.trained.rescaling * 1e-6,
            energy=kind.trained.pc_loss,
            same_weights=0 * kind.trained.energy,
        )
        for kind in ideal.kinds
    ]
    wrong = replace(ideal, kinds=tuple(replace(kind, trained=t) for kind, t in zip(ideal.kinds, alike, strict=True)))
    names = {"wide networks: S is the identity", "wide networks: F* is the loss", "wide networks: one gradient"}
    assert names <= failing(wrong)


def test_figures_name_the_data_and_take_a_recorded_run(ideal: Record):
    pictures = [figures.rescaling(ideal), figures.rescaling(ideal, ideal), figures.training(ideal)]
    assert all("data made for a test" in picture.caption for picture in pictures)
    assert len(figures.start(ideal).rows) == 4
