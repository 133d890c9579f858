"""The form of a committed chapter: the argument is in the notebook, the work in the library."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook

MAX_CELL_LINES = 12
MAX_FUNCTION_LINES = 5


def violations(path: Path) -> list[str]:
    """What a chapter does that a chapter may not do, each as `cell N: sentence`; an empty list if nothing."""
    notebook = notebooks.read(path)
    found = [*_parameters(notebook)]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        if number == 1 or notebook.cells[number - 2].cell_type != "markdown":
            found.append(f"cell {number}: has no prose before it: say what to look for in a markdown cell")
        found += [f"cell {number}: {problem}" for problem in _code(cell)]
    if not found and path.read_text(encoding="utf-8") != notebooks.text(notebooks.normalised(notebook)):
        found.append("file: metadata, cell ids or layout are not in normal form: run `pcn notebooks fmt`")
    return found


def format_file(path: Path) -> bool:
    """Bring a notebook into normal form; whether that changed the file."""
    before = path.read_text(encoding="utf-8")
    notebook = notebooks.normalised(notebooks.read(path))
    if notebooks.text(notebook) == before:
        return False
    notebooks.write(notebook, path)
    return True


def _code(cell: Notebook) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "holds outputs or an execution count: run `pcn notebooks fmt`"
    lines = len(cell.source.strip("\n").splitlines())
    if lines > MAX_CELL_LINES:
        yield f"has {lines} lines, and {MAX_CELL_LINES} are allowed: split it or move work into the library"
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        yield f"is not Python ({error.msg}, line {error.lineno}): magics and shell lines are not allowed"
        return
    if any(isinstance(statement, ast.For | ast.While) for statement in tree.body):
        yield "loops at statement level: a loop over sizes belongs to the experiment in the library"
    for node in ast.walk(tree):
        yield from _forbidden(node)


def _forbidden(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name):
            yield f"defines class {name}: classes belong in the library"
        case ast.FunctionDef(name=name, lineno=first, end_lineno=last) if last - first + 1 > MAX_FUNCTION_LINES:
            lines = last - first + 1
            yield f"defines {name} in {lines} lines, and {MAX_FUNCTION_LINES} are allowed: move it into the library"
        case ast.Name(id="plt" | "rcParams" as name) | ast.Attribute(attr="rcParams" as name):
            yield f"uses {name}: plotting settings belong to pcn_lib.figures"


def _parameters(notebook: Notebook) -> Iterator[str]:
    cells = [cell for cell in notebook.cells if notebooks.tagged(cell, "parameters")]
    if len(cells) != 1:
        yield f"file: has {len(cells)} cells tagged 'parameters', and exactly one is needed"
        return
    source = cells[0].source
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return  # said by _code
    for place, statement in enumerate(statements):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
        line = source.splitlines()[statement.end_lineno - 1]
        if not named:
            yield f"parameters: '{line}' is not a typed assignment: write `name: type = value  # meaning`"
        elif "#" not in line:
            yield f"parameters: '{line}' has no comment: say what it means"
        elif place == 0 and statement.target.id != "profile":
            yield "parameters: the first must be `profile`"
