"""The messages on the troubleshooting page are those that one really gets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "chapters" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [line.removeprefix("> ") for line in PAGE.splitlines() if line.startswith("> ")]
#: Made by a process that dies, by a device's memory, by a hand on Ctrl-C, or by another machine.
ELSEWHERE = ("overview  FAILED", "its kernel died", "Interrupted:", "A GPU was asked for")
PRODUCE = """
import os, sys, tempfile
os.environ["PCN_OFFLINE"] = "1"
os.environ["PCN_CACHE"] = tempfile.mkdtemp()
os.environ.pop("PCN_DATA", None)
sys.modules["jupyter_book"] = None
import jax, jax.numpy as jnp
from pcn_lib.book.build import build_book
from pcn_lib.book.project import Project, find_project
from pcn_lib.book.runner import Request, run_chapters
from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import equilibrated_energy

book, mlp = find_project(), MLP(4, 8, 16, 2, activation=jnp.tanh, skips=True)
network = mlp.init(jax.random.key(0), mupc_skips())
x, y = jax.random.normal(jax.random.key(1), (5, 4)), jax.random.normal(jax.random.key(2), (5, 2))
problem = Problem(network, x, y)
overview = (book.chapter("overview"),)
for produce in (
    lambda: book.chapter("equilibrate_energy"),
    lambda: run_chapters(book, overview, Request(settings=("widht=3",))),
    lambda: run_chapters(book, overview, Request(settings=("seed=abc",))),
    lambda: find_project(__import__("pathlib").Path("/")),
    lambda: images("cifar10", Selection(samples=8)),
    lambda: images("cifar", Selection(samples=8)),
    lambda: equilibrate(problem, Sweeps()).require(),
    lambda: mlp.init(jax.random.key(0), mupc_skips(), "float64"),
    lambda: equilibrated_energy(problem),
    lambda: equilibrate(Problem(network, x.at[0, 0].set(jnp.nan), y), Sweeps(max_steps=1)),
    lambda: Problem(network, x[:, :3], y),
    lambda: equilibrate(Problem(network, x, y[:, :1]), Sweeps(max_steps=1)),
    lambda: Problem(network, x, y[:3]),
    lambda: build_book(book, "smoke"),
):
    try:
        produce()
    except Exception as error:
        print(error)
"""


def shape(message: str) -> str:
    """A message without its numbers and folders, which differ from machine to machine."""
    return re.sub(r"-?\d[\d.]*(?:e[+-]?\d+)?", "#", re.sub(r"(?:/[\w.-]*)+", "/", message))


@pytest.fixture(scope="module")
def produced() -> set[str]:
    process = subprocess.run([sys.executable, "-c", PRODUCE], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return {shape(line) for line in process.stdout.splitlines()}


@pytest.mark.parametrize("message", [message for message in QUOTED if not message.startswith(ELSEWHERE)])
def test_a_quoted_message_is_produced(produced: set[str], message: str):
    assert shape(message) in produced


@pytest.mark.parametrize("words", ["its kernel died", "Interrupted: chapters", "A GPU was asked", "  FAILED after "])
def test_a_message_that_cannot_be_produced_here_is_in_the_code(words: str):
    assert words in PAGE
    assert any(words in path.read_text() for path in (ROOT / "pcn_lib" / "book").glob("*.py"))
