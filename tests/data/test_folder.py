"""A folder of one's own images, with a sub-folder for each class: what is read of it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcn_lib.data import Selection
from pcn_lib.data.folder import FolderError, folder_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of plain images of different sizes: red is class b, grey ramps are class a."""
    for name, count in (("a", 3), ("b", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = np.zeros((20 + 4 * i, 30, 3), np.uint8)
            pixels[:, 10:20] = 255 if name == "a" else (255, 0, 0)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    return tmp_path


def test_a_folder_of_images_is_cut_standardised_and_labelled_by_its_sub_folders(folder: Path):
    data = folder_images(folder, Selection(5, flat=False), pixels=16)
    assert data.x.shape == (5, 16, 16, 3) and data.labels == ("a", "b")
    np.testing.assert_allclose(data.x.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(data.x.std(axis=(0, 1, 2)), 1, rtol=1e-12)
    assert data.y.sum(axis=0).tolist() == [3, 2]
    # The middle of every image is bright in red; blue is bright where the class is a.
    middle = data.x[:, 8, 8]
    assert np.all(middle[:, 0] > 0) and np.array_equal(middle[:, 2] > 0, data.y[:, 0] == 1)
    assert "5 images" in data.note and "2 classes" in data.note
    few = folder_images(folder, Selection(2), pixels=16)
    assert few.x.shape == (2, 16 * 16 * 3) and few.sha256 != data.sha256


def test_a_folder_that_holds_no_classes_is_refused_with_what_to_do(folder: Path, tmp_path: Path):
    with pytest.raises(FolderError, match="no folder"):
        folder_images(tmp_path / "nowhere", Selection(1))
    with pytest.raises(FolderError, match="in 0 sub-folders"):
        folder_images(folder / "a", Selection(1))
    with pytest.raises(FolderError, match="holds 5 images"):
        folder_images(folder, Selection(6))
    with pytest.raises(FolderError, match="no test split"):
        folder_images(folder, Selection(1, test=True))
    (folder / "b" / "0.png").write_bytes(b"broken")
    with pytest.raises(FolderError, match="cannot be read"):
        folder_images(folder, Selection(5), pixels=16)
