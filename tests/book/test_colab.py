"""Copies of chapters for elsewhere: plain Markdown behind a cell that installs the library and fetches the record."""

import pytest

from pcn_lib.book import colab, notebooks
from pcn_lib.book.project import Project
from pcn_lib.study import load, recorded
from pcn_lib.study.records import FOLDER
from tests.book.conftest import REPOSITORY, chapter_text

ADDRESS = "https://github.com/someone/book"
CHANGED = f"{colab.SITE}/github/someone/book/blob/colab/01_halves.ipynb"


def copied(book: Project, repository: str | None) -> notebooks.Notebook:
    (path,) = [path for path in colab.write_copies(book, book.pages, repository) if path.stem == "01_halves"]
    download = book.pages / "_sources" / "chapters" / "01_halves.ipynb"
    assert download.read_bytes() == path.read_bytes()  # the page's download is the same
    return notebooks.read(path)


@pytest.fixture
def shell():
    """Runs a cell with a `%pip` that only says what it was given."""
    from IPython.core.interactiveshell import InteractiveShell

    shell, called = InteractiveShell(), []
    shell.register_magic_function(called.append, magic_name="pip")

    def run(source: str) -> list[str]:
        shell.run_cell(source).raise_error()
        return called

    return run


def test_a_copy_has_the_chapters_code_behind_the_cell_that_installs(book: Project):
    committed = notebooks.read(book.chapter("halves").path)
    install, *others = notebooks.code_cells(copied(book, ADDRESS))
    assert [cell.source for cell in others] == [cell.source for cell in notebooks.code_cells(committed)]
    assert install.id == "install" and not install.outputs
    assert len(notebooks.code_cells(copied(book, None))) == len(others)  # nothing to install from


def test_the_install_cell_does_nothing_where_the_library_is(book: Project, shell):
    assert shell(notebooks.code_cells(copied(book, ADDRESS))[0].source) == []


def test_the_install_cell_installs_the_light_extra_where_the_library_is_missing(book: Project, shell, monkeypatch):
    source = notebooks.code_cells(copied(book, ADDRESS))[0].source
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert shell(source) == [f'install "pcn-lib[notebook] @ git+{ADDRESS}"']


def test_a_copy_that_speaks_of_a_recorded_run_fetches_it_where_it_is_missing(book: Project, shell, monkeypatch):
    book.chapter("halves").path.write_text(chapter_text("Halves", 'kept = recorded("overview")\nrecorded("overview")'))
    served, elsewhere = book.root / "served", book.root.parent / "elsewhere"
    (served / "raw" / "HEAD").mkdir(parents=True)
    (served / "raw" / "HEAD" / "results").symlink_to(REPOSITORY / "results")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    shell(notebooks.code_cells(copied(book, served.as_uri()))[0].source)
    assert recorded("overview").identical(load(REPOSITORY / FOLDER / "overview.nc"))
    assert [path.name for path in (elsewhere / FOLDER).iterdir()] == ["overview.nc"]


def test_the_button_leads_to_the_copy():
    assert colab.button(f"{colab.SITE}/github/someone/book/blob/HEAD/chapters/01_halves.ipynb") == CHANGED
