import pytest

from pcn_lib.book import fingerprint, notebooks
from pcn_lib.book.project import Project
from tests.book.conftest import chapter_text


def sources(book: Project) -> str:
    return fingerprint.sources(book, book.chapter("halves"))


def rewrite(book: Project, title: str, code: str) -> str:
    book.chapter("halves").path.write_text(chapter_text(title, code))
    return sources(book)


def test_prose_does_not_change_what_a_run_depends_on_and_code_does(book: Project):
    before = rewrite(book, "Halves", "1 / 2")
    assert rewrite(book, "One half", "1 / 2") == before
    assert rewrite(book, "Halves", "2 / 4") != before


def test_a_recorded_result_of_the_chapters_stem_is_part_of_what_it_depends_on(book: Project):
    before = sources(book)
    recorded = book.root / "results" / "recorded"
    recorded.mkdir(parents=True)
    (recorded / "thirds.json").write_text("{}")
    assert sources(book) == before
    (recorded / "halves.json").write_text("{}")
    assert sources(book) != before


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of five modules, of which `top` reaches all but `other`."""
    root = tmp_path / "pcn_lib"
    (root / "deep").mkdir(parents=True)
    modules = {
        "__init__": "",
        "low": "",
        "other": "",
        "top": "from pcn_lib.deep import part\n",
        "deep/__init__": "",
        "deep/part": "from . import near\nfrom ..low import thing\n",
        "deep/near": "",
    }
    for name, source in modules.items():
        (root / f"{name}.py").write_text(source)
    (root / "style.mplstyle").write_text("")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "top.cpython-311.pyc.140").write_text("half written")
    monkeypatch.setattr(fingerprint, "LIBRARY", root)
    return root


def test_a_chapter_depends_on_the_modules_its_imports_reach_and_on_no_others(book: Project, library):
    # Modules of other packages are not the library's of the same name.
    code = "from abc import other\nfrom pcn_lib import top\nfrom zoo import other"
    book.chapter("halves").path.write_text(chapter_text("Halves", code))
    files = fingerprint.library_files(notebooks.read(book.chapter("halves").path))
    reached = {path.relative_to(library).as_posix() for path in files}
    assert reached == {
        "__init__.py", "top.py", "deep/__init__.py", "deep/part.py", "deep/near.py", "low.py", "style.mplstyle",
    }  # fmt: skip


@pytest.mark.parametrize("change", ["values", "device", "data", "precision", "sources"])
def test_parameters_device_data_precision_and_sources_each_change_the_key(change, monkeypatch):
    given = {"sources": "s", "values": {"width": 4}, "device": "cpu", "data": {"digits": "installed"}}

    def key(**changed) -> str:
        now = given | changed
        return fingerprint.run_key(now["sources"], now["values"], now["device"], now["data"])

    before = key()
    assert key() == before
    if change == "precision":
        monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "highest")
        assert key() != before
    else:
        assert key(**{change: {"other": "x"}}) != before


@pytest.mark.parametrize("package", ["python", *fingerprint.PACKAGES])
def test_another_version_of_any_package_changes_the_key(package, monkeypatch):
    """So that nothing is up to date after JAX was upgraded."""

    def key() -> str:
        return fingerprint.run_key("s", {"width": 4}, "cpu", {"digits": "installed"})

    before, installed = key(), fingerprint.importlib.metadata.version
    monkeypatch.setattr(
        fingerprint.importlib.metadata, "version", lambda name: "0.0.0" if name == package else installed(name)
    )
    if package == "python":
        monkeypatch.setattr(fingerprint.platform, "python_version", lambda: "3.0.0")
    assert key() != before


def test_a_package_that_is_not_installed_has_a_version_too(monkeypatch):
    monkeypatch.setattr(fingerprint, "PACKAGES", ("numpy", "no-such-package"))
    found = fingerprint.versions()
    assert found["no-such-package"] == "absent" != found["numpy"]


def test_a_recorded_result_that_a_chapter_names_belongs_to_its_sources(book: Project):
    rewrite(book, "Halves", 'kept = "another_study"')
    recorded = book.root / "results" / "recorded"
    recorded.mkdir(parents=True)
    digests = []
    for name, content in (("another_study.json", "1"), ("another_study.json", "2"), ("unnamed.json", "3")):
        (recorded / name).write_text(content)
        digests.append(sources(book))
    assert digests[0] != digests[1] == digests[2]
