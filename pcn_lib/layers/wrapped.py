"""Any Flax NNX module, or any function, as a layer."""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, PyTree

from pcn_lib.layers.flax_parameters import Parameter, parameters
from pcn_lib.layers.layer import Layer
from pcn_lib.numerics import Activation, check_activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales

#: Modules whose value depends on chance or on other samples, and what to do without them.
REFUSED = {
    nnx.Dropout: "leave it out (rate 0 is the identity)",
    nnx.BatchNorm: "use nnx.LayerNorm or nnx.RMSNorm, which read one sample",
}


class Applied(nnx.Module):
    """h -> function(parameters, h): weights of any library as parameters, which learn and are compared like others.

    Attributes:
        function: of parameters and one sample, such as ``module.apply`` of Flax linen, or ``lambda model, h: model(h)``
            of an Equinox module, whose arrays are its parameters.
        parameters: a pytree of arrays.

    >>> layer = Wrapped(Applied(lambda W, h: W @ h, jnp.eye(2)), Scales(2.0, variance=1.0, gd_rate=1.0, adam_rate=1.0))
    >>> print(layer(jnp.ones(2)))
    [2. 2.]
    """

    def __init__(self, function: Callable[[PyTree, Array], Array], parameters: PyTree):
        self.function = function
        self.parameters = nnx.data(parameters)

    def __call__(self, h: Array) -> Array:
        return self.function(self.parameters, h)


class Wrapped(Layer):
    """f_l(h) = tau h + a module(phi(h)), with tau = 1 where ``skip`` is set, for a module of one's own.

    Assumes that the module maps one sample, with no batch axis, and depends on nothing but its input and its
    parameters: no random numbers, no running averages.

    Attributes:
        module: an ``nnx.Module`` that can be called, :class:`Applied` say, or a function without parameters.
        scales: a is ``scales.multiplier``.
        each: the scales of every parameter, in the order of the module's leaves; by default ``scales`` for all of them,
            biases included, which :func:`draw_wrapped` gives scales of their own.
        activation: phi, applied to the layer's *input*.
        skip: whether the input is added to the output (equal shapes only).
        is_linear: whether the module is linear in its input; closed forms then apply to it.

    >>> layer = Wrapped(jnp.tanh, Scales(multiplier=2.0, variance=1.0, gd_rate=1.0, adam_rate=1.0), skip=True)
    >>> print(layer(jnp.zeros(3)))
    [0. 0. 0.]

    Raises:
        ValueError: a module that keeps state other than parameters, as dropout and batch normalisation do, or of
            another library than Flax NNX.
    """

    def __init__(
        self,
        module: Callable[[Array], Array],
        scales: Scales,
        *,
        activation: Activation = identity,
        skip: bool = False,
        is_linear: bool = False,
        each: tuple[Scales, ...] | None = None,
    ):
        _check(module)
        check_activation(activation)
        self.module = module
        self.scales = scales
        self.activation = activation
        self.skip = skip
        self.is_linear = is_linear
        self.each = each

    def __call__(self, h: Array) -> Array:
        try:
            branch = self.module(self.activation(h))
        except jax.errors.TracerArrayConversionError as error:
            raise ValueError(
                f"{_name(self.module)} given, which turns arrays into NumPy's; inference differentiates it: "
                "write it with jax.numpy"
            ) from error
        return self.around(h, self.scales.multiplier * branch)

    @property
    def linear(self) -> bool:
        return self.is_linear and self.activation is identity

    def rates(self, rule: Callable[[Scales], float | Array]) -> PyTree[float | Array]:
        if self.each is None:
            return super().rates(rule)
        return jax.tree.unflatten(jax.tree.structure(self), [rule(scales) for scales in self.each])


