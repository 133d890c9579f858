"""The notation page and the code say the same: every symbol belongs to a public object whose docstring uses it."""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from pcn_lib.network import MLP

PAGE = Path(__file__).parents[1] / "chapters" / "notation.md"
ROW = re.compile(
    r"^\| (?P<symbol>\$.*) \| (?P<meaning>.*) \| `(?P<text>.*)` \| {py:obj}`.* <(?P<name>pcn_lib\..*)>` \|$"
)


class Row(NamedTuple):
    symbol: str
    meaning: str
    text: str
    name: str


LINES = [line for line in PAGE.read_text().splitlines() if line.startswith("| $")]
ROWS = [Row(**match.groupdict()) for line in LINES if (match := ROW.match(line))]


def documentation(name: str) -> str:
    """The docstring of a public object; of a field or property, what the docstring of its class says about it."""
    parts = name.split(".")
    assert not any(part.startswith("_") for part in parts), f"{name} is not public"
    *owner, last = parts
    try:
        return importlib.import_module(name).__doc__
    except ModuleNotFoundError:
        pass
    try:
        found = getattr(importlib.import_module(".".join(owner)), last)
    except ModuleNotFoundError:
        return attribute(getattr(importlib.import_module(".".join(owner[:-1])), owner[-1]), last)
    return inspect.getdoc(found)


def attribute(cls: type, name: str) -> str:
    """What a class's docstring says under ``Attributes`` about one of them."""
    names = rf"(?:\w+, )*{re.escape(name)}(?:, \w+)*"
    found = re.search(rf"^\s+{names}: (.*(?:\n\s{{5,}}.*)*)", inspect.getdoc(cls), re.MULTILINE)
    assert found, f"{cls.__name__} does not describe {name}"
    return f"{name}: {found[1]}"


def test_every_row_of_the_page_is_read():
    assert len(ROWS) == len(LINES) > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.text} in {row.name}")
def test_a_symbol_names_a_public_object_whose_docstring_uses_it(row: Row):
    words = re.sub(r"\s+", " ", documentation(row.name))
    assert re.search(rf"(?<!\w){re.escape(row.text)}(?!\w)", words), f"{row.name} says: {words}"


def test_no_symbol_stands_twice():
    symbols = [row.symbol for row in ROWS]
    assert len(set(symbols)) == len(symbols)


def test_every_size_of_a_multilayer_perceptron_has_its_symbol():
    owned = {row.name for row in ROWS}
    fields = {f"pcn_lib.network.MLP.{field.name}" for field in dataclasses.fields(MLP)}
    assert fields <= owned
