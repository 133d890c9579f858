"""Every parameter of every chapter can be set with `pcn run CHAPTER -p NAME=VALUE`, and reaches the chapter's study."""

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pcn_lib.book import notebooks, parameters
from pcn_lib.book.project import Chapter, Project, UsageError
from pcn_lib.study import SettingsError

PROJECT = Project(Path(__file__).parents[1])
CHAPTERS = [pytest.param(chapter, id=chapter.name) for chapter in PROJECT.chapters()]


def settings(chapter: Chapter, *given: str) -> Any:
    """The settings that a chapter's own cells make of parameters as given on the command line; nothing is run."""
    notebook = notebooks.read(chapter.path)
    declared = parameters.declared(notebook)
    values = parameters.parse(given, declared, chapter.name)
    names: dict[str, Any] = {name: parameter.default for name, parameter in declared.items()}
    names |= values | {"profile": "smoke"}
    for cell in notebooks.code_cells(notebook):
        for statement in ast.parse(cell.source).body:
            if call := _preset_call(statement):
                return eval(compile(ast.Expression(call), chapter.name, "eval"), names)
            if (
                isinstance(statement, ast.Import | ast.ImportFrom)
                or _collects(statement, declared)
                or _constant(statement)
            ):
                exec(compile(ast.Module([statement], []), chapter.name, "exec"), names)
    raise AssertionError(f"{chapter.name} has parameters and makes no settings of them with choose(profile, ...)")


def _preset_call(statement: ast.stmt) -> ast.Call | None:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return next((call for call in calls if ast.unparse(call.func).split(".")[-1] in ("preset", "choose")), None)


def _constant(statement: ast.stmt) -> bool:
    """Whether a statement names numbers that a table of sizes uses, as in ``GRID = (2, 4, 8)``."""
    if not isinstance(statement, ast.Assign):
        return False
    plain = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)} <= {"dict"}
    return plain and all(name.isupper() for target in statement.targets for name in ast.unparse(target).split(", "))


def _collects(statement: ast.stmt, declared: dict[str, parameters.Parameter]) -> bool:
    """Whether a statement only gathers parameters, as in ``given = dict(widths=widths)`` or ``given |= ...``."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return False
    used = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)} - {"dict"}
    return bool(used) and used <= set(declared)


def _names(made: Any) -> set[str]:
    """The settings' names."""
    return {field.name for field in dataclasses.fields(made)} if dataclasses.is_dataclass(made) else set(made)


def _used(chapter: Chapter) -> set[str]:
    """Names that the chapter's cells read."""
    trees = [ast.parse(cell.source) for cell in notebooks.code_cells(notebooks.read(chapter.path))]
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, ast.Load)}


def neighbour(value: Any) -> Any:
    """Another value of the same type: the next size, half as much again, each of a tuple."""
    match value:
        case bool() | str() | None:
            return value
        case int():
            return value + 1
        case float():
            return 1.5 * value
        case tuple():
            return tuple(map(neighbour, value))
    raise AssertionError(f"a parameter of type {type(value).__name__}")


def as_given(name: str, value: Any) -> str:
    """A setting as one types it: widths=32,128 and data_set=digits, without brackets and quotes."""
    if isinstance(value, tuple):
        return f"{name}={','.join(map(str, value))}{',' if len(value) == 1 else ''}"
    return f"{name}={value}"


def holds(setting: Any, given: Any) -> bool:
    """Whether a setting is what was given; a study may put sizes in order, or add one that it always needs."""
    return set(given) <= set(setting) if isinstance(given, tuple) else setting == given


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_parameter_reaches_the_study(chapter: Chapter):
    declared = parameters.declared(notebooks.read(chapter.path))
    usual = settings(chapter)
    reached = 0
    for name in (declared.keys() & _names(usual)) - {"profile"}:
        value = getattr(usual, name)
        assert getattr(settings(chapter, as_given(name, value)), name) == value, name
        try:
            other = getattr(settings(chapter, as_given(name, neighbour(value))), name)
        except SettingsError:
            continue  # the size next to this one is none: an odd number of samples of two classes, say
        assert holds(other, neighbour(value)), name
        reached += other != value
    assert reached or declared.keys() == {"profile"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_parameter_is_a_setting_and_what_is_not_one_is_refused(chapter: Chapter):
    made = settings(chapter)
    names = _names(made)
    beside = parameters.declared(notebooks.read(chapter.path)).keys() - {"profile"} - names
    assert beside <= _used(chapter), "neither a size nor used anywhere"
    with pytest.raises(UsageError, match="no parameter 'wdith'"):
        settings(chapter, "wdith=3")
