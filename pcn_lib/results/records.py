"""Records on disk and back.

A record is a frozen dataclass of numbers, words, arrays and other such records.  Words and single
numbers go to ``NAME.json``, arrays to ``NAME.npz``; both are written whole or not at all, and the first
knows the other's hash, so a pair that does not belong together is refused.
"""

import dataclasses
import hashlib
import io
import json
import types
import typing
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from pcn_lib.files import write_atomically
from pcn_lib.results.provenance import Provenance

Record = TypeVar("Record")
#: Kinds of array that npz stores as they are: bool, int, unsigned, float, complex, text.
STORABLE = "biufcU"


class ResultError(ValueError):
    """A record that cannot be written, or a file that does not hold the record asked for."""


def save(record: Any, path: str | PathLike, provenance: Provenance) -> Path:
    """Write a record to ``path.json`` and ``path.npz``.

    Args:
        record: a frozen dataclass of bool, int, float, str, None, arrays, tuples and frozen dataclasses.
        path: without suffix; missing folders are made.
        provenance: how the record came about.

    Returns:
        The path of the JSON file.

    Raises:
        ResultError: the record holds something that would not come back as it was.
    """
    _require_record(type(record))
    arrays: dict[str, np.ndarray] = {}
    fields = _encode(record, type(record).__name__, arrays)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    content = {
        "record": type(record).__name__,
        "arrays_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "fields": fields,
        "provenance": _encode(provenance, "provenance", {}),
    }
    write_atomically(_with_suffix(path, ".npz"), buffer.getvalue())
    return write_atomically(_with_suffix(path, ".json"), (json.dumps(content, indent=1) + "\n").encode())


def load(cls: type[Record], path: str | PathLike) -> Record:
    """The record of type ``cls`` that :func:`save` wrote to ``path`` (without suffix).

    Arrays come back as NumPy arrays of the same type, NaN included.

    Raises:
        FileNotFoundError: nothing was saved there.
        ResultError: another record, other fields, other types, or a damaged file.
    """
    _require_record(cls)
    content, arrays_path = _read_json(path), _with_suffix(path, ".npz")
    if content["record"] != cls.__name__:
        raise ResultError(
            f"{path}.json holds a {content['record']}; a {cls.__name__} was asked for: name the right file"
        )
    stored = arrays_path.read_bytes()
    if hashlib.sha256(stored).hexdigest() != content["arrays_sha256"]:
        raise ResultError(
            f"{arrays_path} is not the file that was written with {path}.json; "
            "the two must come from one run: run it again"
        )
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        return _decode(content["fields"], cls, cls.__name__, arrays)


def load_provenance(path: str | PathLike) -> Provenance:
    """How the record saved at ``path`` (without suffix) came about.

    Raises:
        FileNotFoundError, ResultError: as :func:`load`.
    """
    return _decode(_read_json(path)["provenance"], Provenance, "provenance", {})


def provenance_of(record: Any) -> Provenance:
    """How a record came about: its field ``provenance``, or the attribute that ``pcn_lib.study.grid`` noted.

    Raises:
        ResultError: a record that says nothing of it.
    """
    found = getattr(record, "provenance", None)
    if found is None and hasattr(record, "subtree"):
        # Of several tables, the first that says it; they come from one run of a chapter.
        found = next((node.attrs["provenance"] for node in record.subtree if "provenance" in node.attrs), None)
    if isinstance(found, Provenance):
        return found
    if not isinstance(found, str):
        raise ResultError(
            f"a {type(record).__name__} without provenance given; grid(...) notes it as an attribute: keep attributes"
        )
    return Provenance.from_json(found)


def _with_suffix(path: str | PathLike, suffix: str) -> Path:
    """``path`` with a suffix added; a dot in the name (``width_0.5``) is part of the name."""
    path = Path(path)
    return path.with_name(path.name + suffix)


def _require_record(cls: type) -> None:
    if not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise ResultError(f"{cls.__name__} given; a frozen dataclass is needed: decorate it @dataclass(frozen=True)")


def _read_json(path: str | PathLike) -> dict:
    name = _with_suffix(path, ".json")
    try:
        content = json.loads(name.read_text(encoding="utf-8"))
        missing = {"record", "arrays_sha256", "fields", "provenance"} - set(content)
    except (ValueError, TypeError) as error:
        raise ResultError(f"{name} is damaged ({error}); a record written by save is needed: run it again") from error
    if missing:
        raise ResultError(
            f"{name} lacks {', '.join(sorted(missing))}; a record written by save is needed: run it again"
        )
    return content


def _encode(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value as JSON; arrays are put into ``arrays`` under their place in the record."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [_encode(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, np.ndarray | jax.Array) and np.dtype(value.dtype).kind in STORABLE:
        arrays[where] = np.asarray(value)
        return {"array": where}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        _require_record(type(value))
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _encode(getattr(value, name), f"{where}.{name}", arrays) for name in names}
    kind = f"array of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
    raise ResultError(
        f"{where} holds a {kind}; a record holds bool, int, float, str, None, arrays, tuples and frozen dataclasses: "
        "convert it before saving"
    )


def _decode(stored: Any, hint: Any, where: str, arrays: Mapping[str, np.ndarray]) -> Any:
    """What :func:`_encode` wrote, as the type named by ``hint``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _decode_union(stored, typing.get_args(hint), where, arrays)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(stored, dict):
        return _decode_record(stored, hint, where, arrays)
    if typing.get_origin(hint) is tuple and isinstance(stored, list):
        items = _item_hints(typing.get_args(hint), len(stored), where)
        places = (f"{where}.{i}" for i in range(len(stored)))
        return tuple(_decode(*item, arrays) for item in zip(stored, items, places, strict=True))
    if _is_array(hint) and isinstance(stored, dict) and "array" in stored:
        return arrays[stored["array"]]
    if hint is float and isinstance(stored, int) and not isinstance(stored, bool):
        return float(stored)
    if hint in (bool, int, float, str, type(None)) and type(stored) is (hint or type(None)):
        return stored
    raise ResultError(
        f"{where} is stored as {type(stored).__name__}; {getattr(hint, '__name__', hint)} is needed: "
        "the file was written by another version, run it again"
    )


def _decode_union(stored: Any, hints: tuple, where: str, arrays: Mapping[str, np.ndarray]) -> Any:
    """The first of several types that fits."""
    for hint in hints:
        try:
            return _decode(stored, hint, where, arrays)
        except ResultError as error:
            last = error
    raise last


def _decode_record(stored: dict, cls: type, where: str, arrays: Mapping[str, np.ndarray]) -> Any:
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    if set(names) != set(stored):
        different = ", ".join(sorted(set(names) ^ set(stored)))
        raise ResultError(
            f"{where} is stored with the fields {', '.join(stored)}; {cls.__name__} differs in {different}: "
            "the file was written by another version, run it again"
        )
    return cls(**{name: _decode(stored[name], hints[name], f"{where}.{name}", arrays) for name in names})


def _item_hints(hints: tuple, count: int, where: str) -> tuple:
    """One type for each item of a stored tuple."""
    if len(hints) == 2 and hints[1] is Ellipsis:
        return (hints[0],) * count
    if len(hints) != count:
        raise ResultError(f"{where} is stored with {count} items; {len(hints)} are needed: run it again")
    return hints


def _is_array(hint: Any) -> bool:
    """An array type, plain or with its axes named."""
    return hint in (np.ndarray, jax.Array) or hasattr(hint, "array_type")
