"""What is measured on a device: small networks, at initialisation, of which theory says everything."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, energy, loss
from pcn_lib.gradients import bp_gradient, closed_form_gradient, compare, pc_gradient, similarity
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP
from pcn_lib.numerics import Tolerance
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, equilibrated_energy, rescaling
from pcn_lib.sharding import BATCH, shard_batch
from pcn_lib.study import SettingsError
from pcn_lib.verify.precision import Precision


@dataclass(frozen=True)
class Settings:
    """Sizes, small enough for a minute on a CPU.

    Attributes:
        seed: of data and weights.
        inputs: D.
        samples: B.
        widths: N, ascending, all much larger than the depth.
        depth: L.
        seeds: initialisations of each linear network.
        square: N = L of a network that is as deep as wide, where PC is not BP.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 16
    widths: tuple[int, ...] = (64, 192, 512)
    depth: int = 4
    seeds: int = 8
    square: int = 16

    def __post_init__(self):
        for name, least in dict(inputs=1, samples=2, widths=4, depth=2, seeds=2, square=3).items():
            sizes = np.atleast_1d(getattr(self, name))
            if not sizes.size or sizes.min() < least:
                raise SettingsError(f"{name} = {sizes} given; at least {least} is needed: choose {name} >= {least}")
        object.__setattr__(self, "widths", tuple(sorted(self.widths)))


@dataclass(frozen=True)
class Linear:
    """Linear networks of one size; axes [seeds].

    Attributes:
        residual: the largest relative ||dF/dz|| at the exact equilibrium.
        energy: |F(z*)/F* - 1|, the energy of the activities against the closed form.
        sweeps: ||grad F(z) - grad F*|| / ||grad F*||, at the activities that sweeps reach against the closed form.
        rescaling: s - 1.
        gap: 1 - F*/Loss.
        gradient: ||grad F* - grad Loss|| / ||grad Loss||.
        direction: 1 - cos(grad F*, grad Loss).
    """

    residual: Float[np.ndarray, " *widths seeds"]
    energy: Float[np.ndarray, " *widths seeds"]
    sweeps: Float[np.ndarray, " *widths seeds"]
    rescaling: Float[np.ndarray, " *widths seeds"]
    gap: Float[np.ndarray, " *widths seeds"]
    gradient: Float[np.ndarray, " *widths seeds"]
    direction: Float[np.ndarray, " *widths seeds"]


@dataclass(frozen=True)
class Measurement:
    """Everything measured in one precision.

    Attributes:
        settings: sizes.
        precision: number type and matrix products.
        tolerance: what rounding allows in it on this device.
        wide: over the widths; axes [widths, seeds].
        square: at N = L; axes [seeds].
        tanh: the largest relative ||dF/dz|| that inference leaves in a tanh network.
        certified: the fraction of its samples with a certificate.
        samples: relative difference of its PC gradient from the mean of the samples' gradients, each solved alone.
        devices: how many share the batch in the next entry.
        sharded: relative difference of its PC gradient from that on all devices; None where there is one device.
    """

    settings: Settings
    precision: Precision
    tolerance: Tolerance
    wide: Linear
    square: Linear
    tanh: float
    certified: float
    samples: float
    devices: int
    sharded: float | None


