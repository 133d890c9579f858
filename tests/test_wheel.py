"""The package as it is installed: built into a wheel, unpacked elsewhere, used from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_environment import BOOK_ONLY, STUDY_ONLY

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

USE = f"""
import sys
import scipy.stats  # which takes a Sphinx that is known by name for one that is there
sys.modules.update(dict.fromkeys({BOOK_ONLY + STUDY_ONLY!r}))
import jax, jax.numpy as jnp
import pcn_lib
from pcn_lib.data import text
from pcn_lib.energy import Problem
from pcn_lib.study import Picture, axes_grid
from pcn_lib.inference import equilibrate
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
network = MLP(4, 8, 3, activation=jnp.tanh, skips=True).init(jax.random.key(0), mupc_skips())
equilibrate(Problem(network, jnp.ones((2, 4)), jnp.zeros((2, 1)))).require()
Picture(axes_grid()[0], "Caption.", "Description.")
text("play", samples=2)
print(pcn_lib.__file__)
from pcn_lib.book.cli import main
sys.exit(main(["build"]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder into which the wheel was installed, without what it depends on."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", str(ROOT), "--no-deps", "--wheel-dir", str(wheels)], check=True)
    (wheel,) = wheels.glob("pcn_lib-*.whl")
    subprocess.run([*pip, "install", str(wheel), "--no-deps", "--target", str(target)], check=True)
    return target


def used(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(installed), "PCN_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_the_library_with_its_data_style_and_types_and_nothing_else(installed: Path):
    names = {path.relative_to(installed).parts[0] for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} <= {"pcn_lib", "bin"}
    committed = subprocess.run(["git", "ls-files", "pcn_lib"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in committed.stdout.split() if not (installed / name).is_file()] == []


def test_it_is_a_library_without_the_book_whose_absence_is_one_sentence(installed: Path, tmp_path: Path):
    process = used(installed, tmp_path, "-c", USE)
    assert process.stdout.strip().startswith(str(installed)), process.stderr
    assert process.returncode == 1 and len(process.stderr.strip().splitlines()) == 1
    assert "is not inside the book" in process.stderr


def test_the_command_says_what_it_needs_in_an_empty_folder(installed: Path, tmp_path: Path):
    process = used(installed, tmp_path, "-m", "pcn_lib.book.cli", "run")
    assert process.returncode == 1 and "is not inside the book" in process.stderr
    assert used(installed, tmp_path, "-m", "pcn_lib.book.cli", "--help").returncode == 0


def test_a_book_without_its_extra_names_it(installed: Path, tmp_path: Path):
    for name, text in (("_config.yml", ""), ("_toc.yml", "format: jb-book\nroot: index\n"), ("index.md", "# Book")):
        (tmp_path / name).write_text(text)
    process = used(installed, tmp_path, "-c", USE)
    assert process.returncode == 1 and "pip install --editable '.[book]'" in process.stderr
