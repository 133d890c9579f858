"""The tutorial's study: the network is the sum of its parts, and each claim fails on a broken record."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.your_own_network import claims
from pcn_lib.energy import Problem
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.your_own_network import (
    PRESETS,
    Record,
    first_order_energy,
    network,
    preset,
    wines,
)
from pcn_lib.figures import your_own_network as figures
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import equilibrated_energy
from pcn_lib.results import provenance

SIZES = PRESETS["quick"]


@pytest.fixture(scope="module")
def record() -> Record:
    """What theory says: 1 - F*/Loss = 3.6 L/4N and 1 - cos = 6 (L/N)^2, levelling off where N reaches L."""
    ratio = SIZES.depth / np.array(SIZES.widths, dtype=float)
    shape = (SIZES.seeds, len(SIZES.widths), SIZES.steps)
    loss = np.broadcast_to(0.5 * 0.95 ** np.arange(SIZES.steps), shape)
    gap = np.broadcast_to((0.9 * ratio / (1 + ratio))[:, None], shape)
    angle = np.broadcast_to((6 * ratio**2 / (1 + 10 * ratio**2))[:, None], shape)
    energy = loss * (1 - gap)
    made = provenance(SIZES, seconds=1.0, data_set="48 wines", dtype="float64")
    return Record(SIZES, made, angle, energy, loss, loss, energy, np.full(shape, 1e-9))


def test_the_claims_hold_on_theorys_record(record):
    assert [claim.name for claim in claims(record) if not claim.as_expected] == []


@pytest.mark.parametrize(
    "broken, name",
    [
        (lambda r: replace(r, residual=r.residual * 1e3), "equilibria are certified"),
        (lambda r: replace(r, one_minus_cosine=np.sqrt(r.one_minus_cosine)), "the rate"),
        (lambda r: replace(r, one_minus_cosine=r.one_minus_cosine + 0.05), "wide: one gradient"),
        (lambda r: replace(r, predicted=r.pc_loss), "the rescaling predicts the energy"),
        (lambda r: replace(r, one_minus_cosine=r.one_minus_cosine * 1e-3), "narrow: one gradient"),
    ],
)
def test_a_broken_record_fails_its_claim(record, broken, name):
    assert name in [claim.name for claim in claims(broken(record)) if not claim.as_expected]


def test_figures_show_the_record(record):
    for draw in (figures.limit, figures.training):
        picture = draw(record)
        assert "48 wines" in picture.caption and picture.alt


def test_the_network_is_its_layers_one_after_the_other():
    width, depth = 6, 5
    batch = jax.random.normal(jax.random.key(1), (2, 13))
    given, x = network(jax.random.key(0), (width, depth), batch, 3), batch[0]
    assert {leaf.dtype.name for leaf in jax.tree.leaves(given)} == {"float64"}
    first, stack = given.blocks
    h = first.module(x) / np.sqrt(13)
    value, gate = stack.layers.module.value.kernel[...], stack.layers.module.gate.kernel[...]
    for V, G in zip(value, gate, strict=True):
        h = h + (h @ V) * jax.nn.sigmoid(h @ G / np.sqrt(width)) / np.sqrt(width * depth)
    expected = given.readout.module(h) / width
    np.testing.assert_allclose(given.sample_forward(x).output, expected, rtol=1e-12)


def test_first_order_is_exact_for_a_linear_network():
    mlp = MLP(3, 5, 4, outputs=2, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    x, y = jax.random.normal(jax.random.key(1), (4, 3)), jax.random.normal(jax.random.key(2), (4, 2))
    problem = Problem(mlp, x, y)
    np.testing.assert_allclose(first_order_energy(problem), equilibrated_energy(problem), rtol=1e-10)


def test_wines_are_standardised_one_hot_and_drawn_by_their_seed():
    x, y = wines(178, 0)
    np.testing.assert_allclose((x.mean(axis=0), x.std(axis=0)), (np.zeros(13), np.ones(13)), atol=1e-12)
    assert y.sum(axis=0).tolist() == [59, 71, 48] and set(y.ravel()) == {0, 1}
    assert not np.array_equal(wines(5, 0)[0], wines(5, 1)[0]) and np.array_equal(wines(5, 3)[0], wines(5, 3)[0])
    with pytest.raises(ValueError, match="there are 178"):
        wines(179, 0)


def test_settings_are_checked():
    with pytest.raises(SettingsError):
        preset("quick", depth=2)
    assert jnp.isfinite(preset("smoke").rate)
