"""The study of solvers measures what it says, and its claims can fail."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pcn_lib.claims.reaching_the_equilibrium import claims
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.published_inference import published_inference
from pcn_lib.experiments.reaching_the_equilibrium import Minima, Record, Settings, measure_minima, network_problem
from pcn_lib.experiments.solver_curves import METHODS, Case, Curve, Reference, solve
from pcn_lib.figures import reaching_the_equilibrium as figures
from pcn_lib.inference import equilibrate
from pcn_lib.results import load, provenance, save

SMALL = Settings(
    inputs=3, samples=2, outputs=2, wide=(32, 2), square=(3, 3), narrow=(2, 4), sweeps=16, starts=3, descent=300
)


def curve(method: str, steps, residual) -> Curve:
    """A solver whose every error is its residual."""
    steps, residual = np.array(steps), np.array(residual, dtype=float)
    return Curve(method, steps, steps * 0.7, residual, residual, residual, 0.1 + residual)


def case(activation: str, shape: str, *, reached: float, swept: float) -> Case:
    """Descents that end at 1e-2, sweeps at ``swept``, an equilibrium at ``reached``."""
    curves = []
    for method in METHODS:
        if method.name in ("gradient descent", "momentum", "Adam"):
            curves.append(curve(method.name, (1, 64, 700), (0.8, 0.1, 1e-2 if shape == "wide" else 5e-2)))
        elif method.name == "sweeps":
            curves.append(curve(method.name, (1, 4, 16), (0.3, min(swept, 1e-2), swept)))
        else:
            curves.append(curve(method.name, (1, 4, 16), (0.3, 1e-3, reached)))
    if activation == "relu":
        curves[1] = curve("momentum", (1, 64, 700), (0.8, 1e-2, 1e-5))
    return Case(activation, shape, tuple(curves), Reference(1.0, 0.9, reached, 0.1), 0, 0, 1e-3)


@pytest.fixture(scope="module")
def record() -> Record:
    """As the chapter describes it."""
    cases = [case("tanh", shape, reached=1e-13, swept=1.0) for shape in ("square", "narrow")]
    cases += [case("tanh", "wide", reached=1e-13, swept=1e-6), case("relu", "wide", reached=0.2, swept=0.5)]
    one, other = np.ones((2, 3)), np.array([[1, 1, 1], [1, 1.1, 1]])
    ends = tuple(Minima(shape, F, 0 * F, np.ones(2)) for shape, F in (("wide", one), ("narrow", other)))
    return Record(SMALL, provenance(SMALL, seconds=1.0), tuple(cases), ends)


def failed(record: Record) -> list[str]:
    return [claim.name for claim in claims(record) if not claim.as_expected]


def test_descents_are_stopped_at_powers_of_four_and_at_the_published_count():
    budgets = METHODS[0].budgets(7, 16)
    assert budgets[-1] == published_inference(7).steps == 700
    assert budgets[:-1] == (1, 4, 16, 64, 256)


def test_a_budget_given_at_run_time_takes_the_steps_that_the_solver_takes():
    problem = network_problem(SMALL, "tanh", "wide")
    reached = solve(problem, METHODS[0], 100)
    expected = equilibrate(problem, published_inference(1))
    np.testing.assert_allclose(reached.energies, expected.energies, rtol=1e-12)
    assert reached.steps.tolist() == [100, 100]


def test_every_start_of_a_wide_shallow_network_ends_at_the_certified_energy():
    found = measure_minima(SMALL, "wide")
    np.testing.assert_allclose(found.ratios, 1, rtol=1e-8)
    assert found.residuals.max() < 1e-3
    assert found.certified[0] != pytest.approx(found.certified[1])


def test_the_same_data_are_given_to_every_network():
    wide, narrow = (network_problem(SMALL, "tanh", shape) for shape in ("wide", "narrow"))
    assert jax.numpy.array_equal(wide.x, narrow.x) and jax.numpy.array_equal(wide.y, narrow.y)


def test_steps_to_a_residual_that_was_not_reached_are_infinite():
    found = curve("sweeps", (1, 2, 4), (0.5, 0.1, 0.01))
    assert (found.steps_to(0.2), found.steps_to(1e-3)) == (2, np.inf)


def test_the_claims_are_as_expected_and_the_record_survives_the_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert failed(load(Record, tmp_path / "record")) == []


def test_an_equilibrium_that_is_not_reached_fails_its_claim(record):
    cases = tuple(replace(c, reference=replace(c.reference, residual=1e-3)) for c in record.cases)
    assert failed(replace(record, cases=cases)) == ["the default reaches every tanh equilibrium"]


def test_a_narrow_network_with_one_minimum_would_be_noticed(record):
    same = replace(record, minima=(record.minima[0], replace(record.minima[0], shape="narrow")))
    assert failed(same) == ["narrow: one equilibrium"]


def test_the_pictures_name_the_published_counts_and_the_starts(record):
    assert "100,000" in figures.solvers(record, "tanh").caption
    assert "from 2 others" in figures.minima(record).caption


@pytest.mark.parametrize("activation, columns", [("tanh", 3), ("relu", 1)])
def test_the_solvers_names_lie_inside_the_picture_however_narrow_it_is(record, activation, columns):
    figure = figures.solvers(record, activation).figure
    figure.draw_without_rendering()
    names = figure.legends[0].get_window_extent()
    assert len(figure.axes) == 4 * columns
    assert 0 <= names.x0 and names.x1 <= figure.bbox.width


def test_the_tables_have_a_row_for_each_network_and_count_its_minima(record):
    assert [row[0] for row in figures.stops(record).rows] == [f"{c.activation}, {c.shape}" for c in record.cases]
    assert [row[-1].split()[0] for row in figures.ends(record).rows] == ["0", "1"]
    relu = [case for case in record.cases if case.activation == "relu"]
    assert [row[0] for row in figures.kinks(record).rows] == [case.shape for case in relu]


def test_an_activation_that_was_not_measured_is_refused_by_name(record):
    with pytest.raises(ValueError, match="activation 'gelu' given"):
        figures.solvers(record, "gelu")


def test_shapes_that_are_none_are_refused_by_name():
    with pytest.raises(SettingsError, match="'wide', 'thin'"):
        Settings(relu=("wide", "thin"))