def measure(settings: Settings, precision: Precision, devices: tuple[jax.Device, ...]) -> Measurement:
    """Measure in one precision on the first of the devices, and sharded over all of them.

    Raises:
        ValueError: float64 without ``pcn_lib.numerics.use_float64()``, or a platform without known tolerances.
    """
    allowed = precision.tolerance(devices[0].platform)
    with jax.default_device(devices[0]), jax.default_matmul_precision(precision.products):
        wide = [_linear(settings, precision, width, settings.depth, allowed) for width in settings.widths]
        square = _linear(settings, precision, settings.square, settings.square, allowed)
        mlp = MLP(settings.inputs, settings.widths[0], settings.depth, activation=jnp.tanh, skips=True)
        tanh = _problem(settings, precision, mlp)
        solver = SweepsThenNewton(allowed.solve)
        equilibrium = equilibrate(tanh, solver)
        gradient = pc_gradient(tanh, equilibrium)
        return Measurement(
            settings,
            precision,
            allowed,
            Linear(*map(np.stack, zip(*map(_fields, wide), strict=True))),
            square,
            float(jnp.max(equilibrium.residual)),
            float(jnp.mean((equilibrium.criterion > 0).astype("float32"))),
            _relative(_sample_gradient(tanh, solver), gradient),
            _sharing(tanh, devices),
            _sharded(tanh, solver, gradient, devices),
        )


def _fields(linear: Linear) -> list[np.ndarray]:
    return list(vars(linear).values())


def _problem(settings: Settings, precision: Precision, mlp: MLP, seed: int = 0) -> Problem:
    task = toy_task(settings.seed, inputs=settings.inputs, samples=settings.samples)
    x, y = (jnp.asarray(a, precision.dtype) for a in (task.x, task.y))
    key = jax.random.fold_in(jax.random.key(settings.seed), seed)
    return Problem(mlp.init(key, mupc_skips(), precision.dtype), x, y)


def _linear(settings: Settings, precision: Precision, width: int, depth: int, allowed: Tolerance) -> Linear:
    """Every seed's network of one size, through one compilation."""
    mlp = MLP(settings.inputs, width, depth, skips=True)
    problems = [_problem(settings, precision, mlp, seed) for seed in range(settings.seeds)]
    found = [jax.device_get(_compare(problem, allowed.solve)) for problem in problems]
    return Linear(*(np.array(values, dtype=float) for values in zip(*found, strict=True)))


def _compare_problem(problem: Problem, solve: float) -> tuple[Array, ...]:
    """The entries of :class:`Linear` of one network, in their order."""
    exact, closed = LinearExact()(problem), closed_form_gradient(problem)
    swept = Sweeps(solve, max_steps=100, accelerate=True)(problem)
    minimum = equilibrated_energy(problem)
    to_bp = compare(pc_gradient(problem, exact), bp_gradient(problem)).total
    return (
        jnp.max(exact.residual),
        jnp.abs(energy(problem, exact.activities) / minimum - 1),
        similarity(pc_gradient(problem, swept), closed).relative_error,
        rescaling(problem.network)[0, 0] - 1,
        1 - minimum / loss(problem),
        to_bp.relative_error,
        to_bp.one_minus_cosine,
    )


_compare = jax.jit(_compare_problem, static_argnames="solve")


def _sample_gradient(problem: Problem, solver: SweepsThenNewton):
    """The mean of the samples' PC gradients, each brought to its equilibrium alone."""

    @jax.jit
    def one(problem: Problem):
        return pc_gradient(problem, solver(problem))

    alone = [one(replace(problem, x=x[None], y=y[None])) for x, y in zip(problem.x, problem.y, strict=True)]
    return jax.tree.map(lambda *parts: sum(parts) / len(parts), *alone)


def _sharded(problem: Problem, solver: SweepsThenNewton, gradient, devices: tuple[jax.Device, ...]) -> float | None:
    """How far the gradient computed on all devices is from the one computed on the first."""
    count = _sharing(problem, devices)
    if count == 1:
        return None
    shared = shard_batch(problem, Mesh(np.array(devices[:count]), (BATCH,)))
    return _relative(jax.device_get(pc_gradient(shared, equilibrate(shared, solver))), jax.device_get(gradient))


def _sharing(problem: Problem, devices: tuple[jax.Device, ...]) -> int:
    """The most devices that can share the batch equally."""
    return max(count for count in range(1, len(devices) + 1) if problem.x.shape[0] % count == 0)


def _relative(a, b) -> float:
    return float(similarity(a, b).relative_error)
