"""Every public name is documented, the reference pages list every module, and every example does what it says."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import pcn_lib

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "chapters" / "api").glob("*.md"))
LISTED = re.findall(r"automodule:: (\S+)", "".join(page.read_text() for page in PAGES))
#: Studies and what belongs to them are documented by their chapters; these modules are for the library's user.
NOT_LISTED = ("pcn_lib.book", "pcn_lib.files", "pcn_lib.tables", "pcn_lib.verify")
SPHINX_LOADS = (
    "pcn_lib.book.sphinx_ext",
    "pcn_lib.book.api",
    "pcn_lib.book.benchmarks",
    "pcn_lib.book.findings",
    "pcn_lib.book.gallery",
    "pcn_lib.book.published",
    "pcn_lib.book.tables",
)
MODULES = [
    module.name
    for module in pkgutil.walk_packages(pcn_lib.__path__, "pcn_lib.")
    if module.name not in SPHINX_LOADS and not module.name.endswith("__main__")
]


def public(module: ModuleType) -> dict[str, object]:
    """The names that a module offers: those of __all__, or the functions and classes it defines."""
    if hasattr(module, "__all__"):
        return {name: getattr(module, name) for name in module.__all__}
    defined = inspect.getmembers(module, lambda thing: inspect.isfunction(thing) or inspect.isclass(thing))
    return {name: thing for name, thing in defined if thing.__module__ == module.__name__ and name[0] != "_"}


def test_the_reference_lists_every_module_of_the_library():
    tops = {f"pcn_lib.{module.name}" for module in pkgutil.iter_modules(pcn_lib.__path__)}
    assert tops - set(NOT_LISTED) == set(LISTED)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_every_public_name_has_a_docstring(name: str):
    module = importlib.import_module(name)
    assert module.__doc__ or not Path(module.__file__).read_text().strip()
    if name.startswith(("pcn_lib.book", "pcn_lib.verify")):
        return  # commands, whose help texts are tested with them
    things = {key: thing for key, thing in public(module).items() if inspect.isclass(thing) or inspect.isroutine(thing)}
    bare = [key for key, thing in things.items() if not inspect.getdoc(thing) or _generated(thing)]
    assert bare == []


def _generated(thing: object) -> bool:
    """Whether the docstring is the signature that dataclasses write where there is none."""
    return inspect.isclass(thing) and (thing.__doc__ or "").startswith(f"{thing.__name__}(")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_give_what_they_show(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_reference_run(page: Path):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        # In a process of its own, with JAX as a reader has it.
        process = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
