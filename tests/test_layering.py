"""Imports run one way: a module knows those of its own rank or below and none above."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "pcn_lib"

RANKS = {
    "files": 0, "tables": 0, "statistics": 0, "numerics": 0, "gains": 0, "scales": 0, "parameterisation": 0,
    "data": 0, "provenance": 0,
    "layers": 1,
    "network": 2,
    "energy": 3, "optimisers": 3, "saving": 3,
    "inference": 4, "rescaling": 4, "wishart": 4, "moreau": 4, "sharding": 4,
    "gradients": 5, "gap": 5, "spectrum": 5,
    "training": 6, "equivalence": 6, "dmft": 6,
    "study": 7,
    "verify": 8,
    "book": 9,
}  # fmt: skip

FILES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")


def module_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The top modules of pcn_lib that a file imports, inside functions and for type checking included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by relative name; write pcn_lib in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("pcn_lib.")} & {module_of(file) for file in FILES}


def test_every_module_has_a_rank():
    unranked = {module_of(path) for path in FILES} - set(RANKS)
    assert not unranked, f"give these a rank here and in the design: {unranked}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_module_imports_none_of_higher_rank(path: Path):
    rank = RANKS[module_of(path)]
    higher = {name for name in imported(path) if RANKS[name] > rank}
    assert not higher, f"{path.name} of rank {rank} imports {higher}"


def test_no_two_modules_import_each_other():
    edges = {(module_of(path), name) for path in FILES for name in imported(path) if name != module_of(path)}
    reachable = set(edges)
    while longer := {(a, d) for a, b in reachable for c, d in edges if b == c} - reachable:
        reachable |= longer
    assert not {a for a, b in reachable if a == b}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_module_is_at_most_300_lines_long_and_its_functions_40(path: Path):
    source = path.read_text()
    assert len(source.splitlines()) <= 300
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    long = {node.name: lines for node in functions if (lines := code_lines(node)) > 40}
    assert not long


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(function) is not None
    first = function.body[0].end_lineno + 1 if documented else function.lineno
    return function.end_lineno - first + 1
