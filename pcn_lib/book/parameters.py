"""A chapter's parameters: read from its one parameters cell, checked before anything runs.

Papermill injects whatever it is given and only logs a name the notebook does not have, and it does not know of types.
So the cell is parsed as the Python it is.
"""

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from pcn_lib.book.notebooks import Notebook, parameters_cell
from pcn_lib.book.project import BookError, UsageError
from pcn_lib.study.sizes import readings

Value = int | float | str | bool | None | tuple


@dataclass(frozen=True)
class Parameter:
    """One assignment of the parameters cell: `width: "Optional[int]" = None  # hidden width N`.

    Papermill passes over a type with `|` or dots and warns of its parameter, so types are written with `Optional` and
    `Sequence`, quoted, since nothing is imported yet.
    """

    name: str
    annotation: ast.expr
    default: Value

    @property
    def type_name(self) -> str:
        return ast.unparse(self.annotation)


def declared(notebook: Notebook, chapter: str = "the chapter") -> dict[str, Parameter]:
    """The parameters a chapter declares, by name; a chapter without a parameters cell declares none."""
    cell = parameters_cell(notebook)
    statements = ast.parse(cell.source).body if cell else []
    return {
        statement.target.id: Parameter(statement.target.id, _type(statement.annotation), _default(statement, chapter))
        for statement in statements
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
    }


def _type(annotation: ast.expr) -> ast.expr:
    quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    return ast.parse(annotation.value, mode="eval").body if quoted else annotation


def _default(statement: ast.AnnAssign, chapter: str) -> Value:
    try:
        return ast.literal_eval(statement.value)
    except ValueError as error:
        raise BookError(
            f"The parameters cell of {chapter} says `{ast.unparse(statement)}` in line {statement.lineno}, whose value "
            "is computed: write out a number, a word or a tuple, and compute in a cell below."
        ) from error


def parse(settings: Iterable[str], parameters: dict[str, Parameter], chapter: str) -> dict[str, Value]:
    """The values of `NAME=VALUE` settings, refused if the chapter has no such name or another type.

    Raises:
        UsageError: a setting without `=`, an unknown name, a value of another type, or `profile`.
    """
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"'-p {setting}' is not a setting: write -p NAME=VALUE.")
        if name == "profile":
            raise UsageError(f"'-p {setting}' sets the profile, which has its own option: write --profile {text}.")
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=3, cutoff=0.4) or list(parameters)
            raise UsageError(f"Chapter {chapter} has no parameter '{name}'; the nearest are: {', '.join(near)}.")
        values[name] = _value(text, parameters[name], chapter)
    return values


def _value(text: str, parameter: Parameter, chapter: str) -> Value:
    for candidate in readings(text):
        value = tuple(candidate) if isinstance(candidate, list) else candidate
        if _fits(value, parameter.annotation):
            return value
    raise UsageError(
        f"Parameter '{parameter.name}' of chapter {chapter} is of type {parameter.type_name}, "
        f"which '{text}' is not: its default is {parameter.default!r}."
    )


def _fits(value: Value, annotation: ast.expr) -> bool:
    """Whether a value is of an annotated type, for the types a parameters cell may use."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="Optional"), slice=wanted):
            return value is None or _fits(value, wanted)
        case ast.Subscript(value=ast.Name(id="Sequence"), slice=element):
            return isinstance(value, tuple) and all(_fits(item, element) for item in value)
        case ast.Name(id="float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="bool"):
            return isinstance(value, bool)
        case ast.Name(id="str"):
            return isinstance(value, str)
    return False
