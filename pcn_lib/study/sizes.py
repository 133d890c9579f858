"""A run's sizes: a table in the chapter with a column for each profile, of which one is chosen."""

import ast
import difflib
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PROFILES = ("smoke", "quick", "full", "paper")


class SettingsError(ValueError):
    """Settings that no run can be made from."""


class Sizes(Mapping):
    """The sizes of one run by name: ``sizes.widths``, and ``**sizes`` to pass all of them on."""

    def __init__(self, profile: str, values: Mapping[str, Any]):
        object.__setattr__(self, "_values", types.MappingProxyType(dict(values)))
        object.__setattr__(self, "_profile", profile)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._values:
            raise AttributeError(f"size {name!r} asked for; {known(name, self._values)}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} = {value!r} set; sizes stay as they were chosen: give it to choose(given=...)")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self):
        return Sizes, (self._profile, dict(self._values))

    def __repr__(self) -> str:
        return f"{self._profile}: " + ", ".join(f"{name} = {value}" for name, value in self._values.items())


def choose(
    profile: str,
    *,
    given: Mapping[str, Any] = types.MappingProxyType({}),
    least: Mapping[str, int | float] = types.MappingProxyType({}),
    **table: Mapping[str, Any],
) -> Sizes:
    """The sizes of a profile, with those replaced that are given.

        sizes = choose(profile,
            smoke=dict(widths=(8, 16), seeds=2),
            quick=dict(widths=(8, 16, 32), seeds=4),
            full=dict(seeds=10),             # what a column leaves out is as in the one before it
            given=dict(widths=widths, seeds=seeds))

    A tuple of numbers is an axis of the experiment: it has an entry, and they ascend.

    Args:
        profile: a column of the table: ``smoke``, ``quick``, ``full`` or ``paper``.
        given: values by name, as the parameters cell has them; None keeps the profile's, of an entry of a size that is
            a dictionary too.  Lists are tuples, and a text is read where the table has none, as Papermill gives both.
        least: the smallest number allowed by name; 1 for whole numbers that are not named here.
        table: the columns; the first one has every size.

    Raises:
        SettingsError: an unknown profile or size (the nearest names are offered), a value of another type than in the
            table, one that is too small, or an axis that is empty or does not ascend.
    """
    if unknown := [name for name in table if name not in PROFILES]:
        raise SettingsError(f"column {unknown[0]!r} given; {known(unknown[0], PROFILES)}")
    if profile not in table:
        raise SettingsError(f"profile {profile!r} given; {known(profile, table)}")
    columns = [table[name] for name in PROFILES if name in table]
    places = [name for name in PROFILES if name in table]
    first, values = columns[0], {}
    for column in columns[: places.index(profile) + 1]:
        values |= _checked(column, _with_entries(first, column))
    asked = {name: _normal(value, values.get(name)) for name, value in given.items()}
    asked = {name: value for name, value in asked.items() if value is not None or name not in first}
    values |= _checked(asked, _with_entries(first, values))
    if unknown := [name for name in least if name not in first]:
        raise SettingsError(f"least size of {unknown[0]!r} given; {known(unknown[0], first)}")
    for name, value in values.items():
        _check_size(name, value, least.get(name, 1 if _holds(value, int) else None))
    return Sizes(profile, values)


def known(wanted: str, names: Iterable[str]) -> str:
    """The end of a sentence about a name that does not exist: those that do, and the nearest of them."""
    names = tuple(names)
    near = difflib.get_close_matches(wanted, names, n=2, cutoff=0.4) or names
    return f"known are {', '.join(names)}: did you mean {' or '.join(map(repr, near))}?"


def readings(text: str) -> tuple[Any, ...]:
    """What a text may stand for, the likeliest first: the value that it writes, itself, words with commas between."""
    try:
        return ast.literal_eval(text), text
    except (ValueError, SyntaxError):
        return text, *((tuple(filter(None, map(str.strip, text.split(",")))),) if "," in text else ())


def _normal(value: Any, model: Any) -> Any:
    """A given value as a table would have it; what is of another type stays, to be refused."""
    if isinstance(model, dict) and isinstance(value, Mapping):
        return model | {name: _normal(one, model.get(name)) for name, one in value.items() if one is not None}
    if isinstance(value, str) and not isinstance(model, str):
        return next((_tuples(one) for one in readings(value) if _alike(_tuples(one), model)), value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _with_entries(first: Mapping[str, Any], column: Mapping[str, Any]) -> dict[str, Any]:
    """The first column, of whose dictionaries another column may have other entries, each like those it has."""
    others = {name: value for name, value in column.items() if isinstance(value, dict)}
    own = {name: first[name] for name in others if isinstance(first.get(name), dict)}
    return {**first, **{name: dict.fromkeys(others[name], next(iter(value.values()))) for name, value in own.items()}}


def _checked(values: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a column; each must be of the type that its size has in the first one."""
    for name, value in values.items():
        if name not in first:
            raise SettingsError(f"size {name!r} given; {known(name, first)}")
        if not _alike(value, first[name]):
            raise SettingsError(
                f"{name} = {value!r} given; a value like {first[name]!r} is needed: write it so, or None for the "
                "profile's"
            )
    return dict(values)


def _alike(value: Any, model: Any) -> bool:
    """Whether a value is of the type of another; a tuple, of the types of its entries; whole numbers are numbers."""
    if isinstance(model, tuple):
        return isinstance(value, tuple) and all(any(_alike(item, one) for one in model) for item in value)
    if isinstance(model, dict):
        return isinstance(value, dict) and all(
            name in model and _alike(one, model[name]) for name, one in value.items()
        )
    if isinstance(model, bool) or isinstance(value, bool):
        return isinstance(model, bool) and isinstance(value, bool)
    return isinstance(value, int | float) if isinstance(model, float) else isinstance(value, type(model))


def _holds(value: Any, kind: type | types.UnionType) -> bool:
    """Whether a value, or every entry of a tuple, is a number of a kind."""
    items = value if isinstance(value, tuple) else (value,)
    return all(isinstance(item, kind) and not isinstance(item, bool) for item in items)


def _check_size(name: str, value: Any, least: int | float | None) -> None:
    if isinstance(value, tuple) and not value:
        raise SettingsError(f"{name} = {value!r} given; an axis has an entry or more: choose at least one")
    if not _holds(value, int | float):
        return
    items = value if isinstance(value, tuple) else (value,)
    if least is not None and not min(items) >= least:
        raise SettingsError(f"{name} = {value!r} given; at least {least} is needed: choose {name} >= {least}")
    # Whole numbers of sizes are seeds at the largest, which have 32 bits.
    if _holds(value, int) and not max(items) < 2**32:
        raise SettingsError(f"{name} = {value!r} given; at most 2**32 - 1 is possible: choose a smaller one")
    if any(not a < b for a, b in zip(items, items[1:], strict=False)):
        raise SettingsError(f"{name} = {value!r} given; sizes along an axis ascend: put them in order, each once")
