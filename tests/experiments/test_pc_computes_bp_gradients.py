"""The study of the two gradients measures what it says, and its predictions are those of random matrices."""

from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.claims.pc_computes_bp_gradients import claims
from pcn_lib.experiments.pc_computes_bp_gradients import Record, Settings, joint_limit, predict, run
from pcn_lib.figures.pc_computes_bp_gradients import collapse, layers, rates
from pcn_lib.results import load, save

SMALL = Settings(inputs=6, samples=8, widths=(12, 40), depths=(2, 3), seeds=2, gammas=(1.0, 2.0))


@pytest.fixture(scope="module")
def record() -> Record:
    return run(SMALL)


def test_every_network_of_the_grid_is_measured(record):
    assert record.gap.direction.shape == (2, 2, 2)
    assert [array.shape for array in record.layers] == [(2, 2, 2), (2, 2, 3)]


def test_doubling_gamma_0_divides_s_minus_1_by_four_on_the_same_weights(record):
    once, twice = record.by_gamma.rescaling
    np.testing.assert_allclose(once / twice, 4, rtol=1e-12)


def test_gamma_0_is_varied_at_a_size_of_the_grid(record):
    width, depth = (sizes.index(size) for sizes, size in zip((SMALL.widths, SMALL.depths), record.middle, strict=True))
    np.testing.assert_allclose(record.by_gamma.direction[0], record.gap.direction[depth, width], rtol=1e-9)


def test_the_whole_gradients_angle_lies_between_those_of_its_layers(record):
    for total, layer in zip(record.gap.direction, record.layers, strict=True):
        assert np.all(layer[..., 0] < 1e-12)
        assert np.all(total < layer.max(axis=-1))


def test_another_seed_draws_other_data_and_other_weights(record):
    other = run(replace(SMALL, seed=1))
    assert other.alignment != record.alignment
    assert np.abs(other.gap.rescaling / record.gap.rescaling - 1).min() > 1e-6


def test_the_claims_are_about_the_record_that_comes_back_from_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


def test_a_gap_that_falls_too_slowly_fails_its_rate(record):
    slow = replace(record, gap=replace(record.gap, direction=np.sqrt(record.gap.direction)))
    settings = replace(SMALL, widths=(16, 64))
    failed = {claim.name for claim in claims(replace(slow, settings=settings)) if not claim.as_expected}
    assert "rate of 1 - cos, L = 2" in failed


@pytest.mark.parametrize("picture", [rates, collapse, layers])
def test_a_picture_names_its_data(picture, record):
    assert "toy task" in picture(record).caption


def test_predictions_tend_to_the_joint_limit_at_rate_one_over_depth():
    errors = [
        predict(8 * depth, depth, alignment=0.05, gamma_0=1.5).gap.direction
        / joint_limit(1 / 8, alignment=0.05, gamma_0=1.5).direction
        - 1
        for depth in (100, 200, 400)
    ]
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.03)


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
