"""A network on disk: its parameters in one safetensors file, beside what they were made for.

The file's tensors are named by where they stand, as ``readout.weight``, and are read by every library that knows the
format.  Multipliers, rates, activations and sizes stand in its metadata as JSON.
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from pcn_lib.files import write_atomically
from pcn_lib.gains import name_of
from pcn_lib.layers import Layer
from pcn_lib.network import Network

#: The entry of the metadata that is this library's.
ENTRY = "pcn_lib"


def save(path: str | os.PathLike, network: Network) -> Path:
    """Write a network's parameters, with its structure and parameterisation: whole or not at all.

    Args:
        path: where, as ``"network.safetensors"``; missing folders are made.
        network: any, of wrapped modules too.
    """
    from safetensors.flax import save as serialised

    return write_atomically(path, serialised(_parameters(network), {ENTRY: json.dumps(description(network))}))


def load(path: str | os.PathLike, network: Network) -> Network:
    """The network with the parameters of a file, which :func:`save` wrote for one of the same kind.

    Args:
        path: of the file.
        network: built as the saved one was; its own parameters are not used, and so its shapes are enough, as
            ``jax.eval_shape(lambda: mlp.init(key, mupc_skips()))`` has them.

    Raises:
        ValueError: a file that is not of :func:`save`, or of a network of other layers, sizes, number type or
            parameterisation, which would be another function with these weights.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="flax") as file:
            entry = (file.metadata() or {}).get(ENTRY)
            _check(path, json.loads(entry or "{}"), description(network))
            return network.with_parameters([file.get_tensor(name) for name in _parameters(network)])
    except SafetensorError as error:
        raise ValueError(f"{path} given ({error}); a network is read from what save(path, network) wrote") from error


def description(network: Network) -> dict[str, Any]:
    """What must be equal for parameters to mean the same, by where it stands in the network.

    Types and shapes of parameters; kinds of layers with their numbers, and the names of their functions.  Of a wrapped
    module only its kind and its parameters are known, and functions without a name of their own pass for each other.
    """
    parameters = {name: f"{leaf.dtype} {list(leaf.shape)}" for name, leaf in _parameters(network).items()}
    # What is compared is what JSON keeps of it.
    return json.loads(json.dumps(parameters | dict(_facts("", network)), default=str))


def _parameters(network: Network) -> dict[str, Any]:
    # The last key leads from Flax's variable to its array.
    leaves = jax.tree.leaves_with_path(network)
    return {jax.tree_util.keystr(path[:-1], simple=True, separator="."): leaf for path, leaf in leaves}


def _facts(name: str, part: object) -> Iterator[tuple[str, object]]:
    """Names and values of everything but parameters, from the whole to its parts."""
    if isinstance(part, nnx.Module):
        yield name or "network", type(part).__name__
    if isinstance(part, Network | Layer):
        parts = {key: value for key, value in vars(part).items() if not key.startswith("_") and key != "shapes"}
    elif is_dataclass(part):
        parts = {field.name: getattr(part, field.name) for field in fields(part)}
    elif isinstance(part, tuple | list):
        parts = {str(index): value for index, value in enumerate(part)}
    elif isinstance(part, nnx.Module | nnx.Variable):
        return
    else:
        yield name, name_of(part) if callable(part) else part
        return
    for key, value in parts.items():
        yield from _facts(f"{name}.{key}".removeprefix("."), value)


def _check(path: str | os.PathLike, saved: dict[str, Any], needed: dict[str, Any]) -> None:
    """Refuse a file of another network, naming the first thing in which they differ."""
    if not saved:
        raise ValueError(
            f"{path} given, which does not say what network it is of; save(path, network) writes one that does: "
            "put weights from elsewhere in by network.with_parameters([...])"
        )
    for name in needed | saved:
        there, here = saved.get(name, "absent"), needed.get(name, "absent")
        numbers = isinstance(there, float) and isinstance(here, float)
        # Powers of sizes may round in another way on another machine.
        if there != here and not (numbers and math.isclose(there, here, rel_tol=1e-12)):
            raise ValueError(
                f"{path} given, whose {name} is {there} where this network's is {here}; with other sizes or "
                "multipliers the weights are another function: build the network as it was when it was saved"
            )
