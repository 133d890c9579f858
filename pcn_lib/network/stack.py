"""Runs of equal layers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pcn_lib.layers import Layer


class Stack(Layer):
    """A run of equal, shape-preserving layers, walked by one scan: compile time is flat in depth.

    Attributes:
        layers: one layer whose parameters carry a leading layer axis.

    Raises:
        ValueError: layers without parameters, which cannot be counted.
    """

    def __init__(self, layers: Layer):
        if not jax.tree.leaves(layers):
            raise ValueError("layers without parameters given; a stack counts layers by them: list these one by one")
        self.layers = layers

    @property
    def linear(self) -> bool:
        return self.layers.linear

    @property
    def depth(self) -> int:
        return jax.tree.leaves(self.layers)[0].shape[0]

    def forward(self, z: Array, error: Array | None) -> tuple[Array, Array]:
        def step(z, layer_and_error):
            layer, error = layer_and_error
            return layer.forward(z, error)

        return jax.lax.scan(step, z, (self.layers, error))

    def backward(self, below: Array, kept: Array, delta: Array) -> tuple[Array, Array]:
        def step(delta, layer_and_below):
            layer, below = layer_and_below
            return layer.backward(below, below, delta)

        inputs = jnp.concatenate([below[None], kept[:-1]])
        return jax.lax.scan(step, delta, (self.layers, inputs), reverse=True)

    def predict(self, below: Array, activity: Array) -> tuple[Array, Array]:
        inputs = jnp.concatenate([below[None], activity[:-1]])
        return self.top(activity), jax.vmap(lambda layer, h: layer(h))(self.layers, inputs)

    def top(self, kept: Array) -> Array:
        return kept[-1]

    def __call__(self, h: Array) -> Array:
        return self.forward(h, None)[0]
