"""What the chapter on convolutional networks writes out: its images, inference by count, and when narrow is narrow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, loss
from pcn_lib.inference import equilibrate, gradient_descent
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.study import load
from tests.studies.chapters import ROOT, claims_of, defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("convolutional_networks", profile="smoke")


@pytest.fixture(scope="module")
def problem() -> Problem:
    network = MLP(10, 16, 4, 3, jnp.tanh, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    return Problem(network, jax.random.normal(jax.random.key(1), (3, 10)), jnp.eye(3))


def test_an_enlarged_image_repeats_its_pixels_and_each_seed_has_its_own(names):
    first, other = (names["batch"](5, draw) for draw in (0, 1))
    assert first.x.shape == (5, 8, 8, 1) and -1 <= first.x.min() < first.x.max() <= 1
    assert not np.array_equal(first.x, other.x)
    one, two = (names["problem"](first, 2, seed, factor=3) for seed in (0, 1))
    for i, j in np.ndindex(3, 3):
        np.testing.assert_array_equal(one.x[:, i::3, j::3], first.x.astype("float32"))
    assert not np.array_equal(*(given.network.readout.weight[...] for given in (one, two)))


def test_inference_by_count_ends_after_each_of_the_counts(names, problem):
    counts = (1, 5, 400)
    found = names["counted"](problem, jnp.array(counts))
    assert found["inference_steps"].tolist() == list(counts)
    for place, count in enumerate(counts):
        end = equilibrate(problem, gradient_descent(0.3, count))
        assert found["energy"][place] == pytest.approx(float(end.energy), rel=1e-12)
        assert found["residual"][place] == pytest.approx(float(end.residual.max()), rel=1e-6)
    assert found["pc_loss"].tolist() == pytest.approx([float(loss(problem))] * 3)
    # After enough steps gradient descent ends where certified inference does.
    certified = jax.jit(names["gradients"])(problem)
    assert certified["converged"]
    assert found["one_minus_cosine"][-1] == pytest.approx(float(certified["one_minus_cosine"]), rel=1e-3)


@pytest.mark.parametrize(("m", "cosine", "listed"), [(0.15, 0.9, False), (0.25, 0.9, True), (0.25, 0.999, True)])
def test_a_narrow_network_is_told_by_its_rescaling_and_must_have_two_gradients(m, cosine, listed):
    record = load(ROOT / "results" / "recorded" / "convolutional_networks.nc")
    names = defined("convolutional_networks", profile="full")
    record["enlarged"]["expected"] = record["enlarged"].expected * 0 + m / 4  # of N = 8; m is that of N = 2
    record["trained"]["one_minus_cosine"] = record["trained"].one_minus_cosine * 0 + 1 - cosine
    found = {claim.name: claim for claim in claims_of("convolutional_networks", names, record)}
    assert ("a narrow network: one gradient" in found) == listed
    assert not listed or found["a narrow network: one gradient"].as_expected == (cosine < 0.99)
