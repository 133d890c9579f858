"""What the chapter from scratch writes out by hand, against automatic differentiation; it uses the library last."""

import ast

import jax
import numpy as np
import pytest

from pcn_lib.book import notebooks
from tests.studies.chapters import chapter, defined


@pytest.fixture(scope="module")
def names() -> dict:
    found = defined("from_scratch", profile="smoke")
    return found | {"rng": np.random.default_rng(0)}


def test_the_chapter_uses_nothing_of_the_library_before_its_last_section():
    cells = notebooks.code_cells(notebooks.read(chapter("from_scratch").path))
    (imports,) = (cell for cell in cells if notebooks.tagged(cell, "imports"))
    theirs = {
        alias.name
        for node in ast.walk(ast.parse(imports.source))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("pcn_lib") and node.module != "pcn_lib.study"
        for alias in node.names
    }
    before = cells[: next(i for i, cell in enumerate(cells) if notebooks.tagged(cell, "measure"))]
    used = {node.id for cell in before for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
    assert theirs and not used & theirs


def test_errors_are_those_of_the_feedforward_pass_moved_by_hand(names):
    weights = names["draw_weights"](3, 0)
    x, y = np.arange(float(names["D"])), np.array([2.0])
    z, output = names["feedforward"](weights, x)
    moved = [z[0] + 0.5, *z[1:]]
    e = names["errors"](weights, moved, x, y)
    np.testing.assert_allclose(e[0], 0.5)
    # The layer above still makes of its own input what it made: z_1 + 0.5 passes the skip, tanh bends the rest.
    W = np.asarray(weights[1])
    bent = W @ (np.tanh(np.asarray(z[0]) + 0.5) - np.tanh(np.asarray(z[0]))) / np.sqrt(3 * names["L"])
    np.testing.assert_allclose(e[1], -0.5 - bent, rtol=1e-12)
    np.testing.assert_allclose(e[-1], y - output)
    assert len(z) == names["L"] - 1


def test_the_local_gradient_is_that_of_automatic_differentiation_at_any_activities(names):
    weights = names["draw_weights"](5, 1)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=names["D"]), np.array([1.0])
    z = [jax.numpy.array(rng.normal(size=5)) for _ in range(names["L"] - 1)]
    by_hand, automatic = names["pc_by_hand"](weights, z, x, y), jax.grad(names["energy"])(weights, z, x, y)
    for one, other in zip(by_hand, automatic, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
