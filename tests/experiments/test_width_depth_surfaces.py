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
from pcn_lib.experiments.paired_trainings import PAIRS, Curves, train_pairs
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.width_depth_surfaces import Record, Settings, Surface, predict_start
from pcn_lib.figures import width_depth_surfaces as figures
from pcn_lib.gradients import bp_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import provenance

SMALL = Settings(data_sets=("digits",), widths=(8, 32, 128), depths=(2, 4, 16), snapshots=(0, 1), seeds=2, trained=32)


def filled(value: float, cases: tuple[int, ...]) -> Curves:
    names = [f.name for f in fields(Curves)]
    shapes = [(*cases, len(PAIRS)) if name == "pairs" else cases for name in names]
    return Curves(**{name: np.full(shape, value) for name, shape in zip(names, shapes, strict=True)})


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation; its widest networks are not trained."""
    empty = filled(1e-16, (3, 3, 2, 2))
    surface = Surface("images made for a test", "images", "authors", 1.0, 0.7, empty)
    predicted = predict_start(surface, SMALL.widths, SMALL.depths)

    def spread(values: np.ndarray) -> np.ndarray:
        full = np.repeat(np.nan_to_num(values, nan=9.0)[..., None, None], 4, axis=-1).reshape(3, 3, 2, 2)
        full[:, -1, :, -1] = np.nan
        return full

    losses = spread(predicted.loss)
    curves = replace(
        empty,
        energy=losses * (1 - spread(predicted.gap)),
        pc_loss=losses,
        bp_loss=losses,
        rescaling=spread(predicted.rescaling),
        mean_rescaling=spread(predicted.mean_rescaling),
        residual=spread(np.full((3, 3), 1e-16)),
        pairs=np.repeat(np.minimum(spread(predicted.angle), 1.5)[..., None], len(PAIRS), axis=-1),
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
    network = MLP(90, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    plain = MLP(64, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    weights = jax.tree.leaves(network)
    plain = jax.tree.unflatten(jax.tree.structure(plain), [weights[0][:, :64], *weights[1:]])
    y = jnp.asarray(data.y)
    problems = [Problem(network, jnp.asarray(study.padded(data.x, 90)), y), Problem(plain, jnp.asarray(data.x), y)]
    losses = [float(jax.jit(loss)(problem)) for problem in problems]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    wide, narrow = (jax.tree.leaves(jax.jit(bp_gradient)(problem)) for problem in problems)
    np.testing.assert_allclose(wide[0][:, :64], narrow[0], atol=1e-12)
    assert not np.any(wide[0][:, 64:])


def by_hand(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, kind: str) -> jnp.ndarray:
    """Loss, or the energy at equilibrium, of a linear residual network under muPC, from its definition."""
    first, *middle, last = weights
    width, depth, outputs = first.shape[0], len(weights), len(last)
    steps = [jnp.eye(width) + w / (width * depth) ** 0.5 for w in middle]
    h = x @ first.T / x.shape[1] ** 0.5
    jacobians = [last / width]
    for step in reversed(steps):
        jacobians.append(jacobians[-1] @ step)
    for step in steps:
        h = h @ step.T
    r = y - h @ last.T / width
    s = jnp.eye(outputs) + (sum(p @ p.T for p in jacobians) if kind == "PC" else 0)
    return jnp.mean(jnp.sum(r * jnp.linalg.solve(s, r.T).T, axis=1)) / 2


def trained_by_hand(weights: list, x: np.ndarray, y: np.ndarray, kind: str, rate: float, steps: int) -> list:
    """Gradients before each update of Adam, each as one long vector."""
    slope = jax.jit(jax.grad(lambda w: by_hand(w, x, y, kind)))
    first = [np.zeros(w.shape) for w in weights]
    second, found = [np.zeros(w.shape) for w in weights], []
    for t in range(1, steps + 1):
        gradients = [np.asarray(g) for g in slope(weights)]
        found.append(np.concatenate([g.ravel() for g in gradients]))
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g**2 for v, g in zip(second, gradients, strict=True)]
        weights = [
            w - rate * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
    return found


def test_every_pair_of_trainings_is_what_adam_written_out_gives_at_its_two_rates():
    data, depth, width, eta = images("digits", Selection(6)), 4, 5, 0.02
    mlp, key = MLP(64, width, depth, 10, skips=True), jax.random.key(3)
    first, middle, last = jax.tree.leaves(mlp.init(key, mupc_skips(), jnp.float64))
    weights = [np.asarray(w) for w in (first, *middle, last)]
    # Optax multiplies integers and floats.
    with jax.numpy_dtype_promotion("standard"):
        measured = train_pairs(mlp, 4, key, (jnp.asarray(data.x), jnp.asarray(data.y)), eta)["pairs"]
    rates = eta / (width * depth) ** 0.5, eta / width**0.5
    ours = {
        (kind, i): trained_by_hand(weights, data.x, data.y, kind, rates[i], 4) for kind in ("PC", "BP") for i in (0, 1)
    }
    # 0 is eta (N L)^-1/2 and 1 is eta N^-1/2, predictive coding's before backpropagation's.
    named = {"equal": (0, 0), "BP faster": (0, 1), "both faster": (1, 1), "PC faster": (1, 0)}
    for name, (pc, bp) in named.items():
        place = list(PAIRS).index(name)
        pairs = zip(ours["PC", pc], ours["BP", bp], strict=True)
        expected = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
        np.testing.assert_allclose(1 - measured[:, place], expected, atol=1e-7)
    assert np.ptp(measured[-1]) > 0.01


def test_some_of_the_cases_keep_every_pair_of_trainings():
    curves = replace(filled(0.0, (2, 3, 4, 5)), pairs=np.arange(480.0).reshape(2, 3, 4, 5, 4))
    assert curves[..., 0].pairs.shape == (2, 3, 4, 4) and curves[:, :2].pairs.shape == (2, 2, 4, 5, 4)
    np.testing.assert_array_equal(curves[..., 2].one_minus_cosine, curves.one_minus_cosine[..., 2])


def test_the_expected_loss_is_the_mean_over_many_draws():
    data = images("digits", Selection(8))
    surface = study._surface(Settings(), [data], filled(0.0, (1, 1, 1, 1)))
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
    monkeypatch.setattr(study, "images", lambda name, selection, preparation, default: digits)
    assert study.load(Settings(data_sets=("cifar10", "fashion_mnist"), seeds=2)) == [[digits, digits]]


def test_batches_have_images_of_their_own_and_the_papers_three_for_the_second_data_set(monkeypatch):
    asked = []

    def drawn(name, selection, preparation, default):
        asked.append((name, selection.seed, preparation.value))
        return replace(images("digits", Selection(2)), name=name)

    monkeypatch.setattr(study, "images", drawn)
    study.load(Settings(data_sets=("cifar10", "fashion_mnist"), seed=5, seeds=4))
    first = [("cifar10", seed, "authors") for seed in (5, 6, 7, 8)]
    assert asked == [*first, *(("fashion_mnist", seed, "authors") for seed in (5, 6, 7))]


def test_wide_networks_are_measured_before_training_alone(monkeypatch):
    settings = Settings(
        data_sets=("digits",), widths=(2, 4, 8), depths=(2, 3), samples=4, snapshots=(0, 2), seeds=1, trained=4
    )
    # Optax multiplies integers and floats; threads of the study do not inherit a context.
    monkeypatch.setattr(study, "at_once", lambda measure, points: [measure(point) for point in points])
    with jax.numpy_dtype_promotion("standard"):
        pairs = study.run(settings).surfaces[0].curves.pairs
    assert np.isfinite(pairs[:, :, :, 0]).all() and np.isfinite(pairs[:, :2]).all()
    assert np.isnan(pairs[:, 2, :, 1]).all()


def test_snapshots_that_leave_out_the_start_are_refused():
    with pytest.raises(SettingsError, match="first be 0"):
        Settings(snapshots=(1, 2))


def test_a_limit_below_which_fewer_than_two_networks_train_is_refused():
    with pytest.raises(SettingsError, match="trained = 4 given"):
        Settings(widths=(2, 8, 32), trained=4)


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_gradients_that_stay_apart_as_the_width_grows_fail_the_claims(ideal: Record):
    apart = np.full((3, 3, 2, 2, 4), 0.5)
    assert {"size of 1 - cos, images", "rate of 1 - cos, images"} <= failing(changed(ideal, pairs=apart))


def test_a_norm_that_is_the_mean_eigenvalue_fails_its_claim(ideal: Record):
    wrong = changed(ideal, rescaling=ideal.surfaces[0].curves.mean_rescaling)
    assert failing(wrong) == {"the largest eigenvalue of S - I"}


def test_an_energy_above_the_loss_fails_its_claim(ideal: Record):
    energy = ideal.surfaces[0].curves.energy.copy()
    energy[:, :2, :, -1] = 2 * ideal.surfaces[0].curves.pc_loss[:, :2, :, -1]
    assert "energies lie below losses" in failing(changed(ideal, energy=energy))


def test_figures_name_the_data_and_take_a_recorded_run(ideal: Record):
    pictures = [figures.heat(ideal, ideal.surfaces[0]), figures.rates(ideal), figures.rates(ideal, ideal)]
    assert all("images made for a test" in picture.caption for picture in pictures)
    assert "grey, not trained" in pictures[0].caption and "nan" not in pictures[0].svg.decode()
