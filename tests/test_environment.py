"""Three files say what the book needs; they cannot disagree, and neither can what is installed."""

import graphlib
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
INSTALL = "--editable '.[book,test]'"

EXTRAS = [
    line
    for extra in ("study", "notebook", "book", "test")
    for line in PROJECT["optional-dependencies"][extra]
    if not line.startswith("pcn-lib[")
]
REQUIRED = {(needed := Requirement(line)).name: needed for line in [*PROJECT["dependencies"], *EXTRAS]}


def test_make_and_conda_install_this_package_with_the_same_extras():
    (pip,) = (entry["pip"] for entry in CONDA if isinstance(entry, dict))
    assert pip == [INSTALL.replace("'", "")]
    assert (ROOT / "Makefile").read_text().count(INSTALL) == 1


def test_conda_asks_for_the_same_versions_as_the_package():
    conda = {(needed := Requirement(line)).name: needed for line in CONDA if isinstance(line, str) and line != "pip"}
    assert str(conda.pop("python").specifier) == PROJECT["requires-python"]
    assert set(conda) == {"jupyter-book", "jax", "flax", "optax", "matplotlib", "papermill"}
    assert {name: needed.specifier for name, needed in conda.items()} == {
        name: REQUIRED[name].specifier for name in conda
    }


def test_extras_build_on_each_other_without_a_circle():
    extras = PROJECT["optional-dependencies"]
    below = {extra: {one for line in lines for one in Requirement(line).extras} for extra, lines in extras.items()}
    assert below["book"] == {"notebook"} and below["notebook"] == {"study"}
    assert tuple(graphlib.TopologicalSorter(below).static_order())


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_installed_is_what_is_asked_for(name: str):
    assert importlib.metadata.version(name) in REQUIRED[name].specifier


def test_the_library_and_the_package_tell_the_same_version():
    import pcn_lib

    assert PROJECT["version"] == pcn_lib.__version__


BOOK_ONLY = ("papermill", "nbformat", "nbclient", "sphinx", "jupyter_book", "sklearn", "mlxtend", "ipykernel")
#: What `pcn_lib.study` needs for labelled records; claims and pictures, which `pcn_lib.verify` uses, do without.
STUDY_ONLY = ("xarray", "h5netcdf", "h5py")
LABELLED = tuple(f"pcn_lib.study.{name}" for name in ("comparison", "measuring", "records"))
LABELLED += tuple(f"pcn_lib.book.{name}" for name in ("colab", "diff", "recording", "sources", "together"))
PAGES = ("sphinx_ext", "api", "benchmarks", "citing", "claims", "explorer", "findings", "gallery", "lead", "published")
PAGES += ("solvers", "tables")
SPHINX_LOADS = tuple(f"pcn_lib.book.{name}" for name in PAGES)
WITHOUT_BOOK = f"""
import importlib, pkgutil, sys
import scipy.stats  # which takes a Sphinx that is known by name for one that is there
sys.modules.update(dict.fromkeys({BOOK_ONLY + STUDY_ONLY!r}))  # importing one of these now fails as if it were absent
import pcn_lib
for module in pkgutil.walk_packages(pcn_lib.__path__, "pcn_lib."):
    if module.name not in {SPHINX_LOADS + LABELLED!r}:
        importlib.import_module(module.name)
from pcn_lib.book.cli import main
sys.exit(main(["build"]))
"""


def test_the_library_imports_without_the_book_extra_and_the_command_line_names_what_is_missing():
    process = subprocess.run([sys.executable, "-c", WITHOUT_BOOK], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith("The Python package 'jupyter_book' is not installed")
    assert "book extra" in process.stderr
    assert len(process.stderr.splitlines()) == 1
