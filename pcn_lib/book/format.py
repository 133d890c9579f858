"""The form of a committed chapter: what is measured, over which sizes, what is claimed and drawn stands in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import Chapter, book_module

#: The most lines of a cell and of a function.
MAX_CELL_LINES, MAX_FUNCTION_LINES = 25, 20
#: Lines of code, without blank ones and comments; and of claims, which are half prose: a sentence, a source and a
#: reason for each. Solutions of exercises are not counted.
LEAST_LINES, MAX_LINES, MAX_CLAIM_LINES = 60, 220, 120
#: A theorem box whose title ends in brackets.
BRACKETED = re.compile(r"^`{3,}\{prf:\w+\} (.*\(.*\))$", re.MULTILINE)
TAGS = (*notebooks.FOLDED, notebooks.MEASURE, notebooks.CLAIMS)


def violations(path: Path) -> list[str]:
    """What a chapter does that a chapter may not do, each as `cell N: sentence`; an empty list if nothing."""
    notebook = notebooks.read(path)
    found = [*_parameters(notebook), *_whole(notebook, path)]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            boxes = BRACKETED.findall(cell.source)
            found += [
                f"cell {number}: the page sets '{title}' in brackets: write a dash for its own" for title in boxes
            ]
            continue
        pair = notebook.cells[max(number - 2, 0) : number]
        # A picture is told about once: its function, this run's and the recorded one may follow each other.
        drawn = len(pair) == 2 and all(notebooks.tagged(one, notebooks.FIGURE) for one in pair)
        if pair[0].cell_type != "markdown" and not drawn:
            found.append(f"cell {number}: has no prose before it: say what to look for in a markdown cell")
        found += [f"cell {number}: {problem}" for problem in _code(cell)]
    said = any("pcn notebooks fmt" in problem for problem in found)
    if not said and path.read_text(encoding="utf-8") != notebooks.text(notebooks.normalised(notebook)):
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


def _whole(notebook: Notebook, path: Path) -> Iterator[str]:
    """What a chapter lacks or has too much of."""
    cells = notebooks.code_cells(notebook)
    claimed = sum(code_lines(cell.source) for cell in cells if notebooks.tagged(cell, notebooks.CLAIMS))
    if claimed > MAX_CLAIM_LINES:
        yield f"file: has {claimed} lines of claims, and {MAX_CLAIM_LINES} are allowed: make alike ones in a loop"
    lines = sum(code_lines(cell.source) for cell in cells if not notebooks.tagged(cell, notebooks.SOLUTION))
    if not LEAST_LINES <= lines <= MAX_LINES + claimed:
        advice = "show the method" if lines < LEAST_LINES else "move what chapters share into the library"
        yield (
            f"file: has {lines} lines of code, {claimed} of them claims; {LEAST_LINES} to "
            f"{MAX_LINES} beside claims are asked for: {advice}"
        )
    for tag in (notebooks.MEASURE, notebooks.CLAIMS):
        if not any(notebooks.tagged(cell, tag) for cell in notebook.cells):
            yield f"file: has no cell tagged '{tag}', by which the machinery finds it: tag one"
    stem = Chapter(path.stem, path).stem
    if not any(_keeps(cell.source, stem) for cell in notebooks.code_cells(notebook)):
        yield f"file: never calls keep(record, {stem!r}), by which `pcn record` gets its record"


def _keeps(source: str, stem: str) -> bool:
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return False  # said by _code
    return any(
        call.args and ast.unparse(call.func) == "keep" and ast.unparse(call.args[-1]) == repr(stem) for call in calls
    )


def code_lines(source: str) -> int:
    """Lines that are neither blank nor comments."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def _code(cell: Notebook) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "holds outputs or an execution count: run `pcn notebooks fmt`"
    if unknown := [tag for tag in cell.metadata.get("tags", ()) if tag not in TAGS]:
        yield f"has the tag '{unknown[0]}', which means nothing here: known are {', '.join(TAGS)}"
    if (lines := len(cell.source.strip("\n").splitlines())) > MAX_CELL_LINES:
        yield f"has {lines} lines, and {MAX_CELL_LINES} are allowed: split it or move work into the library"
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        yield f"is not Python ({error.msg}, line {error.lineno}): magics and shell lines are not allowed"
        return
    for node in ast.walk(tree):
        yield from _forbidden(node)


def _forbidden(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name, lineno=first, end_lineno=last) if last - first + 1 > MAX_FUNCTION_LINES:
            lines = last - first + 1
            yield f"defines {name} in {lines} lines, and {MAX_FUNCTION_LINES} are allowed: move it into the library"
        case ast.Name(id="plt" | "rcParams" as name) | ast.Attribute(attr="rcParams" as name):
            yield f"uses {name}: plotting settings belong to pcn_lib.study"


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
    known = {one.name for one in book_module("papermill.translators").PythonTranslator.inspect(cells[0])}
    for place, statement in enumerate(statements):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
        line = source.splitlines()[statement.end_lineno - 1]
        if not named:
            yield f"parameters: '{line}' is not a typed assignment: write `name: type = value  # meaning`"
        elif "#" not in line:
            yield f"parameters: '{line}' has no comment: say what it means"
        elif statement.target.id not in known:
            yield f"parameters: '{line}' is not read by Papermill: write \"Optional[Sequence[int]]\", and one = a line"
        elif place == 0 and statement.target.id != "profile":
            yield "parameters: the first must be `profile`"
