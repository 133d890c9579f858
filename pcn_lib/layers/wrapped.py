"""Any Flax NNX module, or any function, as a layer."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from pcn_lib.layers.layer import Layer
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales


class Wrapped(Layer):
    """f_l(h) = tau h + a module(phi(h)), with tau = 1 where ``skip`` is set, for a module of one's own.

    Assumes that the module maps one sample, with no batch axis, and depends on nothing but its input and its
    parameters: no random numbers, no running averages.

    Attributes:
        module: an ``nnx.Module`` that can be called, or a function without parameters.
        scales: a is ``scales.multiplier``; the rates are for every parameter of the module.
        activation: phi, applied to the layer's *input*.
        skip: whether the input is added to the output (equal shapes only).
        is_linear: whether the module is linear in its input; closed forms then apply to it.

    >>> layer = Wrapped(jnp.tanh, Scales(multiplier=2.0, variance=1.0, gd_rate=1.0, adam_rate=1.0), skip=True)
    >>> print(layer(jnp.zeros(3)))
    [0. 0. 0.]

    Raises:
        ValueError: a module that keeps state other than parameters, as dropout and batch normalisation do.
    """

    def __init__(
        self,
        module: Callable[[Array], Array],
        scales: Scales,
        *,
        activation: Activation = identity,
        skip: bool = False,
        is_linear: bool = False,
    ):
        _check(module)
        self.module = module
        self.scales = scales
        self.activation = activation
        self.skip = skip
        self.is_linear = is_linear

    def __call__(self, h: Array) -> Array:
        return self.around(h, self.scales.multiplier * self.module(self.activation(h)))

    @property
    def linear(self) -> bool:
        return self.is_linear and self.activation is identity


def draw_wrapped(
    key: Array,
    module: nnx.Module,
    parameterisation: Parameterisation,
    role: Role,
    size: tuple[int, int],
    *,
    fan_in: int | None = None,
    activation: Activation = identity,
    **kind,
) -> Wrapped:
    """A module as a layer, its parameters drawn afresh as the parameterisation says.

    Kernels are drawn with the variance of their role, biases are set to zero, other vectors stay; multiplier and
    rates follow the same row.  The module given is left as it is, so one of them serves a whole stack of layers.

    Args:
        key: typed random key.
        module: with parameters in Flax's layout, the output on the last axis.
        parameterisation: gives multiplier, variance and rates.
        role: input, hidden or output weight.
        size: (width N, depth L) of the network that the layer belongs to.
        fan_in: inputs to a unit; by default the largest of the module's kernels, all axes but the last.
        activation: in front of the module; its gain is part of the multiplier where the parameterisation has gains.
        kind: ``skip`` and ``is_linear`` of :class:`Wrapped`.

    >>> from pcn_lib.parameterisation import mupc_skips
    >>> module = nnx.Linear(64, 64, rngs=nnx.Rngs(0))
    >>> layer = draw_wrapped(jax.random.key(0), module, mupc_skips(), Role.HIDDEN, (64, 4), skip=True)
    >>> layer.scales.multiplier == (64 * 4) ** -0.5
    True

    Raises:
        ValueError: a module without a kernel, from which a fan-in could be read.
    """
    leaves, structure = jax.tree.flatten_with_path(module)
    fans = [leaf.size // leaf.shape[-1] for _, leaf in leaves if leaf.ndim > 1]
    if not fans:
        raise ValueError(
            f"{type(module).__name__} given, which has no kernel to draw; a parameterisation needs one: "
            "wrap a function without weights as Wrapped(function, scales)"
        )
    kind_of = dict(width=size[0], depth=size[1], activation=activation)
    scales = parameterisation.scales(role, fan_in=fan_in or max(fans), **kind_of)
    keys = jax.random.split(key, len(leaves))

    def drawn(key: Array, path: tuple, leaf: Array) -> Array:
        if leaf.ndim > 1:
            return parameterisation.draw(key, leaf.shape, scales, leaf.dtype)
        return jnp.zeros_like(leaf) if "bias" in jax.tree_util.keystr(path) else leaf

    fresh = [drawn(key, *leaf) for key, leaf in zip(keys, leaves, strict=True)]
    return Wrapped(jax.tree.unflatten(structure, fresh), scales, activation=activation, **kind)


def _check(module: Callable[[Array], Array]) -> None:
    """Refuse a module whose value depends on more than its input and its parameters."""
    leaves = jax.tree.leaves(module, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    others = {type(leaf).__name__ for leaf in leaves if isinstance(leaf, nnx.Variable)} - {"Param"}
    if others:
        raise ValueError(
            f"{type(module).__name__} given, which keeps {', '.join(sorted(others))}; the energy is a function of "
            "activities and weights alone: use a module that has only parameters"
        )
