"""The oldest versions that pyproject.toml allows run tests and a chapter, and Colab's run the copies made for it."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from pcn_lib.book import colab, notebooks
from pcn_lib.book.project import Project
from pcn_lib.study.records import FOLDER
from tests.test_environment import REQUIRED, ROOT

pytestmark = pytest.mark.slow

#: That libraries of different ages warn of each other is theirs to mend.
QUIET = ("-W", "ignore::DeprecationWarning", "-p", "no:cacheprovider")
TESTS = ("test_statistics.py", "test_rescaling.py", "test_wrapped.py", "study/test_sizes_and_rates.py")
#: What a copy may install on Colab: this package, and what annotates shapes.
NEW = {"pcn-lib", "jaxtyping", "wadler-lindig"}


class Environment:
    """A fresh environment in a folder, which sees nothing of this one."""

    def __init__(self, folder: Path, *requirements: str):
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"
        self.run("pip", "install", "--quiet", "--disable-pip-version-check", *requirements)

    def run(self, command: str, *arguments: object, folder: Path = ROOT, **environment: str) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}
        made = subprocess.run(
            [self.bin / command, *map(str, arguments)], cwd=folder, env=kept | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout[-5000:]
        return made.stdout

    @property
    def installed(self) -> dict[str, str]:
        lines = self.run("pip", "list", "--format=freeze").split()
        return dict(line.replace("_", "-").split("==") for line in lines if "==" in line)


def lowest() -> list[str]:
    """Every requirement at its lower bound."""
    parts = [(name, part) for name, needed in REQUIRED.items() for part in needed.specifier]
    return [f"{name}=={part.version}" for name, part in parts if part.operator == ">="]


def test_the_lower_bounds_run_tests_and_a_chapter(tmp_path: Path):
    oldest = Environment(tmp_path / "oldest", *lowest())
    # JAX of that time carries placeholders through dataclasses, which a check of their shapes would refuse.
    unchecked = dict(PYTHONPATH=str(ROOT), JAXTYPING_DISABLE="1")
    oldest.run("python", "-m", "pytest", "-q", *QUIET, *(ROOT / "tests" / name for name in TESTS), **unchecked)
    chapter, out = ROOT / "chapters" / "overview.ipynb", tmp_path / "out.ipynb"
    oldest.run("papermill", chapter, out, "--no-progress-bar", "-p", "profile", "smoke", PYTHONPATH=str(ROOT))


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """The book as committed, in a folder that answers like its repository on GitHub."""
    folder = tmp_path_factory.mktemp("served") / "book"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "raw").mkdir()
    (folder / "raw" / "HEAD").symlink_to(folder)
    return folder


def test_copies_of_chapters_run_with_colabs_versions_and_replace_none(served: Path, tmp_path: Path):
    there = Environment(tmp_path / "there", "--requirement", str(ROOT / "tests" / "colab.txt"))
    before = there.installed
    copies = {path.stem: path for path in colab.write_copies(Project(served), tmp_path, served.as_uri())}
    for name in ("overview", "14_figure_1"):  # one computes, one speaks of a recorded run
        notebook = notebooks.with_parameters(notebooks.read(copies[name]), {"profile": "smoke"})
        notebooks.write(notebook, copies[name])
        there.run("jupyter-execute", "--inplace", copies[name], folder=tmp_path)
    assert (tmp_path / "colab" / FOLDER / "width_depth_surfaces.nc").is_file()
    after = there.installed
    assert {name: after.get(name) for name in before} == before
    assert set(after) - set(before) <= NEW
    head = subprocess.run(["git", "-C", str(served), "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert f"commit {head[:10]}" in copies["overview"].read_text()  # where there is no git, by what pip noted
