"""Inference as backpropagation iterated to self-consistency: e <- delta(e), written out here, sweep by sweep."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, one_unit_problem
from pcn_lib.experiments.profiles import check_sizes, choose
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Equilibrium, Solver, Sweeps
from pcn_lib.network import MLP, Activities, Network, feedforward, zero_errors
from pcn_lib.numerics import Activation, identity, tree_axpy, tree_norm, tree_subtract
from pcn_lib.parameterisation import Parameterisation, mupc_skips, sp
from pcn_lib.rescaling import LinearExact, gram, sample_jacobians
from pcn_lib.results import Provenance, provenance

#: The activations studied, in the order of the record's first axis.
ACTIVATIONS: tuple[tuple[str, Activation], ...] = (("linear", identity), ("tanh", jnp.tanh))
#: Steps of the power iteration for a contraction factor.
POWER_STEPS = 40
#: Reaches the fixed point of wide tanh networks; that of linear networks is known in closed form.
FIXED_POINT = Sweeps(tolerance=1e-11, max_steps=1000)


@dataclass(frozen=True)
class Settings:
    """Sizes of the study.

    Attributes:
        seed: of every draw.
        inputs: D.
        samples: B, of Gaussian inputs and targets.
        outputs: K.
        depth: L at which the width is varied.
        widths: N at that depth; N >= 8 L keeps tanh networks contracting.
        width: N at which the depth is varied.
        depths: L at that width.
        narrow: (N, L) of a network too narrow for its depth.
        seeds: initialisations of each network.
        sweeps: how many are followed.
    """

    seed: int = 0
    inputs: int = 40
    samples: int = 8
    outputs: int = 3
    depth: int = 8
    widths: tuple[int, ...] = (64, 128, 256, 512)
    width: int = 256
    depths: tuple[int, ...] = (4, 16)
    narrow: tuple[int, ...] = (8, 32)
    seeds: int = 3
    sweeps: int = 12

    def __post_init__(self):
        check_sizes(self, inputs=1, samples=1, outputs=1, depth=2, widths=2, width=2, depths=2, narrow=2)
        check_sizes(self, seeds=1, sweeps=4)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Every (N, L) that is measured, once each: first by width, then by depth."""
        by_width = [(width, self.depth) for width in self.widths]
        return tuple(dict.fromkeys([*by_width, *((self.width, depth) for depth in self.depths)]))


PRESETS = {
    "smoke": Settings(widths=(64, 128), width=128, depths=(8,), seeds=4),
    "quick": Settings(),
    "full": Settings(widths=(64, 128, 256, 512, 1024), width=512, depths=(2, 4, 16, 32), samples=20, seeds=10),
    "paper": Settings(
        widths=(64, 128, 256, 512, 1024, 2048), width=1024, depths=(2, 4, 16, 32, 64), samples=20, seeds=10
    ),
}


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Iteration:
    """The sweeps of one network; in a record, every entry has the networks' axes in front.

    Attributes:
        contraction: factor by which a sweep shrinks the slowest deviation from e*, for each sample; axes [samples].
        metric: ||lambda M|| at the same errors; axes [samples].
        curvature: spectral norm of what the derivative of delta has besides -lambda P^T P; axes [samples].
        distance: ||e^k - e*|| / ||e*|| for k = 0, 1, ...; axes [sweeps].
        gradient_error: of the weight gradient that sweep k = 1, 2, ... gives, against PC's at e*; axes [sweeps].
        first_sweep: ||gradient of the first sweep - grad Loss|| / ||grad Loss||.
        self_consistency: ||e* - delta(e*)|| / ||e*||.
        residual: the certificate of e*, the largest of the batch.
    """

    contraction: Float[np.ndarray | Array, "*networks samples"]
    metric: Float[np.ndarray | Array, "*networks samples"]
    curvature: Float[np.ndarray | Array, "*networks samples"]
    distance: Float[np.ndarray | Array, "*networks sweeps"]
    gradient_error: Float[np.ndarray | Array, "*networks sweeps"]
    first_sweep: Float[np.ndarray | Array, "*networks"]
    self_consistency: Float[np.ndarray | Array, "*networks"]
    residual: Float[np.ndarray | Array, "*networks"]


