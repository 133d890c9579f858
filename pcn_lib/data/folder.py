"""One's own images: a folder with a sub-folder for each class."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pcn_lib.data.dataset import Dataset, one_hot
from pcn_lib.data.images import Selection
from pcn_lib.data.photographs import augmented
from pcn_lib.data.preparation import RECIPES, Preparation, UnknownPreparation

if TYPE_CHECKING:
    from PIL.Image import Image

#: What counts as an image, by its suffix.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
#: The shorter side, before the middle is cut out, over the side that is cut: 256 for 224 pixels, as usual.
MARGIN = 256 / 224


class FolderError(ValueError):
    """A folder that does not hold images in a sub-folder for each class."""


def folder_images(
    folder: Path, selection: Selection, pixels: int = 224, preparation: Preparation = Preparation.STANDARDISED
) -> Dataset:
    """Some images of a folder, in three colours.  Classes are the sub-folders in alphabetical order.

    As the authors prepare ImageNet: a random part of each, mirrored and with changed colours, less ImageNet's means
    and over its deviations.  Standardised: the shorter side is resized to 256/224 of ``pixels``, the middle cut out,
    and every channel given the mean 0 and the variance 1 over the images taken.

    Args:
        folder: holds a sub-folder for each class, which holds the images of that class.
        selection: how many, and which; a folder has no test split.
        pixels: side of the images returned.
        preparation: ``AUTHORS``, ``IMAGENET`` (the same), or ``STANDARDISED``.

    Raises:
        FolderError: no such folder, no classes, too few images, or a file that cannot be read as an image.
        UnknownPreparation: one that is not made for photographs.
    """
    if preparation is Preparation.AUTHORS:
        preparation = Preparation.IMAGENET
    if preparation not in (Preparation.IMAGENET, Preparation.STANDARDISED):
        raise UnknownPreparation(
            f"preparation {preparation.value!r} given for a folder of photographs; "
            "'authors', 'imagenet' or 'standardised' is needed: choose one of these"
        )
    if selection.test:
        raise FolderError("test = True given; a folder has no test split: name another folder")
    files = _files(folder)
    if selection.samples > len(files):
        raise FolderError(
            f"{selection.samples} samples given; {folder} holds {len(files)} images: ask for at most that many"
        )
    labels = tuple(sorted({file.parent.name for file in files}))
    rng = np.random.default_rng(selection.seed)
    chosen = [files[i] for i in rng.permutation(len(files))[: selection.samples]]
    if preparation is Preparation.IMAGENET:
        x, words = _augmented(chosen, pixels, rng), f", {RECIPES[preparation].words}"
    else:
        x, words = _standardised(chosen, pixels), ""
    content = hashlib.sha256(b"".join(file.read_bytes() for file in chosen)).hexdigest()
    return Dataset(
        name=folder.name,
        x=x.reshape(len(x), -1) if selection.flat else x,
        y=one_hot(np.array([labels.index(file.parent.name) for file in chosen]), len(labels)),
        labels=labels,
        source=str(folder),
        sha256=content,
        note=f"{len(x):,} images of the folder {folder.name}, {len(labels)} classes, {pixels} x {pixels} pixels{words}",
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


def _augmented(files: list[Path], pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Random parts of the photographs, less ImageNet's means and over its deviations."""
    # Each its own stream: a batch's first images do not depend on how many follow.
    parts = [augmented(_opened(file), pixels, own) for file, own in zip(files, rng.spawn(len(files)), strict=True)]
    recipe = RECIPES[Preparation.IMAGENET]
    return (np.stack([np.asarray(part) for part in parts]) / 255 - recipe.mean) / recipe.deviation


def _standardised(files: list[Path], pixels: int) -> np.ndarray:
    """The middles of the photographs, standardised per channel over all of them."""
    x = np.stack([_middle(file, pixels) for file in files])
    mean, deviation = x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))
    if not np.all(deviation > 0):
        raise FolderError(
            f"images of {files[0].parent.parent} without any variation given; they cannot be standardised: take others"
        )
    return (x - mean) / deviation


def _opened(file: Path) -> "Image":
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            return opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise FolderError(f"{file} cannot be read as an image ({error}): remove it, or save it again") from error


def _middle(file: Path, pixels: int) -> Float[np.ndarray, "pixels pixels 3"]:
    """The middle of one image, its values in [0, 1]."""
    image = _opened(file)
    scale = round(MARGIN * pixels) / min(image.size)
    image = image.resize([max(pixels, round(scale * side)) for side in image.size])
    left, top = ((side - pixels) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + pixels, top + pixels)), dtype=float) / 255
