"""Images as a network takes them: scaled, standardised, a few of them, with one-hot labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcn_lib.data import sources
from pcn_lib.data.dataset import Dataset, check_name, one_hot
from pcn_lib.data.files import DataMissing

#: Each image set by name.
IMAGES: dict[str, Callable[[], sources.ImageSet]] = {
    "digits": sources.digits,
    "mnist": sources.mnist,
    "fashion_mnist": sources.fashion_mnist,
    "cifar10": sources.cifar10,
}


@dataclass(frozen=True)
class Selection:
    """Which images, and in which shape.

    Attributes:
        samples: how many, drawn without replacement.
        seed: of the draw; a larger draw with the same seed starts with the smaller one.
        test: from the test split, standardised as the training split is.
        flat: [samples, inputs]; otherwise [samples, height, width, channels].

    Raises:
        ValueError: no samples.
    """

    samples: int
    seed: int = 0
    test: bool = False
    flat: bool = True

    def __post_init__(self):
        if self.samples < 1:
            raise ValueError(f"{self.samples} samples given; at least one is needed: try 64")


def images(name: str, selection: Selection, *, default: str | None = None) -> Dataset:
    """Some images of a data set, pixels in [0, 1] then standardised per channel over the training split.

    Args:
        name: one of :data:`IMAGES`.
        selection: which of its images.
        default: the set to take instead where the first is neither here nor to be downloaded; the record names
            the one really used.

    Raises:
        UnknownDataSet: no set of that name.
        DataMissing: not found, and no default.
        DataCorrupted: found, but damaged; a default does not hide this.
        ValueError: more samples than the split holds.
    """
    check_name(name, IMAGES)
    if default is None:
        return _select(name, IMAGES[name](), selection)
    check_name(default, IMAGES)
    try:
        found = IMAGES[name]()
    except DataMissing:
        return _select(default, IMAGES[default](), selection)
    return _select(name, found, selection)


def _select(name: str, found: sources.ImageSet, selection: Selection) -> Dataset:
    split = found.test if selection.test else found.train
    if selection.samples > len(split.images):
        raise ValueError(
            f"{selection.samples} samples given; {found.title} has {len(split.images)} "
            f"{'test' if selection.test else 'training'} images: ask for at most that many"
        )
    chosen = np.random.default_rng(selection.seed).permutation(len(split.images))[: selection.samples]
    x = _standardised(split.images[chosen], found)
    return Dataset(
        name=name,
        x=x.reshape(len(x), -1) if selection.flat else x,
        y=one_hot(split.labels[chosen].astype(int), len(found.labels)),
        labels=found.labels,
        source=found.source,
        sha256=found.sha256,
        note=f"{len(x):,} {'test ' if selection.test else ''}images of {found.title} ({found.source})",
    )


def _standardised(pixels: np.ndarray, found: sources.ImageSet) -> Float[np.ndarray, "batch height width channels"]:
    """x = (p / white - mean) / deviation, the last two per channel over every training image and pixel."""
    everything = found.train.images
    count = everything[..., 0].size
    # Sums of whole numbers are exact, and much faster than a mean in float64.
    mean = everything.sum(axis=(0, 1, 2), dtype=np.uint64) / count
    square = np.square(everything, dtype=np.uint16).sum(axis=(0, 1, 2), dtype=np.uint64) / count
    deviation = np.sqrt(square - mean**2)
    return (pixels / found.white - mean / found.white) / (deviation / found.white)