@dataclass(frozen=True)
class Record:
    """What the study measured.

    Attributes:
        settings: how.
        provenance: where and when.
        by_hand: z_2's error over the sweeps of the one-unit network of the chapter, from 0; axes [sweeps].
        wide: axes [activations, sizes, seeds], as in :data:`ACTIVATIONS` and ``settings.sizes``.
        narrow: linear, of the narrow size; no axes in front.
        standard: linear, the widest at ``settings.depth``, in SP of variance 1/N without skips; no axes in front.
    """

    settings: Settings
    provenance: Provenance
    by_hand: Float[np.ndarray, " few_sweeps"]
    wide: Iteration
    narrow: Iteration
    standard: Iteration

    def by_width(self, measured: Float[np.ndarray, "activations sizes seeds *more"]) -> np.ndarray:
        """The part of an entry of ``wide`` in which the width varies; axes [activations, widths, seeds, ...]."""
        return np.asarray(measured)[:, : len(self.settings.widths)]

    @property
    def tanh_parts(self) -> str:
        """A table by width: the mean contraction factor of tanh networks, and those of its two parts alone."""
        wide, lines = self.wide, ["   N   factor  curvature  ||lambda M||"]
        parts = [self.by_width(part)[1].mean(axis=(1, 2)) for part in (wide.contraction, wide.curvature, wide.metric)]
        for width, factor, curvature, metric in zip(self.settings.widths, *parts, strict=True):
            lines.append(f"{width:4d}{factor:9.3f}{curvature:11.3f}{metric:14.3f}")
        return "\n".join(lines)


def run(settings: Settings) -> Record:
    """Everything that the chapter measures, in the precision of the run; its claims assume float64."""
    start = time.perf_counter()
    by_hand = sweep_by_hand(sweeps=6)
    wide = _stack(
        _stack(
            _stack(measure(settings, size, activation, mupc_skips(), seed=seed) for seed in range(settings.seeds))
            for size in settings.sizes
        )
        for _, activation in ACTIVATIONS
    )
    narrow = measure(settings, settings.narrow, identity, mupc_skips())
    standard = measure(settings, (settings.widths[-1], settings.depth), identity, sp(), skips=False)
    data = f"{settings.samples} Gaussian inputs and targets (drawn with seed {settings.seed})"
    made = provenance(settings, seconds=time.perf_counter() - start, data_set=data)
    return Record(settings, made, by_hand, wide, narrow, standard)


def _stack(iterations: Iterable[Iteration]) -> Iteration:
    return jax.tree.map(lambda *arrays: np.stack(arrays), *iterations)


def sweep(problem: Problem, errors: Activities) -> tuple[Activities, Activities]:
    """One sweep: the forward pass that e perturbs, and plain backpropagation through it.

        z_l = f_l(z_{l-1}) + e_l,      delta_l(e) = - lambda (d f / d z_l)^T grad ell(f(e), y)

    Returns:
        The activities z(e), and delta(e).
    """

    def objective(errors):
        activities, outputs = feedforward(problem.network, problem.x, errors)
        return problem.output_precision * jnp.sum(jax.vmap(problem.loss)(outputs, problem.y)), activities

    slopes, activities = jax.grad(objective, has_aux=True)(errors)
    return activities, jax.tree.map(jnp.negative, slopes)


def sweep_by_hand(sweeps: int) -> np.ndarray:
    """e_2 over the sweeps of one unit in each layer, weights 1, 2, 1, x = 1, y = 8, lambda = 1/10."""
    problem = replace(one_unit_problem(weights=(1, 2, 1), x=1, y=8), output_precision=0.1)
    errors, found = zero_errors(problem.network, problem.x), []
    for _ in range(sweeps):
        found.append(errors[1].item())
        errors = sweep(problem, errors)[1]
    return np.array(found)


def measure(
    settings: Settings,
    size: tuple[int, ...],
    activation: Activation,
    parameterisation: Parameterisation,
    *,
    skips: bool = True,
    seed: int = 0,
) -> Iteration:
    """The sweeps of one network of size (N, L) on the study's data."""
    dtype = jnp.zeros(()).dtype
    x_key, y_key, key, power_key = jax.random.split(jax.random.key(settings.seed), 4)
    x = jax.random.normal(x_key, (settings.samples, settings.inputs), dtype)
    y = jax.random.normal(y_key, (settings.samples, settings.outputs), dtype)
    width, depth = size
    mlp = MLP(settings.inputs, width, depth, settings.outputs, activation=activation, skips=skips)
    problem = Problem(mlp.init(jax.random.fold_in(key, seed), parameterisation, dtype), x, y)
    solver = LinearExact() if activation is identity else FIXED_POINT
    return jax.device_get(_iterate(problem, power_key, solver, settings.sweeps))


