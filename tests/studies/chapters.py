"""A chapter that is its own study, with what it defines and without what it measures."""

import ast
import builtins
import functools
import os
from pathlib import Path
from types import CodeType
from typing import Any

import jax

from pcn_lib.book import notebooks
from pcn_lib.book.project import Chapter, Project
from pcn_lib.study import ClaimFailed

ROOT = Path(__file__).parents[2]
#: Cells that are run as they stand; of the others, what they define.
WHOLE = ("parameters", notebooks.IMPORTS, notebooks.SIZES)
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def studies() -> tuple[Chapter, ...]:
    """The chapters of the book that are their own studies."""
    return Project(ROOT).chapters()


def chapter(stem: str) -> Chapter:
    return Project(ROOT).chapter(stem)


@functools.cache
def _code(path: Path) -> tuple[tuple[bool, ast.Module], ...]:
    """The cells of a chapter that come before its claims, and whether each is run whole."""
    cells = [cell for cell in notebooks.code_cells(notebooks.read(path)) if not notebooks.tagged(cell, "claims")]
    return tuple((any(notebooks.tagged(cell, tag) for tag in WHOLE), ast.parse(cell.source)) for cell in cells)


def defined(stem: str, **parameters: Any) -> dict[str, Any]:
    """What a chapter's cells define: imports, sizes, constants and functions, with some of its parameters replaced.

    Constants are assignments of CAPITALS, such as the rows of a table, that need nothing that is measured.
    """
    names: dict[str, Any] = {}
    # A chapter sets the precision of its own process, not that of the tests that follow in this one.
    before = jax.config.jax_default_matmul_precision
    try:
        for whole, module in _code(chapter(stem).path):
            for statement in module.body:
                if whole or isinstance(statement, DEFINITIONS) or _constant(statement, names):
                    exec(compile(ast.Module([statement], []), stem, "exec"), names)
            if "profile" in names:
                names |= {name: value for name, value in parameters.items() if name in names}
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    return names


def _constant(statement: ast.stmt, names: dict[str, Any]) -> bool:
    if not isinstance(statement, ast.Assign):
        return False
    used = [name for name in ast.walk(statement) if isinstance(name, ast.Name)]
    made = [name.id for name in used if isinstance(name.ctx, ast.Store)]
    needed = {name.id for name in used if isinstance(name.ctx, ast.Load)} - set(made)
    return all(name.isupper() for name in made) and all(hasattr(builtins, name) or name in names for name in needed)


def claims_of(stem: str, names: dict[str, Any], record: Any) -> list:
    """The claims that a chapter's own cells make of a record; what they raise while they are made is raised here."""
    names = names | {"record": record}
    os.environ.pop("PCN_RUN_FOLDER", None)
    for cell in _claims(stem):
        try:
            exec(cell, names)
        except ClaimFailed:
            pass
    return names["claims"]


@functools.cache
def _claims(stem: str) -> tuple[CodeType, ...]:
    cells = notebooks.code_cells(notebooks.read(chapter(stem).path))
    return tuple(compile(cell.source, stem, "exec") for cell in cells if notebooks.tagged(cell, "claims"))
