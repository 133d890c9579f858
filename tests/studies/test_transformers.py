"""What the chapter on transformers writes out, against slow computations and on tables that are made, not measured."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import figure4
from pcn_lib.energy import loss
from pcn_lib.network import feedforward
from pcn_lib.provenance import provenance
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("transformers", profile="smoke")


@pytest.fixture(scope="module")
def problem(names):
    return names["problem"](names["passage"](0), 8)


@pytest.fixture(scope="module")
def alone(problem):
    """Its first sample."""
    return replace(problem, x=problem.x[:1], y=problem.y[:1])


@pytest.fixture(scope="module")
def start(names, alone) -> dict:
    return names["certified"](alone)


def test_a_draw_is_a_passage_and_weights_of_its_own_and_every_character_counts_one(names, problem, alone, start):
    other = names["problem"](names["passage"](1), 8, seed=1)
    assert not np.array_equal(problem.x, other.x)
    assert not np.array_equal(*(one.network.readout.weight[...] for one in (problem, other)))
    # Each window begins one character after the one before.
    np.testing.assert_array_equal(problem.x[1:, :-1], problem.x[:-1, 1:])
    assert problem.output_precision == problem.x.shape[1]
    assert start["converged"] and 0 < 1 - start["energy"] / jax.jit(loss)(alone) < 1e-3


def test_one_sweep_moves_the_top_by_the_sum_of_backpropagations_deltas(alone, start):
    @jax.jit
    def moved(network, x, y):
        zero = jax.tree.map(jnp.zeros_like, feedforward(network, x).activities)
        weighed = lambda e: alone.output_precision * alone.loss(feedforward(network, x, e).output[0], y[0])  # noqa: E731
        deltas = jax.tree.map(jnp.negative, jax.grad(weighed)(zero))
        h, z = (feedforward(network, x, e).activities[-1][0, -1] for e in (zero, deltas))
        return jnp.linalg.norm(z - h) / jnp.linalg.norm(h)

    expected = float(moved(alone.network, alone.x, alone.y))
    assert float(start["predicted"]) == pytest.approx(expected, rel=1e-4)
    assert float(start["predicted"]) == pytest.approx(float(start["displacement"]), rel=0.05)


def test_the_propositions_formulae_are_those_on_paper(names):
    found = names["foreseen"](hidden=3, width=8, characters=5, loss=2.0, sigma=0.1)
    assert found["displacement"] == pytest.approx(0.4**0.5 * 3 / 8)
    assert found["gap"] == pytest.approx(0.01 * 3 * 0.8 / 32)


@pytest.fixture
def made() -> dict:
    """The published network's draws: about the published values with one list of layers, 0.05 lower with the other."""
    read = {curve.width: curve.cosine[0] for curve in figure4("transformer") if curve.width <= 256}
    names = defined("transformers", profile="smoke", other_list=(8, 16, 32, 64, 128))
    scatter = 0.01 * np.array([-1, -0.6, -0.2, 0.2, 0.6, 1])
    cosine = np.array(list(read.values()))[:, None] + scatter
    angle = 1 - np.stack([cosine, cosine - 0.05])
    start = xr.Dataset(
        {"one_minus_cosine": (("layers", "width", "seed"), angle)},
        dict(layers=list(names["LISTS"]), width=list(read), seed=range(6)),
    )
    flat = xr.Dataset({"one_minus_cosine": (("width", "seed", "step"), np.zeros((1, 1, 60)))}, dict(width=[32]))
    return names | dict(start=start.assign_attrs(_origin("Tiny Shakespeare")), trained=flat)


def _origin(data: str, blocks: int = 12) -> dict[str, str]:
    settings = dict(blocks=blocks, heads=8, length=32, samples=128)
    return dict(provenance=provenance(settings, seconds=1.0, data_set=data).as_json())


def test_published_values_are_held_against_the_published_network_and_text_only(made):
    assert len(made["papers"](made["start"])) == 7
    for origin in (_origin("A Midsummer Night's Dream"), _origin("Tiny Shakespeare", blocks=2)):
        assert made["papers"](made["start"].assign_attrs(origin)) == ()


def test_the_list_of_layers_that_fits_is_the_nearest_whichever_it_is(made):
    start, layers = made["start"], list(made["LISTS"])
    found = made["compared"](start, made["trained"])
    assert found["hypotheses"].settings.values.tolist() == layers
    numbers = found["published"].to_dataframe()
    first = numbers[numbers.step == 0]
    assert first.network.tolist() == [f"N = {N}" for N in (8, 16, 32, 64, 128, 256)]
    np.testing.assert_allclose(first["mean"], first.published, rtol=1e-12)
    assert numbers[numbers.step > 0][["network", "step"]].to_numpy().tolist() == [["N = 32", 25], ["N = 32", 50]]
    swapped = start.assign_coords(layers=layers[::-1]).sel(layers=layers)
    assert made["compared"](swapped, made["trained"])["hypotheses"].settings.values.tolist() == layers[::-1]