def draw_wrapped(
    key: Array,
    module: Callable[[Array], Array],
    parameterisation: Parameterisation,
    role: Role,
    size: tuple[int, int],
    *,
    fan_in: int | None = None,
    activation: Activation = identity,
    **kind,
) -> Wrapped:
    """A module as a layer, its parameters drawn afresh as the parameterisation says.

    Kernels are drawn with the variance of their role and fan-in, biases are set to zero, other vectors stay.  Rates are
    those of the role's row, for vectors of its vectors' row: a bias beside a kernel moves its units as one with the
    row's own multiplier would (:meth:`pcn_lib.scales.Scales.written_with`), the scale or shift of a norm as it is.  The
    module given is left as it is, so one of them serves a whole stack of layers.

    Args:
        key: typed random key.
        module: made of Flax's layers, whose kernels' axes are known; any other with ``fan_in``.
        parameterisation: gives multiplier, variance and rates.
        role: input, hidden or output weight.
        size: (width N, depth L) of the network that the layer belongs to.
        fan_in: inputs to a unit of every kernel; by default of each kernel its own, and of the multiplier the largest.
        activation: in front of the module; its gain is part of the multiplier where the parameterisation has gains.
        kind: ``skip`` and ``is_linear`` of :class:`Wrapped`.

    >>> from pcn_lib.parameterisation import mupc_skips
    >>> module = nnx.Linear(64, 64, rngs=nnx.Rngs(0))
    >>> layer = draw_wrapped(jax.random.key(0), module, mupc_skips(), Role.HIDDEN, (64, 4), skip=True)
    >>> layer.scales.multiplier == (64 * 4) ** -0.5
    True

    Raises:
        ValueError: a module without a kernel, or with one whose axes are not known.
    """
    found = parameters(module, fan_in) if isinstance(module, nnx.Module) and not isinstance(module, Applied) else []
    fans = [parameter.fan_in for parameter in found if parameter.is_kernel and parameter.fan_in]
    if not fans:
        raise ValueError(
            f"{type(module).__name__} given, which has no kernel to draw; a parameterisation needs one: "
            "wrap a function without weights, or with weights that it has, as Wrapped(function, scales)"
        )
    width, depth = size

    def kernel_scales(fan: int) -> Scales:
        return parameterisation.scales(role, fan_in=fan, width=width, depth=depth, activation=activation)

    scales, vector = kernel_scales(max(fans)), parameterisation.vector_scales(role, width, depth)

    def scales_of(parameter: Parameter) -> Scales:
        if parameter.fan_in is None:
            return replace(vector, multiplier=1.0)
        own = kernel_scales(parameter.fan_in)
        return (
            replace(own, multiplier=scales.multiplier) if parameter.is_kernel else vector.written_with(own.multiplier)
        )

    each = tuple(map(scales_of, found))
    leaves, structure = jax.tree.flatten(module)

    def drawn(key: Array, parameter: Parameter, scales: Scales, leaf: Array) -> Array:
        if parameter.is_kernel:
            return parameterisation.draw(key, leaf.shape, scales, leaf.dtype)
        return jnp.zeros_like(leaf) if parameter.is_bias else leaf

    fresh = map(drawn, jax.random.split(key, len(leaves)), found, each, leaves)
    return Wrapped(jax.tree.unflatten(structure, fresh), scales, activation=activation, each=each, **kind)


def _name(module: Callable[[Array], Array]) -> str:
    return getattr(module, "__name__", type(module).__name__)


def _check(module: Callable[[Array], Array]) -> None:
    """Refuse a module whose value depends on more than its input and its parameters, or that hides the latter."""
    foreign = hasattr(module, "apply") or any(leaf is not module for leaf in jax.tree.leaves(module))
    if foreign and not isinstance(module, nnx.Module):
        raise ValueError(
            f"{type(module).__name__} given, whose parameters Flax NNX does not see, and which would not learn: "
            "pass Applied(module.apply, variables) for a Flax linen module, "
            "Applied(lambda model, h: model(h), model) for an Equinox one"
        )
    parts = [part for _, part in nnx.iter_graph(module)] if isinstance(module, nnx.Module) else []
    for kind, instead in REFUSED.items():
        if any(isinstance(part, kind) for part in parts):
            raise ValueError(
                f"{type(module).__name__} given, which has {kind.__name__}; the energy is a function of activities and "
                f"weights alone, so that a module has only parameters: {instead}"
            )
    leaves = jax.tree.leaves(module, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    others = {type(leaf).__name__ for leaf in leaves if isinstance(leaf, nnx.Variable)} - {"Param"}
    if others:
        raise ValueError(
            f"{type(module).__name__} given, which keeps {', '.join(sorted(others))}; the energy is a function of "
            "activities and weights alone: use a module that has only parameters"
        )
