"""Optimisers at the parameterisation's rates: gradient descent, Adam, and any transformation of Optax's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from pcn_lib.network import Network
from pcn_lib.numerics import check_rate


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent at the parameterisation's rates: eta times the layer's ``gd_rate``.

    Attributes:
        rate: eta, the base rate.

    Raises:
        ValueError: a negative rate.
    """

    rate: float | Array

    def __post_init__(self):
        check_rate(self.rate)

    def transformation(self, network: Network) -> optax.GradientTransformation:
        """The Optax transformation for this network."""
        return optax.chain(optax.sgd(self.rate), scale_by_layer(network.rates(attrgetter("gd_rate"))))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Adam:
    """Adam at the parameterisation's rates: eta times the layer's ``adam_rate``, eps times its ``adam_epsilon``.

    Attributes:
        rate: eta, the base rate.
        decays: of the first and the second moment.
        epsilon: eps, added to the root of the second moment.

    Raises:
        ValueError: a negative rate.
    """

    rate: float | Array
    decays: tuple[float, float] = field(default=(0.9, 0.999), metadata={"static": True})
    epsilon: float = field(default=1e-8, metadata={"static": True})

    def __post_init__(self):
        check_rate(self.rate)

    def transformation(self, network: Network) -> optax.GradientTransformation:
        """The Optax transformation for this network."""
        # m / (sqrt(v) + c eps) is Adam's step for the gradient divided by c: an epsilon for every layer.
        shrink = network.rates(lambda scales: 1 / scales.adam_epsilon)
        adam = optax.adam(self.rate, *self.decays, eps=self.epsilon)
        return optax.chain(scale_by_layer(shrink), adam, scale_by_layer(network.rates(attrgetter("adam_rate"))))


@runtime_checkable
class Optimiser(Protocol):
    """Anything that makes an Optax transformation for a network; a pytree, as it is an argument of compiled loops."""

    def transformation(self, network: Network) -> optax.GradientTransformation: ...


def scale_by_layer(rates: PyTree[float | Array]) -> optax.GradientTransformation:
    """Multiply every update by its parameter's learning-rate factor."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda rate, update: rate * update, rates, updates))


@runtime_checkable
class Transformation(Protocol):
    """Optax's ``GradientTransformation``, or what has its two functions, as ``MultiSteps``."""

    init: Callable
    update: Callable


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scaled:
    """Any Optax transformation at the parameterisation's rates; what ``train`` makes of one that it is given.

    The transformation U sees every parameter in units of its own: with r the layer's ``adam_rate`` and g the
    gradient,

        W <- W + r U((gd_rate / r) g, W / r).

    What is proportional to the gradient, as momentum is, moves W by ``gd_rate`` times itself; what is not changed by
    the gradient's size, as Adam, RMSprop or Lion are not, by ``adam_rate``.  A decay of the weights is neither's:
    ``weight_decay`` takes the fraction eta_t weight_decay of *every* parameter at step t, whatever its rate, the width
    and the depth, since 1 / (eta_t weight_decay) is the number of steps over which weights are averaged.  A schedule
    multiplies rates and decay alike.  Adam's epsilon and bounds of clipping are in the units of (gd_rate / r) g, no
    entry of which shrinks as the width grows: clip entries or their mean square, not a norm over all weights.
    :class:`Adam` keeps the epsilon of the table, as published.

    To spare biases and norms the decay, give ``mask=network.rates(lambda scales: scales.variance > 0)``.  Made once,
    a transformation is compiled once.  What treats a matrix as a whole, as Muon does, keeps r, which is not its rate.

    Source: derived here; for the decay Wang & Aitchison 2024 (arXiv:2405.13698), Dey et al. 2025 (arXiv:2505.01618).

    Attributes:
        given: such as ``optax.adamw(schedule, weight_decay=0.1)``.

    Raises:
        ValueError: something that is not a transformation.
    """

    given: Transformation = field(metadata={"static": True})

    def __post_init__(self):
        if isinstance(self.given, type) or not isinstance(self.given, Transformation):
            name = getattr(self.given, "__name__", repr(self.given))
            raise ValueError(
                f"optimiser = {name} given; a transformation of gradients is needed: pass GradientDescent(0.1), "
                "Adam(1e-3) or one of Optax's, called, as optax.adamw(1e-3)"
            )

    def transformation(self, network: Network) -> optax.GradientTransformation:
        """The Optax transformation for this network.

        Raises:
            ValueError: one that needs more than gradients and parameters, as line searches do, or a layer without rate.
        """
        rate, gd_rate = network.rates(attrgetter("adam_rate")), network.rates(attrgetter("gd_rate"))
        if not all(jax.tree.leaves(rate)):
            raise ValueError(
                "a layer of adam_rate 0 given, in units of which its weights are infinite: "
                "give it a rate, and keep its weights as they are by optax.masked(optax.set_to_zero(), ...)"
            )

        def own(network: Network) -> Network:
            return jax.tree.map(jnp.divide, network, rate)

        def init(network: Network) -> PyTree:
            return self.given.init(own(network))

        def update(gradient: Network, memory: PyTree, network: Network) -> tuple[Network, PyTree]:
            seen = jax.tree.map(lambda factor, r, g: factor / r * g, gd_rate, rate, gradient)
            updates, memory = self.given.update(seen, memory, own(network))
            return jax.tree.map(jnp.multiply, rate, updates), memory

        try:
            jax.eval_shape(update, network, jax.eval_shape(init, network), network)
        except (TypeError, AttributeError) as error:
            raise ValueError(
                f"an Optax transformation that cannot be used given ({error}); training hands it gradients and "
                "parameters and nothing else: choose one without a line search or a value, such as optax.adamw(1e-3)"
            ) from error
        return optax.GradientTransformation(init, update)
