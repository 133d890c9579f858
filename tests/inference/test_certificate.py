"""Whatever is called converged is a minimum, at any scale of inputs, targets and weights, in either number type."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from pcn_lib.energy import Problem, cross_entropy, squared_error
from pcn_lib.inference import (
    ActivityDescent,
    Criterion,
    NewtonCG,
    NotAtEquilibrium,
    Sweeps,
    SweepsThenNewton,
    equilibrate,
)
from pcn_lib.moreau import proximal_point
from pcn_lib.numerics import identity, tree_norm
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import GradientDescent, Schedule, train
from tests.cases import Case
from tests.oracles import by_layer, dense_layers

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

WIDE = np.longdouble
#: phi and phi', the latter free of the cancellation in 1 - tanh^2.
ACTIVATIONS = {
    identity: (lambda h: h, lambda h: np.ones_like(h)),
    jnp.tanh: (np.tanh, lambda h: 4 * np.exp(-2 * abs(h)) / (1 + np.exp(-2 * abs(h))) ** 2),
    jax.nn.relu: (lambda h: np.maximum(h, 0), lambda h: (h > 0).astype(h.dtype)),
}


@dataclass(frozen=True)
class Written:
    """One sample of an MLP, written out in NumPy's long doubles: E(e), dE/de and ||dF/dz||."""

    layers: list
    loss: object
    x: np.ndarray
    y: np.ndarray

    def forward(self, errors: np.ndarray) -> list[np.ndarray]:
        """x, z_1..z_{L-1} and the output."""
        z = [self.x]
        for layer, error in zip(self.layers, [*errors, 0], strict=True):
            branch = layer["weight"] @ layer["phi"](z[-1])
            z.append(branch + error + (z[-1] if layer["skip"] else 0))
        return z

    def pull_back(self, layer: dict, h: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        through = layer["slope"](h) * (layer["weight"].T @ cotangent)
        return through + (cotangent if layer["skip"] else 0)

    def energy(self, errors: np.ndarray) -> float:
        u = self.forward(errors)[-1]
        if self.loss is squared_error:
            return np.sum(errors**2) / 2 + np.sum((self.y - u) ** 2) / 2
        return np.sum(errors**2) / 2 - np.sum(self.y * (u - u.max() - np.log(np.sum(np.exp(u - u.max())))))

    def slope(self, u: np.ndarray) -> np.ndarray:
        if self.loss is squared_error:
            return u - self.y
        p = np.exp(u - u.max())
        return np.sum(self.y) * p / p.sum() - self.y

    def in_errors(self, errors: np.ndarray) -> np.ndarray:
        """dE/de."""
        *below, u = self.forward(errors)
        found, cotangent = [], self.slope(u)
        for layer, h in zip(self.layers[:0:-1], below[:0:-1], strict=True):
            cotangent = self.pull_back(layer, h, cotangent)
            found.append(cotangent)
        return errors + np.stack(found[::-1])

    def in_activities(self, errors: np.ndarray) -> float:
        """||dF/dz||, each layer from its own error and the one above it."""
        *below, u = self.forward(errors)
        above = [*(-e for e in errors[1:]), self.slope(u)]
        pulled = [self.pull_back(*each) for each in zip(self.layers[1:], below[1:], above, strict=True)]
        return np.linalg.norm(errors + np.stack(pulled))


def written(problem: Problem, i: int) -> Written:
    layers = []
    for layer in dense_layers(problem.network):
        phi, slope = ACTIVATIONS[layer.activation]
        weight = WIDE(layer.scales.multiplier) * np.asarray(layer.weight[...], WIDE)
        layers.append(dict(weight=weight, phi=phi, slope=slope, skip=layer.skip))
    return Written(layers, problem.loss, np.asarray(problem.x[i], WIDE), np.asarray(problem.y[i], WIDE))


def lowest_near(sample: Written, errors: np.ndarray) -> float:
    """How far below E(e) SciPy's BFGS gets from e, in units in which e and dE/de on the feedforward pass are 1."""
    start = sample.energy(errors)
    slope = np.linalg.norm(sample.in_errors(0 * errors))
    unit = np.linalg.norm(errors) or slope
    if slope == 0:
        return 0.0

    def change(t: np.ndarray) -> tuple[float, np.ndarray]:
        e = errors + unit * t.reshape(errors.shape)
        return float((sample.energy(e) - start) / (unit * slope)), (sample.in_errors(e) / slope).astype(float).ravel()

    found = scipy.optimize.minimize(change, np.zeros(errors.size), jac=True, method="BFGS", options={"gtol": 1e-9})
    return -found.fun * unit * slope


#: Of what inference gained, what a certificate may leave.
LEFT = {Criterion.GRADIENT: 1e-3, Criterion.STATIONARY: 0.1}


def assert_honest(problem: Problem, solver) -> None:
    """Every certified sample has the energy that it says, a small dF/dz, and hardly anything below it."""
    answer = equilibrate(problem, solver)
    eps = float(jnp.finfo(problem.x.dtype).eps)
    for i in np.flatnonzero(answer.criterion):
        sample, errors = written(problem, i), np.stack(by_layer(answer.errors))[:, i].astype(WIDE)
        energy, (*_, z, u) = sample.energy(errors), sample.forward(errors)
        # What rounding of the output does to the loss.
        rounding = 16 * eps * (np.linalg.norm(u) + np.linalg.norm(sample.y))
        rounding *= 1 if sample.loss is cross_entropy else np.linalg.norm(sample.slope(u)) + rounding
        assert abs(float(answer.energies[i]) - energy) <= 1e-3 * energy + rounding
        if answer.criterion[i] == Criterion.GRADIENT:
            allowed = 2 * solver.tolerance * sample.in_activities(0 * errors)
            allowed += 1e4 * eps * np.linalg.norm(errors) + 16 * eps * np.linalg.norm(z)
            assert sample.in_activities(errors) <= allowed
        left = lowest_near(sample, errors)
        gained = sample.energy(0 * errors) - energy + left
        assert left <= LEFT[int(answer.criterion[i])] * gained + rounding + 1e-16 * energy


def scaled(case: Case, x: float, y: float, weights: float) -> Problem:
    """The case with everything multiplied: a scale beyond the type's range is infinity there, as it would be."""
    problem = case.problem()
    with np.errstate(over="ignore"):
        x, y, weights = (np.asarray(scale).astype(case.dtype) for scale in (x, y, weights))
    network = jax.tree.map(lambda w: w * weights, problem.network)
    targets = problem.y if case.loss is cross_entropy else problem.y * y
    return replace(problem, network=network, x=problem.x * x, y=targets)


def assert_honest_at(case: Case, solver: type, powers: tuple[float, float, float]) -> None:
    problem = scaled(case, *(10.0**power for power in powers))
    hypothesis.assume(all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(problem)))
    assert_honest(problem, solver(1e-5 if case.dtype == "float32" else 1e-8))


