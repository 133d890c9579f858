"""The study of the activity Hessian: the claims on a record that theory made, and its new computations."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import activity_hessian as claims
from pcn_lib.energy import energy
from pcn_lib.experiments import activity_hessian as study
from pcn_lib.experiments.activity_hessian import TOLERANCE, Record, Settings, skip_chain_ends
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures import activity_hessian as figures
from pcn_lib.network import feedforward
from pcn_lib.results import provenance
from tests.cases import Case

SMALL = Settings(widths=(8, 64), depth=4, depths=(8, 16), width=64, samples=1)


NETWORKS = [
    *((kind, width, 3) for width in SMALL.widths for kind in ("linear MLP", "tanh MLP")),
    *(("tanh MLP", 64, 7), ("tanh MLP", 64, 15), ("CNN", 8, 9)),
    *(("transformer", 8, 3), ("transformer, trained", 8, 3)),
]


def record_of(networks: list[tuple[str, int, int]]) -> Record:
    """What theory says of networks given as (kind, N, H), made without any computation."""
    names, width, hidden = zip(*networks, strict=True)
    low, high = np.array([skip_chain_ends(H) for H in hidden]).T
    k = high / low
    norm = np.array([H / N if name == "linear MLP" else np.nan for name, N, H in networks])
    error_largest = np.where(np.isnan(norm), 1 + np.array(hidden) / np.array(width), 1 + norm)
    descent = np.log(1 / TOLERANCE) / np.log((k + 1) / (k - 1))
    made = provenance(SMALL, seconds=1.0, data_set="numbers made for a test", dtype="float64")
    count = len(networks)
    return Record(
        SMALL, made, names, np.array(width), np.array(hidden), low * (1 - 1e-9), high, np.ones(count), error_largest,
        norm, descent.astype(int), np.full(count, 3),
    )  # fmt: skip


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds."""
    return record_of(NETWORKS)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


@pytest.mark.parametrize(
    "field, factor, broken",
    [
        ("error_largest", 1.01, {"linear: the Hessian in the errors"}),
        ("solver_steps", 1000, {"the solver does not pay it"}),
        ("descent_steps", 2, {"descent is no slower than theory allows"}),
        ("smallest", 1.08, {
            "a transformer begins as a chain: smallest", "branches slow the slowest mode",
            "descent is no slower than theory allows",
        }),
        ("largest", 1.08, {"a transformer begins as a chain: largest"}),
        ("largest", 0.5, {
            "a transformer begins as a chain: largest", "conditioning is at least the bound",
            "descent is no slower than theory allows",
        }),
    ],
)  # fmt: skip
def test_a_broken_quantity_fails_its_claim(ideal: Record, field: str, factor: float, broken: set[str]):
    values = getattr(ideal, field)
    assert failing(replace(ideal, **{field: (values * factor).astype(values.dtype)})) == broken


@pytest.mark.parametrize(("power", "broken"), [(1, set()), (0.5, {"weights of 0.02 at every width leave the chain"})])
def test_wider_transformers_leave_the_chain_in_proportion_to_their_width(power: float, broken: set[str]):
    record = record_of([*NETWORKS, ("transformer", 32, 3)])
    rows = record.rows("transformer")
    smallest = record.smallest.copy()
    smallest[rows] *= 1 - 0.001 * (record.width[rows] / 8) ** power
    assert failing(replace(record, smallest=smallest)) == broken


@pytest.mark.parametrize("hidden", [2, 7])
def test_the_ends_of_a_chain_are_those_of_its_matrix(hidden: int):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    values = np.linalg.eigvalsh(chain.T @ chain)
    np.testing.assert_allclose(skip_chain_ends(hidden), (values[0], values[-1]), rtol=1e-12)


def test_descent_stops_at_the_first_step_that_meets_the_tolerance():
    problem = Case(batch=2, depth=3).problem()
    steps = int(study.descent_steps(problem, 0.2))
    slope = jax.jit(jax.grad(lambda z: 2 * energy(problem, z)))
    z = feedforward(problem.network, problem.x).activities
    norms = []
    for _ in range(steps + 1):
        gradient = slope(z)
        norms.append(float(jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))))
        z = jax.tree.map(lambda a, g: a - 0.2 * g, z, gradient)
    assert norms[steps] <= TOLERANCE * norms[0] < norms[steps - 1]


@pytest.mark.parametrize("draw", [figures.ends, figures.cost])
def test_a_figure_names_the_data_really_used(ideal: Record, draw):
    assert "numbers made for a test" in draw(ideal).caption


def test_the_table_has_a_row_for_every_network(ideal: Record):
    rows = figures.table(ideal).rows
    assert rows[0][0] == "linear MLP, N = 8, H = 3" and len(rows) == len(ideal.architectures)


def test_sizes_that_are_too_small_are_refused():
    with pytest.raises(SettingsError, match="choose depth >= 2"):
        Settings(depth=1)
