"""How pixels become inputs: scaled to fixed numbers and augmented as the paper's authors do, or standardised.

Source: the authors' loaders of the experiments (experiments/datasets.py of jpc), done here in NumPy.
"""

import difflib
import enum
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from pcn_lib.data.sources import ImageSet

#: The usual means and deviations of ImageNet, per channel.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class UnknownPreparation(ValueError):
    """A preparation was asked for by a name that none has, or for images that it is not made for."""


@dataclass(frozen=True)
class Recipe:
    """x = (p - mean) / deviation of pixels p in [0, 1], after a random crop, flip and rotation.

    Attributes:
        words: for a caption.
        mean: per channel.
        deviation: per channel.
        padding: black pixels added on every side, of which as many are cut off again at a random place.
        flip: whether half of the images are mirrored, left to right.
        degrees: largest angle of a rotation, uniform in both directions; corners become black.
    """

    words: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    padding: int = 0
    flip: bool = False
    degrees: float = 0.0


class Preparation(enum.Enum):
    """How an image set is prepared; ``Preparation.named("authors")`` where a name comes from outside.

    ``AUTHORS`` is what the paper's authors do with each set: the recipe of the same name, and that of Fashion-MNIST
    for the digits, which the paper does not have.  ``STANDARDISED`` gives every channel the mean 0 and the variance 1
    over the training split; targets and inputs are then better aligned, and every cosine of a network larger.
    """

    AUTHORS = "authors"
    STANDARDISED = "standardised"
    CIFAR10 = "cifar10"
    FASHION_MNIST = "fashion_mnist"
    MNIST = "mnist"
    IMAGENET = "imagenet"

    @classmethod
    def named(cls, name: str) -> "Preparation":
        """The preparation of a name.

        Raises:
            UnknownPreparation: none has it; the nearest names are offered.
        """
        known = [preparation.value for preparation in cls]
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.4) or known
            raise UnknownPreparation(
                f"preparation {name!r} given; known are {', '.join(known)}: did you mean "
                f"{' or '.join(map(repr, near))}?"
            )
        return cls(name)


#: What the authors do with the training images of each set.
RECIPES: dict[Preparation, Recipe] = {
    Preparation.CIFAR10: Recipe(
        "in [-1, 1], cropped, flipped and rotated", (0.5,) * 3, (0.5,) * 3, padding=4, flip=True, degrees=10.0
    ),
    Preparation.FASHION_MNIST: Recipe("in [-1, 1]", (0.5,), (0.5,)),
    Preparation.MNIST: Recipe("less 0.1307, over 0.3081", (0.1307,), (0.3081,)),
    Preparation.IMAGENET: Recipe("less ImageNet's means, over its deviations", IMAGENET_MEAN, IMAGENET_DEVIATION),
}
#: Which of them it is, by the data set's name.
OF_AUTHORS = {
    "cifar10": Preparation.CIFAR10,
    "fashion_mnist": Preparation.FASHION_MNIST,
    "mnist": Preparation.MNIST,
    "digits": Preparation.FASHION_MNIST,
}


def recipe(preparation: Preparation, name: str, found: ImageSet) -> Recipe:
    """What a preparation means for an image set.

    Raises:
        UnknownPreparation: a recipe for colours, for a set without them, or the other way round.
    """
    if preparation is Preparation.STANDARDISED:
        return _standardised(found)
    chosen = RECIPES[OF_AUTHORS[name] if preparation is Preparation.AUTHORS else preparation]
    channels = found.train.images.shape[-1]
    if len(chosen.mean) != channels:
        raise UnknownPreparation(
            f"preparation {preparation.value!r} given for {found.title}, whose images have {channels} "
            f"{'channel' if channels == 1 else 'channels'}; it is made for {len(chosen.mean)}: "
            "choose 'authors' or 'standardised'"
        )
    return chosen


def prepare(
    pixels: UInt8[np.ndarray, "batch height width channels"],
    white: int,
    chosen: Recipe,
    rng: np.random.Generator | None,
) -> Float[np.ndarray, "batch height width channels"]:
    """Prepared images, float64.

    Args:
        pixels: as published.
        white: their largest possible value.
        chosen: what to do.
        rng: draws crops, flips and angles; a larger batch begins with the same ones.  None for images that are not
            augmented, as the authors' test images.
    """
    if rng is not None and (chosen.padding or chosen.flip or chosen.degrees):
        # One row of numbers for each image: a batch's first images do not depend on how many follow.
        drawn = rng.random((len(pixels), 4))
        pixels = np.stack([_augmented(image, chosen, row) for image, row in zip(pixels, drawn, strict=True)])
    return (pixels / white - np.array(chosen.mean)) / np.array(chosen.deviation)


def _augmented(image: np.ndarray, chosen: Recipe, drawn: np.ndarray) -> np.ndarray:
    """Crop, then mirror, then turn one image; ``drawn`` are four uniform numbers in [0, 1)."""
    image = cropped(image, chosen.padding, *(int(u * (2 * chosen.padding + 1)) for u in drawn[:2]))
    if chosen.flip and drawn[2] < 0.5:
        image = image[:, ::-1]
    return rotated(image, chosen.degrees * (2 * drawn[3] - 1)) if chosen.degrees else image


def cropped(image: np.ndarray, padding: int, top: int, left: int) -> np.ndarray:
    """The image with black margins of ``padding`` pixels, cut to its size again from ``top`` and ``left`` on."""
    height, width = image.shape[:2]
    wide = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    return wide[top : top + height, left : left + width]


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    """The image turned counter-clockwise about its middle, each pixel that of the nearest place, black beyond."""
    height, width = image.shape[:2]
    angle = np.deg2rad(degrees)
    # Where the middle of each pixel comes from, on a plane whose y points down.
    y, x = (np.arange(n) + 0.5 - n / 2 for n in (height, width))
    source_x = np.cos(angle) * x[None] - np.sin(angle) * y[:, None] + width / 2
    source_y = np.sin(angle) * x[None] + np.cos(angle) * y[:, None] + height / 2
    column, row = np.floor(source_x).astype(int), np.floor(source_y).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.where(inside[..., None], found, np.zeros_like(found))


def _standardised(found: ImageSet) -> Recipe:
    """Mean and deviation per channel over every training image and pixel."""
    everything = found.train.images
    count = everything[..., 0].size
    # Sums of whole numbers are exact, and much faster than a mean in float64.
    mean = everything.sum(axis=(0, 1, 2), dtype=np.uint64) / count
    square = np.square(everything, dtype=np.uint16).sum(axis=(0, 1, 2), dtype=np.uint64) / count
    deviation = np.sqrt(square - mean**2)
    return Recipe("standardised", tuple(mean / found.white), tuple(deviation / found.white))
