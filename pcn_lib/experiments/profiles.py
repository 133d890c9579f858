"""Settings chosen by the name of a profile, with single values replaced: what every study's ``preset`` does."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from pcn_lib.study.sizes import SettingsError
from pcn_lib.study.sizes import known as _known

Settings = TypeVar("Settings")


def choose(presets: Mapping[str, Settings], profile: str, overrides: Mapping[str, Any]) -> Settings:
    """The settings of a profile, with those values replaced that are given.

    Args:
        presets: settings by the name of their profile: ``smoke``, ``quick``, ``full``, ``paper``.
        profile: one of these names.
        overrides: values by the name of the setting; None keeps the profile's.

    Raises:
        SettingsError: an unknown profile or setting (the nearest names are offered), or a value of another type.
    """
    if profile not in presets:
        raise SettingsError(f"profile {profile!r} given; {_known(profile, presets)}")
    settings = presets[profile]
    hints = typing.get_type_hints(type(settings))
    names = [field.name for field in fields(settings)]
    for name, value in overrides.items():
        if name not in names:
            raise SettingsError(f"setting {name!r} given; {_known(name, names)}")
        if value is not None and not _fits(value, hints[name]):
            wanted = getattr(hints[name], "__name__", None) if isinstance(hints[name], type) else str(hints[name])
            raise SettingsError(
                f"{name} = {value!r} given; a value of type {wanted} is needed, such as {getattr(settings, name)!r}: "
                "write it so, or None for the profile's"
            )
    return replace(settings, **{name: value for name, value in overrides.items() if value is not None})


def check_sizes(settings: Any, **least: int) -> None:
    """Refuse a size that is too small, or an empty tuple of sizes; for ``__post_init__``.

    Args:
        settings: has a size, or a tuple of sizes, under each name.
        least: the smallest size allowed, by name.

    Raises:
        SettingsError: naming the first setting that is too small.
    """
    for name, bound in least.items():
        value = getattr(settings, name)
        sizes = value if isinstance(value, tuple) else (value,)
        if not sizes or min(sizes) < bound:
            raise SettingsError(f"{name} = {value!r} given; at least {bound} is needed: choose {name} >= {bound}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, for the types that settings have."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)
