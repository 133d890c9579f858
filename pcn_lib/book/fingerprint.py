"""What a run depends on, as digests: a chapter is run again exactly when one of them changes."""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pcn_lib
from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import Chapter, Project
from pcn_lib.data import where

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "matplotlib", "scikit-learn", "mlxtend", "papermill")
# Settings from outside that change numbers without changing any file.
ENVIRONMENT = ("JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_PLATFORMS", "XLA_FLAGS")
LIBRARY = Path(pcn_lib.__file__).parent


def versions() -> dict[str, str]:
    """Installed versions of the packages that a chapter's numbers or pictures come from."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def sources(project: Project, chapter: Chapter) -> str:
    """The chapter's code, every library module it reaches, and the recorded results of its stem and those it names."""
    notebook = notebooks.checked(chapter.path)
    code = "\n".join(cell.source for cell in notebooks.code_cells(notebook))
    kept = sorted((project.root / "results" / "recorded").glob("*"))
    # Those of its own stem, and those that it names.
    recorded = [path for path in kept if path.name.startswith(chapter.stem) or f'"{path.stem}"' in code]
    files = [*library_files(notebook), *(path for path in recorded if path.is_file())]
    return digest(notebooks.code_digest(notebook), [hashlib.sha256(path.read_bytes()).hexdigest() for path in files])


def data_sets() -> dict[str, str]:
    """Where each data set would come from on this machine, since a run takes what it finds."""
    return {place.name: str(place) for place in where()}


def run_key(sources_digest: str, values: dict[str, object], device: str, data: dict[str, str]) -> str:
    """All that decides a run's outcome: code, parameters, versions, device, precision and data at hand."""
    environment = {name: os.environ.get(name) for name in ENVIRONMENT}
    return digest(sources_digest, values, versions(), device, environment, data)


def library_files(notebook: Notebook) -> list[Path]:
    """The files of pcn_lib that a notebook's imports reach, and the library's files that are not Python."""
    waiting = [name for cell in notebooks.code_cells(notebook) for name in _imports(cell.source, "")]
    reached: set[Path] = set()
    while waiting:
        for path in _module_files(waiting.pop()):
            if path not in reached:
                reached.add(path)
                package = ".".join((LIBRARY.name, *path.parent.relative_to(LIBRARY).parts))
                waiting += _imports(path.read_text(encoding="utf-8"), package)
    # Python's own cache apart, where files come and go under passing names while modules are imported.
    other = (path for path in LIBRARY.rglob("*") if path.suffix != ".py" and "__pycache__" not in path.parts)
    return sorted(reached.union(filter(Path.is_file, other)))


def _imports(source: str, package: str) -> Iterator[str]:
    """Names that may be modules of pcn_lib: `from pcn_lib.a import b` yields pcn_lib.a and pcn_lib.a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _module_files(name: str) -> list[Path]:
    """The files that importing a dotted name reads: its own and those of the packages around it."""
    first, *rest = name.split(".")
    if first != LIBRARY.name:
        return []
    places = [LIBRARY.joinpath(*rest[:depth]) for depth in range(len(rest) + 1)]
    candidates = [path for place in places for path in (place / "__init__.py", place.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]
