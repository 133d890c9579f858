"""One's own images: a folder with a sub-folder for each class."""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pcn_lib.data.dataset import Dataset, one_hot
from pcn_lib.data.images import Selection

#: What counts as an image, by its suffix.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
#: The shorter side, before the middle is cut out, over the side that is cut: 256 for 224 pixels, as usual.
MARGIN = 256 / 224


class FolderError(ValueError):
    """A folder that does not hold images in a sub-folder for each class."""


def folder_images(folder: Path, selection: Selection, pixels: int = 224) -> Dataset:
    """Some images of a folder: the middle of each, standardised per channel over the images taken.

    The shorter side is resized to 256/224 of ``pixels`` and the middle cut out, in three colours.  Classes are the
    sub-folders in alphabetical order.

    Args:
        folder: holds a sub-folder for each class, which holds the images of that class.
        selection: how many, and which; a folder has no test split.
        pixels: side of the images returned.

    Raises:
        FolderError: no such folder, no classes, too few images, or a file that cannot be read as an image.
    """
    if selection.test:
        raise FolderError("test = True given; a folder has no test split: name another folder")
    files = _files(folder)
    if selection.samples > len(files):
        raise FolderError(
            f"{selection.samples} samples given; {folder} holds {len(files)} images: ask for at most that many"
        )
    labels = tuple(sorted({file.parent.name for file in files}))
    order = np.random.default_rng(selection.seed).permutation(len(files))[: selection.samples]
    chosen = [files[i] for i in order]
    x = np.stack([_middle(file, pixels) for file in chosen])
    mean, deviation = x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))
    if not np.all(deviation > 0):
        raise FolderError(f"images of {folder} without any variation given; they cannot be standardised: take others")
    x = (x - mean) / deviation
    content = hashlib.sha256(b"".join(file.read_bytes() for file in chosen)).hexdigest()
    return Dataset(
        name=folder.name,
        x=x.reshape(len(x), -1) if selection.flat else x,
        y=one_hot(np.array([labels.index(file.parent.name) for file in chosen]), len(labels)),
        labels=labels,
        source=str(folder),
        sha256=content,
        note=f"{len(x):,} images of the folder {folder.name}, {len(labels)} classes, {pixels} x {pixels} pixels",
    )


def _files(folder: Path) -> list[Path]:
    """Every image of every class, in a fixed order."""
    need = "a folder with a sub-folder of images for each class is needed"
    if not folder.is_dir():
        raise FolderError(f"{folder} given, which is no folder; {need}: name it with its full path")
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    files = [file for path in classes for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES]
    if len({file.parent for file in files}) < 2:
        suffixes = ", ".join(SUFFIXES)
        raise FolderError(
            f"{folder} given, with images ({suffixes}) in {len({file.parent for file in files})} sub-folders; "
            f"{need}, and at least two classes: sort the images into sub-folders"
        )
    return files


def _middle(file: Path, pixels: int) -> Float[np.ndarray, "pixels pixels 3"]:
    """The middle of one image, its values in [0, 1]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise FolderError(f"{file} cannot be read as an image ({error}): remove it, or save it again") from error
    scale = round(MARGIN * pixels) / min(image.size)
    image = image.resize([max(pixels, round(scale * side)) for side in image.size])
    left, top = ((side - pixels) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + pixels, top + pixels)), dtype=float) / 255
