"""What builders of networks refuse, before anything is drawn."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pcn_lib.numerics import check_activation, check_dtype, check_key
from pcn_lib.parameterisation import Parameterisation


def check_whole(name: str, value: object) -> None:
    """Refuse a size that is not a whole number.

    Raises:
        ValueError: a fraction, a text, or True or False.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} = {value!r} given; a whole number is needed: write one, such as {name} = 8")


def check_sizes(builder: object, *names: str) -> None:
    """Refuse sizes that are not whole numbers of at least 1, and an activation that is not a function.

    Raises:
        ValueError: a fraction, a text or a number below 1; or as ``check_activation`` of the activation says.
    """
    for name in names:
        value = getattr(builder, name)
        check_whole(name, value)
        if not value >= 1:
            raise ValueError(f"{name} = {value} given; a network needs at least 1: choose {name} >= 1")
    check_activation(builder.activation)  # type: ignore[attr-defined]


def check_draw(key: Array, parameterisation: Parameterisation, dtype) -> jnp.dtype:
    """The dtype, where weights can be drawn in it from this key with this table.

    Raises:
        ValueError: a seed in place of a key, a parameterisation that was not called, or a dtype that JAX would narrow.
    """
    check_key(key)
    if not isinstance(parameterisation, Parameterisation):
        given = getattr(parameterisation, "__name__", repr(parameterisation))
        raise ValueError(f"parameterisation = {given} given; a Parameterisation is needed: call it, as in mupc_skips()")
    return check_dtype(dtype)