@partial(jax.jit, static_argnames=("solver", "sweeps"))
def _iterate(problem: Problem, key: Array, solver: Solver, sweeps: int) -> Iteration:
    reached = solver(problem)
    reference, backward = pc_gradient(problem, reached), bp_gradient(problem)

    def step(errors, _):
        activities, new = sweep(problem, errors)
        gradient = _local_gradient(problem, reached, activities, new)
        against = [compare(gradient, other).total.relative_error for other in (reference, backward)]
        return new, (_relative(errors, reached.errors), *against)

    _, (distance, gradient_error, from_bp) = jax.lax.scan(step, zero_errors(problem.network, problem.x), length=sweeps)
    return Iteration(
        *contraction(problem, reached.errors, key),
        distance,
        gradient_error,
        from_bp[0],
        _relative(sweep(problem, reached.errors)[1], reached.errors),
        jnp.max(reached.residual),
    )


def _relative(a: Activities, b: Activities) -> Float[Array, ""]:
    return tree_norm(tree_subtract(a, b)) / tree_norm(b)


def _local_gradient(problem: Problem, reached: Equilibrium, activities: Activities, errors: Activities) -> Network:
    """PC's local rule, dF/dW_l = -a_l e_l phi(z_{l-1})^T, at a sweep's activities and with the deltas it found."""
    return pc_gradient(problem, replace(reached, activities=activities, errors=errors))


def contraction(problem: Problem, errors: Activities, key: Array) -> tuple[Array, Array, Array]:
    """How fast sweeps contract at e: the spectral norm of delta's derivative, of its part -lambda P^T P, of the rest.

        d delta / d e = - lambda (P^T P + sum_k r_k d2f_k / de2),     r = f - y

    for the squared error.  The derivative is symmetric, so power iteration finds its norm.

    Returns:
        The norm of the derivative, ||lambda M||, and the norm of the second part; axes [samples] each.
    """
    keys = jax.random.split(key, problem.x.shape[0])

    def one(x: Array, y: Array, errors: Activities, key: Array) -> tuple[Array, Array, Array]:
        single = replace(problem, x=x[None], y=y[None])

        def delta(errors: Activities) -> Activities:
            batched = jax.tree.map(lambda e: e[None], errors)
            return jax.tree.map(lambda d: d[0], sweep(single, batched)[1])

        jacobians = sample_jacobians(problem.network, x, errors)

        def derivative(v: Activities, added: Array) -> Activities:
            """The derivative along v, with ``added`` times lambda P^T P v put back."""
            moved = sum(jnp.tensordot(P, u, axes=u.ndim) for P, u in zip(jacobians, v, strict=True))
            first_part = jax.tree.map(lambda P: jnp.tensordot(moved, P, axes=1), jacobians)
            return tree_axpy(problem.output_precision * added, first_part, jax.jvp(delta, (errors,), (v,))[1])

        whole, rest = jax.vmap(lambda added: _spectral_norm(partial(derivative, added=added), errors, key))(
            jnp.array([0.0, 1.0])
        )
        return whole, problem.output_precision * jnp.linalg.norm(gram(jacobians), 2), rest

    return jax.vmap(one)(problem.x, problem.y, errors, keys)


def _spectral_norm(symmetric: Callable[[Activities], Activities], like: Activities, key: Array) -> Float[Array, ""]:
    """Power iteration from a random start."""
    keys = jax.random.split(key, len(like))
    start = tuple(jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, like, strict=True))

    def step(v, _):
        image = symmetric(v)
        norm = tree_norm(image)
        return jax.tree.map(lambda u: u / jnp.where(norm > 0, norm, 1), image), norm

    scale = tree_norm(start)
    _, norms = jax.lax.scan(step, jax.tree.map(lambda u: u / scale, start), length=POWER_STEPS)
    return norms[-1]
