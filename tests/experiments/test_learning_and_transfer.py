"""Learning and transfer: the form compiled once, the kernel, best rates, and claims on records made by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import learning_and_transfer as claims
from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.experiments import learning_and_transfer as study
from pcn_lib.experiments.learning_and_transfer import Accuracies, Record, Settings
from pcn_lib.experiments.learning_rates import Start, Sweep, Task, accuracy, learn, start, tangent_kernel
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures import learning_and_transfer as figures
from pcn_lib.inference import Sweeps
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips, sp
from pcn_lib.results import provenance
from pcn_lib.training import GradientDescent, Schedule, train_batches
from tests.oracles import dense_layers, layer_map

SMALL = Settings(
    train_samples=40, test_samples=20, widths=(64, 256), depths=(4, 8), width=16, learned_widths=(16, 64),
    learned_depths=(4, 16), mupc_rates=(0, 1, 2), sp_rates=(-3, -2, -1), steps=8, learned_steps=8, batch=8,
)  # fmt: skip
SOLVER = Sweeps(1e-2, 15, accelerate=True)


def sweep_with(best: tuple[float, ...], kernel: tuple[float, ...], exponents: tuple[int, ...]) -> Sweep:
    """Losses that are parabolas in log2 eta, the same for both rules and seeds."""
    tried = np.array(exponents, float)
    losses = np.exp((tried[None] - np.log2(best)[:, None]) ** 2)[..., None] * np.ones(2)
    return Sweep(tried, losses, losses, np.array(kernel)[:, None] * np.ones(2), np.ones_like(losses))


@pytest.fixture
def ideal() -> Record:
    """A record as theory has it: rates flat under muPC, falling as 1/N under SP, PC and BP apart only where narrow."""
    made = provenance(SMALL, seconds=1.0, data_set="images made for a test", dtype="float32")
    flat = sweep_with((2.0, 2.0), (1.0, 1.0), (0, 1, 2))
    falls = sweep_with((0.5, 0.125), (1.0, 4.0), (-4, -3, -2, -1, 0))
    shape = (2, 2, 2)
    curve = np.ones((*shape, 4))
    apart = curve.copy()
    apart[0, 1] = 1.5
    right = np.full(shape, 0.95)
    return Record(SMALL, made, flat, falls, flat, falls, Accuracies(right, right, apart, curve, np.ones(shape)), 0.9)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def small_task() -> Task:
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(6, 5)), "float32"), jnp.asarray(np.eye(3)[rng.integers(0, 3, 6)], "float32")
    return Task(x, y, jnp.array([[0, 1, 2], [3, 4, 5], [1, 3, 5]]), x, y)


@pytest.mark.parametrize("table", [mupc_skips(), sp()], ids=lambda table: table.name)
def test_the_form_compiled_once_trains_as_the_parameterisation_itself(table):
    mlp, task = MLP(5, 7, 4, 3, activation=jnp.tanh, skips=True), small_task()
    learned = learn(start(mlp, table, jax.random.key(3), task), 0.05, task, SOLVER)
    own = Problem(mlp.init(jax.random.key(3), table, "float32"), task.x, task.y, cross_entropy)
    expected = train_batches(own, task.batches, GradientDescent(0.05), Schedule(3, SOLVER)).history
    np.testing.assert_allclose(learned.pc_loss, expected.pc_loss, rtol=1e-5)
    np.testing.assert_allclose(learned.bp_loss, expected.bp_loss, rtol=1e-5)


def test_the_tangent_kernel_is_the_sum_of_squared_derivatives():
    mlp, task = MLP(5, 7, 3, 3, activation=jnp.tanh, skips=True), small_task()
    begin = start(mlp, sp(), jax.random.key(3), task)
    total = 0.0
    for x in np.asarray(task.x[:2]):
        *hidden, readout = dense_layers(begin.problem.network)
        h = [x]
        for layer in hidden:
            h.append(layer_map(layer, h[-1]))
        scale = [layer.scales.multiplier * np.asarray(layer.weight[...]) for layer in (*hidden, readout)]
        P2 = scale[2] * (1 - np.tanh(h[2]) ** 2)
        P1 = P2 @ (np.eye(7) + scale[1] * (1 - np.tanh(h[1]) ** 2))
        factors = [
            float(f) * layer.scales.multiplier**2 for f, layer in zip(begin.factors, (*hidden, readout), strict=True)
        ]
        inputs = (np.sum(x**2), np.sum(np.tanh(h[1]) ** 2), np.sum(np.tanh(h[2]) ** 2))
        squares = (np.sum(P1**2), np.sum(P2**2), 3.0)
        total += sum(f * i * s for f, i, s in zip(factors, inputs, squares, strict=True))
    assert tangent_kernel(begin, 2) == pytest.approx(total / 2, rel=1e-4)


def test_the_share_of_right_answers_counts_no_network_that_is_not_a_number():
    mlp, task = MLP(5, 7, 3, 3, skips=True), small_task()
    network = mlp.init(jax.random.key(0), mupc_skips(), "float32")
    right = np.argmax(feedforward(network, task.x).output, axis=1) == np.argmax(task.y, axis=1)
    assert float(accuracy(network, task.x, task.y)) == pytest.approx(right.mean())
    broken = jax.tree.map(lambda w: w * jnp.nan, network)
    assert float(accuracy(broken, task.x, task.y)) == 0


def test_the_best_rate_is_the_parabolas_minimum_and_an_end_of_the_range_is_said_to_be_one():
    sweep = sweep_with((3.0, 2.5), (1.0, 1.0), (0, 1, 2, 3))
    np.testing.assert_allclose(sweep.best(sweep.pc_loss), [3.0, 2.5], rtol=1e-9)
    assert sweep.inside(sweep.pc_loss)
    at_end = sweep_with((3.0, 16.0), (1.0, 1.0), (0, 1, 2, 3))
    assert not at_end.inside(at_end.pc_loss) and at_end.best(at_end.pc_loss)[1] == 8
    diverged = replace(sweep, pc_loss=np.where(sweep.exponents[None, :, None] > 2, np.inf, sweep.pc_loss))
    assert diverged.best(diverged.pc_loss)[0] == 4 / 1


def test_pooled_images_are_block_means_of_mean_square_one():
    x = images("digits", Selection(5)).x
    blocks = study.pooled(x, 2)
    by_hand = np.array(
        [
            [image.reshape(8, 8)[i : i + 2, j : j + 2].mean() for i in range(0, 8, 2) for j in range(0, 8, 2)]
            for image in x
        ]
    )
    np.testing.assert_allclose(blocks, by_hand / np.sqrt(np.mean(by_hand**2)), rtol=1e-12)
    assert study.pooled(x, 1) is x
    with pytest.raises(SettingsError, match="blocks must fill a square"):
        study.pooled(x, 3)


def test_the_nearest_class_mean_is_found_by_looking_at_every_distance():
    train, test = images("digits", Selection(60)), images("digits", Selection(15, test=True))
    means = [train.x[train.y[:, k] == 1].mean(axis=0) for k in range(10)]
    right = [
        np.argmin([np.sum((x - m) ** 2) for m in means]) == np.argmax(y) for x, y in zip(test.x, test.y, strict=True)
    ]
    assert study.nearest_class_mean(train, test) == pytest.approx(np.mean(right))


def test_a_study_with_too_few_rates_or_too_large_a_batch_is_refused():
    with pytest.raises(SettingsError, match="at least 3 rising exponents"):
        replace(SMALL, sp_rates=(1, 0, 2))
    with pytest.raises(SettingsError, match="choose a smaller batch"):
        replace(SMALL, batch=41)


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (
            lambda r: {"mupc_widths": sweep_with((4.0, 0.5), (1.0, 1.0), (-2, -1, 0, 1, 2, 3))},
            {
                "PC under muPC: the best rate does not move with width",
                "muPC: the tangent kernel foretells the best rate",
            },
        ),
        (
            lambda r: {"sp_widths": sweep_with((0.5, 0.5), (1.0, 4.0), (-3, -2, -1, 0))},
            {"BP under SP: the best rate does not fall with width", "SP: the tangent kernel foretells the best rate"},
        ),
        (
            lambda r: {"mupc_widths": sweep_with((2.0, 2.0), (1.0, 1.0), (1, 2, 3))},
            {"the rates tried hold the best one"},
        ),
        (
            lambda r: {"accuracies": replace(r.accuracies, pc=r.accuracies.pc - 0.2)},
            {"PC and BP learn equally well where N >> L", "networks learn more than class means"},
        ),
        (
            lambda r: {"accuracies": replace(r.accuracies, certified=0.9 * r.accuracies.certified)},
            {"equilibria of wide networks are certified"},
        ),
        (
            lambda r: {"accuracies": replace(r.accuracies, pc_loss=r.accuracies.bp_loss)},
            {"PC and BP have one loss where N < 4 L"},
        ),
    ],
)
def test_a_record_that_leaves_the_theory_fails_its_claim(ideal: Record, change, names):
    assert names <= failing(replace(ideal, **change(ideal)))


def test_predictive_codings_rates_are_claimed_where_it_shares_its_gradients(ideal: Record):
    narrow = replace(ideal, settings=replace(SMALL, widths=(16, 256)))
    names = {claim.name for claim in claims.claims(ideal)} - {claim.name for claim in claims.claims(narrow)}
    assert names == {"PC under muPC: the best rate does not move with width"}


def test_figures_name_their_data_and_lay_a_recorded_run_beside(ideal: Record):
    kept = replace(ideal, provenance=replace(ideal.provenance, data_set="images of another run"))
    for draw in (figures.rates, figures.best, figures.accuracies):
        assert "images made for a test" in draw(ideal).caption and "another run" not in draw(ideal).caption
    assert "images of another run" in figures.best(ideal, kept).caption
    assert [row[0] for row in figures.summary(ideal).rows] == ["PC, muPC", "BP, muPC", "PC, SP", "BP, SP"]


@pytest.mark.slow
def test_a_small_study_runs_and_starts_both_rules_alike():
    settings = replace(SMALL, widths=(6,), depths=(4, 4), width=6, learned_widths=(6,), learned_depths=(4,))
    record = study.run(settings)
    assert record.mupc_widths.pc_loss.shape == (1, 3, 2) and record.accuracies.pc_loss.shape == (1, 1, 2, 8)
    np.testing.assert_allclose(record.accuracies.pc_loss[..., 0], record.accuracies.bp_loss[..., 0], rtol=1e-5)
    assert isinstance(study.begin(settings, small_task(), (6, 4), sp(), 0), Start)
