"""Surfaces over width and depth: several data sets in one compilation, what is predicted, and the claims."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import width_depth_surfaces as claims
from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, loss
from pcn_lib.experiments import width_depth_surfaces as study
from pcn_lib.experiments.linear_trainings import Curves
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.width_depth_surfaces import Record, Settings, Surface, predict_start
from pcn_lib.figures import width_depth_surfaces as figures
from pcn_lib.gradients import bp_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import provenance

SMALL = Settings(data_sets=("digits",), widths=(8, 32, 128), depths=(2, 4, 16), snapshots=(0, 1), seeds=2)


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    blank = np.full((3, 3, 2, 2), 1e-16)
    empty = Curves(*(blank for _ in fields(Curves)))
    surface = Surface("images made for a test", "images", 1.0, 0.7, empty)
    predicted = predict_start(surface, SMALL.widths, SMALL.depths)

    def spread(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.nan_to_num(values, nan=9.0)[..., None, None], blank.shape)

    losses = spread(predicted.loss)
    curves = replace(
        empty,
        energy=losses * (1 - spread(predicted.gap)),
        pc_loss=losses,
        bp_loss=losses,
        rescaling=spread(predicted.rescaling),
        mean_rescaling=spread(predicted.mean_rescaling),
        one_minus_cosine=np.minimum(spread(predicted.angle), 1.5),
    )
    made = provenance(SMALL, seconds=1.0, data_set="images made for a test")
    return Record(SMALL, made, (replace(surface, curves=curves),))


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def changed(record: Record, **values: np.ndarray) -> Record:
    surface = record.surfaces[0]
    return replace(record, surfaces=(replace(surface, curves=replace(surface.curves, **values)),))


def test_a_network_with_padded_inputs_computes_and_learns_the_same():
    data = images("digits", Selection(4))
    wider = replace(data, x=np.ones((4, 90)))
    padded, _ = study.same_inputs([data, wider])
    network = MLP(90, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    plain = MLP(64, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    weights = jax.tree.leaves(network)
    plain = jax.tree.unflatten(jax.tree.structure(plain), [weights[0][:, :64], *weights[1:]])
    problems = [Problem(n, jnp.asarray(d.x), jnp.asarray(d.y)) for n, d in ((network, padded), (plain, data))]
    losses = [float(jax.jit(loss)(problem)) for problem in problems]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    wide, narrow = (jax.tree.leaves(jax.jit(bp_gradient)(problem)) for problem in problems)
    np.testing.assert_allclose(wide[0][:, :64], narrow[0], atol=1e-12)
    assert not np.any(wide[0][:, 64:])


def test_the_expected_loss_is_the_mean_over_many_draws():
    data = images("digits", Selection(8))
    surface = study._surface(data, Curves(*(np.zeros((1, 1, 1, 1)) for _ in fields(Curves))))
    rng, depth, width = np.random.default_rng(0), 4, 6
    found = []
    for _ in range(4000):
        h = data.x @ rng.standard_normal((64, width)) / 8
        for _ in range(depth - 2):
            h = h + h @ rng.standard_normal((width, width)) / (width * depth) ** 0.5
        found.append(np.mean(np.sum((data.y - h @ rng.standard_normal((width, 10)) / width) ** 2, axis=1)) / 2)
    predicted = predict_start(surface, (width,), (depth,)).loss[0, 0]
    assert predicted == pytest.approx(np.mean(found), abs=4 * np.std(found) / 4000**0.5)


def test_data_sets_that_are_both_missing_become_the_digits_once(monkeypatch):
    digits = images("digits", Selection(4))
    monkeypatch.setattr(study, "images", lambda name, selection, default: digits)
    assert study.load(Settings(data_sets=("cifar10", "fashion_mnist"))) == [digits]


def test_snapshots_that_leave_out_the_start_are_refused():
    with pytest.raises(SettingsError, match="first be 0"):
        Settings(snapshots=(1, 2))


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_gradients_that_stay_apart_as_the_width_grows_fail_the_claims(ideal: Record):
    apart = np.full((3, 3, 2, 2), 0.5)
    assert {"size of 1 - cos, images", "rate of 1 - cos, images"} <= failing(changed(ideal, one_minus_cosine=apart))


def test_a_norm_that_is_the_mean_eigenvalue_fails_its_claim(ideal: Record):
    wrong = changed(ideal, rescaling=ideal.surfaces[0].curves.mean_rescaling)
    assert failing(wrong) == {"the largest eigenvalue of S - I"}


def test_an_energy_above_the_loss_fails_its_claim(ideal: Record):
    energy = ideal.surfaces[0].curves.energy.copy()
    energy[..., -1] = 2 * ideal.surfaces[0].curves.pc_loss[..., -1]
    assert "energies lie below losses" in failing(changed(ideal, energy=energy))


def test_figures_name_the_data_and_take_a_recorded_run(ideal: Record):
    pictures = [figures.heat(ideal, ideal.surfaces[0]), figures.rates(ideal), figures.rates(ideal, ideal)]
    assert all("images made for a test" in picture.caption for picture in pictures)
