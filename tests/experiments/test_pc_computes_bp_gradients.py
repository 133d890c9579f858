"""The study of the two gradients measures what it says, and its predictions are those of random matrices."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.pc_computes_bp_gradients import claims
from pcn_lib.energy import Problem
from pcn_lib.experiments.initial_gradients import farthest_gamma, limiting_loss_gradient
from pcn_lib.experiments.pc_computes_bp_gradients import Record, Settings, run
from pcn_lib.experiments.square_networks import draw, square_cosines
from pcn_lib.figures.pc_computes_bp_gradients import collapse, layers, rates
from pcn_lib.gap import joint_limit, predict
from pcn_lib.gradients import bp_gradient, closed_form_gradient, compare
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import rescaling
from pcn_lib.results import load, save

SMALL = Settings(inputs=6, samples=8, widths=(12, 40), depths=(2, 3), seeds=2, gammas=(1.0, 2.0), squares=(4, 8))


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


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims(record) if not claim.as_expected}


def test_a_gradient_that_keeps_its_size_fails_the_claims_that_it_vanishes(record):
    names = {"grad Loss vanishes with width", "size of grad Loss"}
    level = replace(record, loss_gradient=np.ones_like(record.loss_gradient))
    assert names <= failing(level)
    theory = [limiting_loss_gradient(width, 2, alignment=record.alignment) for width in SMALL.widths]
    assert not names & failing(
        replace(record, loss_gradient=np.array(theory)[:, None] * np.array([0.98, 1.02]) * np.ones((2, 1, 1)))
    )


def test_the_loss_gradients_size_is_that_of_a_wide_network():
    width, depth = 600, 4
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 6)), np.sign(np.arange(8) - 3.5)[:, None]
    problem = Problem(
        MLP(6, width, depth, skips=True).init(jax.random.key(0), mupc_skips(2.0), "float64"), *map(jnp.asarray, (x, y))
    )
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(bp_gradient(problem))))
    q = np.sum(np.mean(x * y, axis=0) ** 2) / 6
    assert norm == pytest.approx(limiting_loss_gradient(width, depth, alignment=q, gamma_0=2.0), rel=0.1)


def by_gamma(record: Record, gammas, heights) -> Record:
    direction = np.array(heights)[:, None] * np.ones(2)
    gap = replace(record.by_gamma, direction=direction, rescaling=np.zeros_like(direction))
    return replace(record, settings=replace(SMALL, gammas=gammas), by_gamma=gap)


def test_an_angle_that_only_falls_with_richness_fails_the_claim_of_a_peak(record):
    gammas = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
    name = "the angle peaks over gamma_0"
    assert name in failing(by_gamma(record, gammas, np.array(gammas) ** -2.0))
    width, depth = record.middle
    predicted = [predict(width, depth, alignment=0.05, gamma_0=g).gap.direction for g in gammas]
    assert name not in failing(by_gamma(record, gammas, predicted))


@pytest.mark.parametrize("width, depth", [(128, 8), (40, 3)])
def test_the_predicted_angle_is_largest_at_the_gamma_0_that_is_said(width, depth):
    gammas = np.geomspace(0.02, 5, 4001)
    angles = [predict(width, depth, alignment=0.05, gamma_0=g).gap.direction for g in gammas]
    assert gammas[np.argmax(angles)] == pytest.approx(farthest_gamma(width, depth), rel=2e-3)


def test_square_networks_that_stay_where_they_are_fail_the_conjecture(record):
    limit = 1 - joint_limit(1.0, alignment=record.alignment).direction
    name = "networks as deep as wide approach the joint limit"
    stuck, near = np.full((2, 20), limit - 0.2), np.full((2, 20), limit - 0.2)
    near[1] = limit - 0.05
    assert name in failing(replace(record, square=stuck))
    assert name not in failing(replace(record, square=near))


def test_the_angle_of_square_networks_is_that_of_the_librarys_gradients():
    size, inputs = 6, 4
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, inputs)), rng.standard_normal((5, 1))
    first, hidden, last = draw(size, size, inputs, np.random.default_rng((3, size, 0)))
    network = MLP(inputs, size, size, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    leaves, tree = jax.tree.flatten(network)
    weights = [first, hidden, last[None]]
    assert [leaf.shape for leaf in leaves] == [w.shape for w in weights]
    problem = Problem(jax.tree.unflatten(tree, [jnp.asarray(w) for w in weights]), *map(jnp.asarray, (x, y)))
    expected = compare(closed_form_gradient(problem), bp_gradient(problem)).total.cosine
    assert square_cosines(x, y, (size,), seeds=1, seed=3)[0, 0] == pytest.approx(float(expected), rel=1e-10)


def test_turning_the_readouts_sign_turns_every_blocks_product_and_both_parities_differ_in_the_readout():
    """With r = y: grad s is even and grad Loss odd in W_L, but for W_L's own block, where it is the other way round."""
    rng = np.random.default_rng(2)
    x, y = map(jnp.asarray, (rng.standard_normal((5, 3)), rng.standard_normal((5, 1))))
    network = MLP(3, 4, 4, skips=True).init(jax.random.key(1), mupc_skips(), "float64")
    leaves, tree = jax.tree.flatten(network)
    flipped = jax.tree.unflatten(tree, [*leaves[:-1], -leaves[-1]])

    def gradients(net):
        of_s = jax.grad(lambda n: rescaling(n)[0, 0])(net)
        of_loss = jax.grad(lambda n: -jnp.mean(y * feedforward(n, x).output))(net)
        return jax.tree.leaves(of_s), jax.tree.leaves(of_loss)

    (s, loss), (s_flipped, loss_flipped) = gradients(network), gradients(flipped)
    for i in range(len(leaves)):
        parity = -1 if i == len(leaves) - 1 else 1
        np.testing.assert_allclose(s_flipped[i], parity * s[i], atol=1e-15)
        np.testing.assert_allclose(loss_flipped[i], -parity * loss[i], atol=1e-15)
