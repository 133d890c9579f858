"""The one network type: layers and stacks of layers below a readout, and the passes through it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Num, PyTree

from pcn_lib.layers import Layer
from pcn_lib.parameterisation import Scales

Activities = tuple[Array, ...]


class Pass(NamedTuple):
    """What a pass through a network gives: activities (or predictions) of every layer, and the output."""

    activities: Activities
    output: Array


class Network(nnx.Module):
    """Layers l = 1..L from input to output; the last one is the readout, whose output is clamped to y.

    Attributes:
        blocks: the layers and stacks below the readout, in order.
        readout: the last layer.
        input_shape: shape of one sample x.
        shapes: of the parameters, for which the multipliers and rates of the layers are.
    """

    def __init__(self, blocks: tuple[Layer, ...], readout: Layer, input_shape: tuple[int, ...]):
        if not blocks:
            raise ValueError("a readout and nothing below it given; inference needs a hidden layer: add one")
        self.blocks = nnx.data(tuple(blocks))
        self.readout = readout
        self.input_shape = tuple(input_shape)
        self.shapes = tuple(jnp.shape(leaf) for leaf in jax.tree.leaves((self.blocks, readout)))

    @property
    def depth(self) -> int:
        """L, the number of layers that carry a prediction error or the output."""
        return sum(block.depth for block in self.blocks) + 1

    @property
    def linear(self) -> bool:
        """Whether the whole map is linear, so that closed forms hold."""
        return all(block.linear for block in self.blocks) and self.readout.linear

    def rates(self, rule: Callable[[Scales], float | Array]) -> PyTree[float | Array]:
        """The learning-rate factor of every parameter, in the network's own structure."""
        return jax.tree.map(lambda layer: layer.rates(rule), self, is_leaf=lambda part: isinstance(part, Layer))

    def with_parameters(self, given: "Network | Sequence[Array]") -> "Network":
        """This network with other parameters: those of one of the same kind, or arrays in the order of its leaves.

        Raises:
            ValueError: a network of other layers, sizes or parameterisation, or arrays of other shapes.
        """
        structure = jax.tree.structure(self)
        if isinstance(given, Network) and jax.tree.structure(given) != structure:  # type: ignore[operator]
            raise ValueError(
                "parameters of a network of other layers, sizes or parameterisation given; under other multipliers "
                "they are other functions: build both networks alike, or pass jax.tree.leaves(...) to have it so"
            )
        leaves = jax.tree.leaves(given)
        _check_shapes(self, leaves)
        return jax.tree.unflatten(structure, leaves)

    def top(self, activities: Activities) -> Array:
        """z_{L-1} of one sample: the activity that the readout reads."""
        return self.blocks[-1].top(activities[-1])

    def sample_forward(self, x: Array, errors: Activities | None = None) -> Pass:
        """:func:`feedforward` for one sample."""
        z, activities = x, []
        for block, error in zip(self.blocks, errors or (None,) * len(self.blocks), strict=True):
            z, kept = block.forward(z, error)
            activities.append(kept)
        return Pass(tuple(activities), self.readout(z))

    def sample_backward(self, x: Array, activities: Activities, cotangent: Array) -> Activities:
        """delta_l = (d f/d z_l)^T cotangent for l = 1..L-1 of one sample: backpropagation through its forward pass.

        Args:
            x: the sample.
            activities: z_1..z_{L-1} of its forward pass, prediction errors included.
            cotangent: in the shape of the output.
        """
        _, pull_back = jax.vjp(self.readout, self.top(activities))
        delta, deltas = pull_back(cotangent)[0], []
        tops = [block.top(kept) for block, kept in zip(self.blocks, activities, strict=True)]
        for block, below, kept in zip(self.blocks[::-1], [x, *tops][-2::-1], activities[::-1], strict=True):
            delta, kept_deltas = block.backward(below, kept, delta)
            deltas.append(kept_deltas)
        return tuple(deltas[::-1])

    def sample_predict(self, x: Array, activities: Activities) -> Pass:
        """:func:`predictions` for one sample."""
        below, predicted = x, []
        for block, activity in zip(self.blocks, activities, strict=True):
            below, prediction = block.predict(below, activity)
            predicted.append(prediction)
        return Pass(tuple(predicted), self.readout(below))


def feedforward(network: Network, x: Num[Array, "batch *inputs"], errors: Activities | None = None) -> Pass:
    """The forward sweep z_l = f_l(z_{l-1}) + e_l; without errors, the feedforward pass h_l.

    The map e -> z is a bijection, and (z_1..z_{L-1}, f_L(z_{L-1})) is what it returns.

    Args:
        network: L layers.
        x: inputs, axes [batch, ...].
        errors: prediction errors e_l laid out as activities; None for zero.

    Raises:
        ValueError: x or errors do not fit the network.
    """
    check_input(network, x)
    if errors is None:
        return jax.vmap(network.sample_forward)(x)
    check_activities(network, x, errors)
    return jax.vmap(network.sample_forward)(x, errors)


def predictions(network: Network, x: Num[Array, "batch *inputs"], activities: Activities) -> Pass:
    """Every layer's prediction f_l(z_{l-1}) from the activities below it, all layers at once.

    Args:
        network: L layers.
        x: inputs z_0, axes [batch, ...].
        activities: z_1..z_{L-1}.

    Raises:
        ValueError: x or the activities do not fit the network.
    """
    check_input(network, x)
    check_activities(network, x, activities)
    return jax.vmap(network.sample_predict)(x, activities)


def zero_errors(network: Network, x: Num[Array, "batch *inputs"]) -> Activities:
    """Prediction errors of the feedforward pass: zeros laid out as activities."""
    shapes = jax.eval_shape(feedforward, network, x).activities
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def check_input(network: Network, x: Array) -> None:
    """Refuse inputs that the network cannot read, before anything is compiled."""
    if not hasattr(x, "shape"):
        raise ValueError(f"x given as a {type(x).__name__}; an array is needed: pass jnp.asarray(x)")
    if x.shape[1:] != network.input_shape:
        raise ValueError(
            f"inputs of shape {x.shape} given; this network reads [batch, {', '.join(map(str, network.input_shape))}]: "
            "reshape x, or build the network with these inputs"
        )
    _check_shapes(network, jax.tree.leaves(network))


def _check_shapes(network: Network, parameters: Sequence[Array]) -> None:
    """Refuse parameters of another width, which a network would use with multipliers and rates of its own."""
    given = [jnp.shape(leaf) for leaf in parameters]
    # Networks stacked for vmap have further axes in front.
    last = [shape[max(len(shape) - len(own), 0) :] for shape, own in zip(given, network.shapes, strict=False)]
    if len(given) != len(network.shapes) or last != list(network.shapes):
        raise ValueError(
            f"parameters of shapes {given} given; the multipliers and rates of this network are for "
            f"{list(network.shapes)}: build a network of these sizes and put them in by with_parameters"
        )


def check_activities(network: Network, x: Array, activities: Activities) -> None:
    """Refuse activities that belong to another network or another batch."""
    expected = jax.eval_shape(jax.vmap(network.sample_forward), x).activities
    given = [getattr(z, "shape", None) for z in activities] if isinstance(activities, tuple) else type(activities)
    needed = [z.shape for z in expected]
    if given != needed:
        raise ValueError(
            f"activities of shapes {given} given; this network and batch need {needed}: "
            "take them from feedforward(network, x)"
        )
