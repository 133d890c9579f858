"""What the parameters of a Flax NNX module are: kernels with their fan-in, biases beside them, other vectors."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array


@dataclass(frozen=True)
class Parameter:
    """One parameter of a module.

    Attributes:
        name: where in the module, as ``query/kernel``.
        fan_in: inputs to a unit, for a kernel and for the bias beside it; None for other vectors.
        is_kernel: whether it is one.
    """

    name: str
    fan_in: int | None
    is_kernel: bool

    @property
    def is_bias(self) -> bool:
        """Whether it is a bias, beside a kernel or as the shift of a norm."""
        return self.name.split("/")[-1] == "bias"


def parameters(module: nnx.Module, fan_in: int | None = None) -> list[Parameter]:
    """The parameters of a module in the order of its leaves.

    Args:
        module: of Flax's own layers (``Linear``, ``LinearGeneral``, ``Conv``, ``Einsum``, ``Embed``, attention and
            norms, which are made of them); with a fan-in given, of others, too.
        fan_in: that of every kernel, in place of what the layouts say.

    Raises:
        ValueError: an array that is no vector, in a layout that is not known, and no fan-in.
    """
    found = []
    for path, leaf in jax.tree.leaves_with_path(module):
        # The last key leads from Flax's variable to its array.
        keys: list[Any] = [getattr(key, "name", getattr(key, "idx", None)) for key in path[:-1]]
        *above, last = keys
        owner = reduce(_part, above, module)
        name = "/".join(map(str, (*above, last)))
        if not _is_kernel(last, leaf):
            beside = [key for key, other in vars(owner).items() if _is_kernel(key, other)] if last == "bias" else []
            fans = [fan_in or _fan_in(owner, key, getattr(owner, key)) for key in beside]
            found.append(Parameter(name, max(filter(None, fans), default=None), is_kernel=False))
            continue
        fan = fan_in or _fan_in(owner, last, leaf)
        if fan is None:
            raise ValueError(
                f"{type(module).__name__} given with {name} of shape {leaf.shape}, whose axes only "
                f"{type(owner).__name__} knows; its variance needs the number of inputs to a unit: pass fan_in=..., "
                "or make it of Flax's Linear, LinearGeneral, Conv, Einsum or Embed"
            )
        found.append(Parameter(name, fan, is_kernel=True))
    return found


def _part(whole: Any, key: str | int) -> Any:
    return whole[key] if isinstance(key, int) else getattr(whole, key)


def _is_kernel(name: str, leaf: object) -> bool:
    return getattr(leaf, "ndim", 0) > 1 and name not in ("bias", "scale")


def _fan_in(owner: nnx.Module, name: str, kernel: Array | nnx.Param) -> int | None:
    """Inputs to a unit by the layout of Flax's layers; None for others."""
    match owner, name:
        case nnx.Linear(), "kernel":
            return kernel.shape[0]
        case nnx.LinearGeneral(), "kernel":
            return math.prod(owner.in_features)
        case nnx.Conv(), "kernel":
            return kernel.size // kernel.shape[-1]
        case nnx.Embed(), "embedding":
            # A token reads its own row alone.
            return 1
        case nnx.Einsum(einsum_str=str(rule)), "kernel" if "." not in rule.split(",")[1]:
            operands, result = rule.replace(" ", "").split("->")
            axes = zip(operands.split(",")[1], kernel.shape, strict=True)
            return math.prod(size for letter, size in axes if letter not in result)
    return None