POWERS = st.tuples(*(st.one_of(st.just(0.0), st.floats(-3, 3), st.floats(-30, 30)) for _ in range(3)))
#: Every run draws the same examples.
SETTINGS = dict(deadline=None, derandomize=True, database=None)
TANH = Case(activation=jnp.tanh, depth=3, batch=2, dtype="float32")
LINEAR = replace(TANH, activation=identity)
CASES = [
    LINEAR,
    TANH,
    replace(TANH, dtype="float64"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@hypothesis.settings(max_examples=8, **SETTINGS)
@hypothesis.given(powers=POWERS)
def test_whatever_is_called_converged_is_a_minimum(case, powers):
    assert_honest_at(case, SweepsThenNewton, powers)


SIZES = st.builds(
    Case,
    activation=st.sampled_from(list(ACTIVATIONS)),
    loss=st.sampled_from([squared_error, cross_entropy]),
    dtype=st.sampled_from(["float32", "float64"]),
    skips=st.booleans(),
    width=st.integers(1, 8),
    outputs=st.integers(1, 4),
    batch=st.integers(1, 3),
    depth=st.integers(2, 5),
    seed=st.integers(0, 3),
)


@pytest.mark.slow
@hypothesis.settings(max_examples=40, **SETTINGS)
@hypothesis.given(case=SIZES, solver=st.sampled_from([SweepsThenNewton, NewtonCG, Sweeps]), powers=POWERS)
def test_whatever_is_called_converged_is_a_minimum_at_every_size_and_by_every_solver(case, solver, powers):
    assert_honest_at(case, solver, powers)


SOLVER = SweepsThenNewton(1e-5)


@pytest.mark.parametrize("sweeps", [1, 2])
def test_the_residual_is_the_norm_of_the_derivative_in_the_activities(sweeps):
    """Not of that in the errors, which differs from it by the Jacobians between layers."""
    problem = replace(TANH, dtype="float64", depth=5).problem()
    answer = equilibrate(problem, Sweeps(1e-15, max_steps=sweeps))
    for i, residual in enumerate(np.asarray(answer.residual)):
        sample, errors = written(problem, i), np.stack(by_layer(answer.errors))[:, i].astype(WIDE)
        expected = sample.in_activities(errors) / sample.in_activities(0 * errors)
        in_errors = np.linalg.norm(sample.in_errors(errors)) / np.linalg.norm(sample.in_errors(0 * errors))
        assert residual == pytest.approx(float(expected), rel=1e-9) != pytest.approx(float(in_errors), rel=1e-2)


def test_a_training_that_diverged_is_not_called_converged():
    history = train(TANH.problem(), GradientDescent(1e10), Schedule(4, SOLVER)).history
    assert history.energy[1] > 1e15
    assert list(history.converged) == [True, False, False, False]


@pytest.mark.parametrize("targets", [1e7, 1e10, 1e25])
def test_targets_whose_energy_hides_the_errors_are_not_called_stationary(targets):
    assert not np.any(equilibrate(scaled(TANH, 1, targets, 1), SOLVER).criterion)


def test_where_activations_saturate_dfdz_is_small_beside_the_errors_and_not_only_beside_the_feedforward_pass():
    problem = scaled(replace(TANH, dtype="float64"), 1, 1e6, 1)
    answer = equilibrate(problem, SOLVER).require()
    for i in range(2):
        sample, errors = written(problem, i), np.stack(by_layer(answer.errors))[:, i].astype(WIDE)
        assert np.linalg.norm(errors) < 1e-4 * sample.in_activities(0 * errors)
        assert sample.in_activities(errors) <= 1.1e-2 * np.linalg.norm(errors)


def test_a_sample_without_a_pull_on_its_activities_is_at_equilibrium_and_a_saturated_one_is_not():
    """Both have dF/dz = 0; the slope of the first is zero, that of the second has only rounded to zero."""
    problem = TANH.problem()
    silent = replace(problem, network=jax.tree.map(lambda w: w * 1.0, problem.network))
    silent.network.readout.weight[...] *= 0
    saturated = scaled(TANH, 1e4, 1e9, 1)
    at_rest, hidden = (equilibrate(each, SOLVER) for each in (silent, saturated))
    assert np.all(at_rest.criterion == Criterion.GRADIENT) and np.all(at_rest.energies > 0)
    assert not np.any(hidden.criterion) and np.all(np.isnan(hidden.residual))
    with pytest.raises(NotAtEquilibrium, match="where numbers overflow, vanish or saturate activations"):
        hidden.require()
    # In long doubles the loss moves the activities by more than themselves.
    exact = written(saturated, 0)
    assert 0 < exact.in_activities(np.zeros((2, 5), WIDE))


@pytest.mark.parametrize(
    "solver", [ActivityDescent(optax.sgd(0.1), 3), LinearExact(), Sweeps(max_steps=3)], ids=lambda s: type(s).__name__
)
def test_no_solver_takes_an_overflow_for_an_equilibrium(solver):
    answer = equilibrate(scaled(LINEAR, 1, 1e25, 1), solver)
    assert not np.any(answer.criterion)
    with pytest.raises(NotAtEquilibrium, match="energies from inf to inf in float32 given, .* use float64"):
        answer.require()


def test_the_energy_of_a_loss_below_zero_is_certified_as_any_other():
    def gain(u, y):
        return squared_error(u, y) - 100

    assert equilibrate(replace(LINEAR.problem(), loss=gain), Sweeps(1e-5)).converged


@pytest.mark.parametrize("scale", [1e-25, 1e-17])
def test_an_energy_lost_to_underflow_is_no_certificate_and_in_float64_it_is_one(scale):
    """At 1e-17 it is E's terms of a millionth that are lost."""
    cases = (LINEAR, replace(LINEAR, dtype="float64"))
    answers = [equilibrate(scaled(case, scale, scale, 1), LinearExact()) for case in cases]
    assert [bool(answer.converged) for answer in answers] == [False, True]


def test_the_proximal_point_of_an_output_beyond_the_range_has_not_converged():
    at = jax.jit(lambda f: proximal_point(squared_error, f, jnp.ones_like(f), jnp.eye(2, dtype=f.dtype)).converged)
    assert [bool(at(jnp.full(2, scale, "float32"))) for scale in (3, 1e30)] == [True, False]


def test_no_samples_are_no_equilibrium():
    problem = TANH.problem()
    with pytest.raises(ValueError, match=r"x of shape \(0, 7\) given, a batch of no samples; pass one sample at least"):
        replace(problem, x=problem.x[:0], y=problem.y[:0])
    none = jax.tree.map(lambda a: a[:0], equilibrate(problem, SOLVER))
    assert not none.converged
    with pytest.raises(NotAtEquilibrium, match="an equilibrium of no samples given"):
        none.require()


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-3, 1.0, 1e30, 1e38])
def test_a_norm_is_right_where_squares_leave_the_range(scale):
    tree = {"a": np.array([3.0, -1.0]) * scale, "b": np.array([[0.5]]) * scale}
    found = jax.jit(tree_norm)(jax.tree.map(lambda a: jnp.asarray(a, "float32"), tree))
    np.testing.assert_allclose(found, np.sqrt(10.25) * scale, rtol=1e-6)
    assert tree_norm({"a": jnp.zeros(3), "b": jnp.zeros((0, 2))}) == 0
    assert not np.isfinite(tree_norm(jnp.array([1.0, np.inf]))) and np.isnan(tree_norm(jnp.array([1.0, np.nan])))
