"""Prediction errors, energy and loss: what predictive coding and backpropagation minimise.

    Loss(theta)  = (1/B) sum_i ell(f(x_i), y_i)
    F(z; theta)  = (1/B) sum_i [ sum_{l<L} 1/2 ||z_l - f_l(z_{l-1})||^2 + lambda ell(f_L(z_{L-1}), y_i) ],   z_0 = x_i

Source: arXiv:2602.07697, its setting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pcn_lib.layers import Dense
from pcn_lib.network import Activities, Network, check_input, predictions
from pcn_lib.numerics import tree_dot, tree_subtract
from pcn_lib.parameterisation import Scales

#: ell(u, y) of one sample: outputs u and target y to a number.
Loss = Callable[[Array, Array], Array]


def squared_error(u: Float[Array, "*outputs"], y: Float[Array, "*targets"]) -> Float[Array, ""]:
    """ell = 1/2 ||y - u||^2.

    Raises:
        ValueError: u and y of different shapes, which would otherwise broadcast.
    """
    _check_target(u, y)
    return jnp.sum((y - u) ** 2) / 2


def cross_entropy(u: Float[Array, "*outputs"], y: Float[Array, "*targets"]) -> Float[Array, ""]:
    """ell = - y . log softmax(u), classes on the last axis, averaged over any axes before it.

    Raises:
        ValueError: u and y of different shapes, which would otherwise broadcast.
    """
    _check_target(u, y)
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(u), axis=-1))


def _check_target(u: Array, y: Array) -> None:
    if u.shape != y.shape:
        raise ValueError(
            f"targets of shape {y.shape} given for outputs of shape {u.shape}, per sample; this loss needs them equal: "
            "reshape y, or build the network with these outputs"
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Problem:
    """A network, a batch, and what is minimised on it; both BP's and PC's objective are made of this.

    Attributes:
        network: L layers, weights included.
        x: inputs, axes [batch, ...].
        y: targets, axes [batch, ...], as ``loss`` reads them: [batch, outputs], or [batch] for integer labels.
        loss: ell, from one sample's output and target to one number. Optax's losses of one number serve as they
            are, as ``optax.softmax_cross_entropy_with_integer_labels``; take the sum of those with one for each unit.
        output_precision: lambda, the weight of the loss in the energy: one number, of which no program depends. For
            many of them, ``jax.vmap(lambda value: use(replace(problem, output_precision=value)))(values)``.

    Raises:
        ValueError: x or y a list, no samples, x and y of different batch, x of another network, or lambda not one
            positive number.
    """

    network: Network
    x: Array
    y: Array
    loss: Loss = field(default=squared_error, metadata={"static": True})
    output_precision: float | Float[Array, "*problems"] = 1.0

    def __post_init__(self):
        for name in ("x", "y"):
            if isinstance(getattr(self, name), list):
                raise ValueError(f"{name} given as a list; an array is needed: pass jnp.asarray({name})")
        # JAX also builds this record around placeholders (axis numbers, None): only arrays are checked.
        if not all(hasattr(a, "shape") and getattr(a, "ndim", 0) for a in (self.x, self.y)):
            return
        # Problems stacked by vmap have further axes in front.
        if isinstance(self.network, Network) and self.x.ndim <= 1 + len(self.network.input_shape):
            check_input(self.network, self.x)
            check_precision(self.output_precision)
        if self.x.shape[0] != self.y.shape[0]:
            raise ValueError(
                f"{self.x.shape[0]} inputs and {self.y.shape[0]} targets given; each input needs one target: "
                "pass x and y of the same batch"
            )
        if self.x.shape[0] == 0:
            raise ValueError(f"x of shape {self.x.shape} given, a batch of no samples; pass one sample at least")

    def sample_loss(self, output: Array, y: Array) -> Float[Array, ""]:
        """ell(output, y) of one sample.

        Raises:
            ValueError: a loss that gives an array, whose mean would be taken for the loss.
        """
        value = self.loss(output, y)
        if jnp.shape(value):
            name = getattr(self.loss, "__name__", self.loss)
            raise ValueError(
                f"loss {name} given, which makes an array of shape {jnp.shape(value)} of one sample's output "
                f"{output.shape}; the energy needs one number: pass lambda u, y: jnp.sum({name}(u, y))"
            )
        return value


def check_precision(value: float | Array) -> None:
    """Refuse a lambda that is not one positive number; what is traced is known by its shape alone.

    Raises:
        ValueError: an array of several, zero, negative, or NaN.
    """
    if jnp.shape(value):
        raise ValueError(
            f"output precision lambda of shape {jnp.shape(value)} given; one number is needed: map over them with "
            "jax.vmap(lambda value: use(replace(problem, output_precision=value)))(values)"
        )
    if not isinstance(value, jax.core.Tracer) and not value > 0:
        raise ValueError(f"output precision lambda = {value} given; it must be positive: try 1")


def one_unit_problem(*, weights: Sequence[int | float], x: int | float, y: int | float) -> Problem:
    """One sample of a network of one unit in each layer, z_l = w_l z_{l-1}: small enough to solve by hand."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    *hidden, readout = (Dense(jnp.full((1, 1), float(weight)), plain) for weight in weights)
    network = Network(tuple(hidden), readout, (1,))
    return Problem(network, x=jnp.full((1, 1), float(x)), y=jnp.full((1, 1), float(y)))


def loss(problem: Problem) -> Float[Array, ""]:
    """Loss(theta), the mean over the batch of ell(f(x_i), y_i): BP's objective."""
    outputs = jax.vmap(problem.network.sample_forward)(problem.x).output
    return jnp.mean(jax.vmap(problem.sample_loss)(outputs, problem.y))


def prediction_errors(problem: Problem, activities: Activities) -> Activities:
    """e_l = z_l - f_l(z_{l-1}), laid out as the activities.

    Raises:
        ValueError: the activities belong to another network or batch.
    """
    return tree_subtract(activities, predictions(problem.network, problem.x, activities).activities)


def sample_energy(errors: Activities, output: Array, y: Array, problem: Problem) -> Float[Array, ""]:
    """One sample's energy from its prediction errors and output: sum 1/2 ||e_l||^2 + lambda ell(u, y)."""
    return tree_dot(errors, errors) / 2 + problem.output_precision * problem.sample_loss(output, y)


def energy(problem: Problem, activities: Activities) -> Float[Array, ""]:
    """F(z; theta), the mean over the batch: PC's objective, for activities and weights alike.

    Raises:
        ValueError: the activities belong to another network or batch.
    """
    predicted = predictions(problem.network, problem.x, activities)
    errors = tree_subtract(activities, predicted.activities)
    return jnp.mean(jax.vmap(lambda e, u, y: sample_energy(e, u, y, problem))(errors, predicted.output, problem.y))
