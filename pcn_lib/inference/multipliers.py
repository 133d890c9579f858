"""The method of multipliers: inference that leads from predictive coding back to backpropagation.

Minimise lambda ell(f(e), y) subject to e_l = 0.  One point obeys the constraints, the feedforward pass, and its
Lagrange multipliers are BP's deltas d = delta(0).  From mu = 0, each round is an inference problem and an update,

    e <- argmin  rho/2 ||e||^2 + mu . e + lambda ell(f(e), y),      mu <- mu + rho e,

and the weights learn with mu in place of e.  The first round with rho = 1 is PC.  For linear networks with the squared
error mu_k - d = [T (rho I + T)^{-1}]^k (mu_0 - d), T = lambda P^T P: a contraction at every width and depth.

Source: the algorithm is the augmented-Lagrangian PC of Seely and Gould 2026 (arXiv:2605.31022); the rate is derived
here, see the chapter "Multipliers: from predictive coding back to backpropagation".
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.inference.equilibrium import Criterion, Equilibrium, NotAtEquilibrium, criterion
from pcn_lib.inference.newton import NewtonCG, SweepsThenNewton
from pcn_lib.inference.sample import Answer, Sample
from pcn_lib.inference.sweeps import Sweeps
from pcn_lib.network import Activities, zero_errors
from pcn_lib.numerics import tree_axpy, tree_dot, tree_norm, tree_subtract


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Constrained(Equilibrium):
    """Where the rounds ended, with the certificate of how near to backpropagation that is.

    Of an :class:`Equilibrium`, ``errors`` holds the Lagrange multipliers mu_l, with which ``pc_gradient`` then learns;
    ``residual`` is that of the last round's inference, and ``steps`` are those of all rounds.

    Attributes:
        violation: rho ||e|| / ||d||, how far the constraints e = 0 are from holding, axes [batch].
        deviation: ||mu - d|| / ||d||, how far the multipliers are from BP's deltas d, axes [batch].
        rounds: of each sample, axes [batch].
    """

    violation: Float[Array, "*batch"]
    deviation: Float[Array, "*batch"]
    rounds: Int[Array, "*batch"]

    def require(self) -> "Constrained":
        """This answer, if every sample's certificate holds; for use outside ``jit``.

        Raises:
            NotAtEquilibrium: some sample's does not.
        """
        if bool(self.converged) or not self.criterion.size or not bool(jnp.all(jnp.isfinite(self.residual))):
            super().require()
            return self
        raise NotAtEquilibrium(
            f"{int(jnp.max(self.rounds))} rounds left multipliers {float(jnp.max(self.deviation)):.1e} from BP's "
            f"deltas, relative to them, and errors of {float(jnp.max(self.violation)):.1e}, with inference at "
            f"{float(jnp.max(self.residual)):.1e}; less is needed here: allow more rounds, or raise the penalty rho"
        )


#: The answer so far, and the prediction errors that belong to it.
_State = tuple[Constrained, Activities]


@dataclass(frozen=True)
class MethodOfMultipliers:
    """Rounds of inference until e is near 0 and mu near BP's deltas.

    Attributes:
        tolerance: of the violation and the deviation in the certificate; see :class:`Constrained`.
        max_rounds: rounds allowed; a single one with penalty 1 is PC.
        penalty: rho.
        inner: solves each round, from where the last one ended; sweeps need lambda ||M|| < rho.

    Raises:
        ValueError: rho is not positive.
    """

    tolerance: float | Array = 1e-3
    max_rounds: int | Array = 100
    penalty: float | Array = 1.0
    inner: Sweeps | NewtonCG | SweepsThenNewton = SweepsThenNewton()

    def __post_init__(self):
        if not isinstance(self.penalty, jax.core.Tracer) and not self.penalty > 0:
            raise ValueError(f"penalty rho = {self.penalty} given; it must be positive: try 1, with which PC begins")

    def __call__(self, problem: Problem) -> Constrained:
        def go_on(state: _State) -> Array:
            return (state[0].criterion == Criterion.NONE) & (state[0].rounds < self.max_rounds)

        return self._mapped(problem, lambda advance, first: jax.lax.while_loop(go_on, advance, advance(first))[0])

    def path(self, problem: Problem, rounds: int) -> Constrained:
        """The answers after 1, 2, ... rounds, whatever the tolerance; axes [rounds, batch]."""

        def follow(advance: Callable[[_State], _State], first: _State) -> Constrained:
            return jax.lax.scan(lambda state, _: (new := advance(state), new[0]), first, length=rounds)[1]

        return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), self._mapped(problem, follow))

    def _mapped(self, problem: Problem, follow: Callable[[Callable, _State], Constrained]) -> Constrained:
        def one(x: Array, y: Array, zero: Activities) -> Constrained:
            # The energy of a round, divided by rho.
            sample = Sample(problem, x, y, self.penalty)
            start = sample.at(zero)
            scale, deltas = sample.scale(start), tree_axpy(-self.penalty, start.gradient, zero)

            def advance(state: _State) -> _State:
                old, errors = state
                shifted = sample._replace(shift=tree_axpy(1 / self.penalty, old.errors, zero))
                answer = self.inner.solve(shifted, shifted.at(errors), scale)
                return self._certified(old, answer, deltas), answer.point.errors

            whole, none = jnp.ones_like(scale), jnp.array(0)
            measured = self.penalty * start.energy, whole, none, none, whole, whole, none
            return follow(advance, (Constrained(start.activities, zero, *measured), zero))

        return jax.vmap(one)(problem.x, problem.y, zero_errors(problem.network, problem.x))

    def _certified(self, old: Constrained, answer: Answer, deltas: Activities) -> Constrained:
        point, rho, size = answer.point, self.penalty, tree_norm(deltas)
        mu, square = tree_axpy(rho, point.errors, old.errors), tree_dot(point.errors, point.errors)
        # F = 1/2 ||e||^2 + lambda ell, from the energy that was minimised.
        energy = rho * point.energy - tree_dot(old.errors, point.errors) - (rho - 1) / 2 * square
        norms = rho * jnp.sqrt(square), tree_norm(tree_subtract(mu, deltas))
        violation, deviation = (jnp.where(norm == 0, norm, norm / size) for norm in norms)
        pulled = jax.tree.map(lambda mu: mu / rho, mu)
        solved = criterion(answer.residual, self.inner.tolerance, point.energy, pulled, answer.stationary)
        arrived = jnp.maximum(violation, deviation) <= self.tolerance
        passed, steps = jnp.where(arrived, solved, Criterion.NONE), old.steps + answer.steps
        measured = energy, answer.residual, steps, passed, violation, deviation, old.rounds + 1
        return Constrained(point.activities, mu, *measured)
