"""The paper's published numbers: read whole, and refused in one sentence where they are not."""

from pathlib import Path

import numpy as np
import pytest

from pcn_lib.data import PublishedError, figure1, figure4
from pcn_lib.data.published import FIGURE4_ERROR, FOLDER

ROOT = Path(__file__).parents[2]


def test_figure_1_is_the_whole_grid_of_the_paper():
    found = figure1()
    assert found.steps == (0, 50, 100)
    assert found.depths == (2, 4, 8, 16, 32) and found.widths == (2, 8, 32, 128, 512, 2048)
    # Three cells, read once more by eye from the file.
    lines = (ROOT / FOLDER / "figure1.csv").read_text().splitlines()
    for t, depth, width in ((0, 32, 8), (50, 8, 32), (100, 2, 2048)):
        row = next(line for line in lines if line.startswith(f"{t},{depth},{width},"))
        place = tuple(axis.index(v) for axis, v in zip((found.steps, found.depths, found.widths), (t, depth, width),
                                                       strict=True))  # fmt: skip
        assert found.cosine[place] == float(row.rsplit(",", 1)[1])


def test_figure_4_has_curves_for_each_architecture():
    widths = {kind: [curve.width for curve in figure4(kind)] for kind in ("mlp", "cnn", "transformer")}
    assert widths["mlp"] == [8, 32, 64, 128, 256, 512] and widths["cnn"] == [2, 8, 16, 32]
    assert widths["transformer"] == [8, 16, 32, 64, 128, 256, 512]
    banded = {(kind, curve.width) for kind in widths for curve in figure4(kind) if curve.error.max() > FIGURE4_ERROR}
    assert banded == {("cnn", 8), ("cnn", 16), ("cnn", 32), ("transformer", 256), ("transformer", 512)}
    for curve in figure4("mlp"):
        assert (np.diff(curve.steps) > 0).all() and curve.steps[0] == 1 and len(curve.steps) == len(curve.cosine)


def test_the_numbers_are_found_from_below_the_book_and_from_elsewhere(tmp_path, monkeypatch):
    expected = figure1().cosine
    for folder in (ROOT / "chapters", tmp_path):
        monkeypatch.chdir(folder)
        np.testing.assert_array_equal(figure1().cosine, expected)


HEAD = "t,depth,width,cosine\n"


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot be read"),
        ("", "has the columns none"),
        ("t,depth,width\n0,2,2\n", "rows of t, depth, width, cosine are needed"),
        (HEAD + "0,2,2,0.5\n0,2,8\n", "rows of t, depth, width, cosine are needed"),
        (HEAD + "0,2,2,much\n", "is damaged"),
        (HEAD + "0,2,2,1.5\n", "gives a cosine of 1.5"),
        (HEAD + "0,2,2,0.5\n0,2,8,0.6\n50,2,2,0.5\n", "one row for each of their combinations"),
        (HEAD + "0,2,2,0.5\n0,2,2,0.5\n", "one row for each of their combinations"),
    ],
)
def test_a_file_that_is_missing_damaged_or_of_another_shape_gets_one_sentence(tmp_path, content, words: str):
    path = tmp_path / "figure1.csv"
    if content is not None:
        path.write_text("# source\n" + content)
    with pytest.raises(PublishedError, match=words) as error:
        figure1(path)
    assert "\n" not in str(error.value)


def test_an_architecture_that_the_picture_does_not_have_is_refused():
    with pytest.raises(PublishedError, match="holds cnn, mlp, transformer"):
        figure4("lstm")
