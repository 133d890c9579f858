"""Copies of chapters that open on Colab: the same notebook behind a cell that installs the library."""

import ast

import pytest

from pcn_lib.book import colab, notebooks
from pcn_lib.book.project import Project

REPOSITORY = "https://github.com/someone/book"
CHANGED = f"{colab.SITE}/github/someone/book/blob/colab/01_halves.ipynb"


@pytest.fixture
def installing(book: Project) -> notebooks.Notebook:
    committed = notebooks.read(book.chapter("halves").path)
    (path,) = [path for path in colab.write_copies(book, book.pages, REPOSITORY) if path.stem == "01_halves"]
    copied = notebooks.read(path)
    number = next(i for i, cell in enumerate(copied.cells) if cell.cell_type == "code")
    cell = copied.cells.pop(number)
    assert notebooks.text(copied) == notebooks.text(notebooks.normalised(committed))  # nothing else is changed
    return cell


def test_a_copy_installs_the_library_from_its_repository_and_nothing_where_it_is_installed(installing):
    code = installing.source.replace("%pip install", "commands.append")
    line = next(line for line in installing.source.splitlines() if "%pip" in line)
    assert line.endswith(f'"pcn-lib[book] @ git+{REPOSITORY}"') and "{jax}" in line
    ast.parse("\n".join(part for part in code.splitlines() if "commands" not in part) + "\n    pass")
    assert "pcn_lib" in installing.source and not installing.outputs


def test_the_install_cell_does_nothing_here(installing):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    called = []
    shell.register_magic_function(called.append, magic_name="pip")
    assert shell.run_cell(installing.source).success and called == []


def test_the_install_cell_installs_where_the_library_is_missing(installing, monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    called = []
    shell.register_magic_function(called.append, magic_name="pip")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    assert shell.run_cell(installing.source).success
    assert called == [f'install --quiet "jax[cuda12]" "pcn-lib[book] @ git+{REPOSITORY}"']


def test_the_button_leads_to_the_copy():
    assert colab.address(f"{colab.SITE}/github/someone/book/blob/main/chapters/01_halves.ipynb") == CHANGED
