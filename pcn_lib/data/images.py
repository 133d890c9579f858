"""Images as a network takes them: prepared, a few of them, with one-hot labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pcn_lib.data import sources
from pcn_lib.data.dataset import Dataset, check_name, one_hot
from pcn_lib.data.files import DataMissing
from pcn_lib.data.preparation import Preparation, prepare, recipe

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
        test: from the test split, scaled as the training split is, and never augmented.
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


def images(
    name: str,
    selection: Selection,
    *,
    preparation: Preparation = Preparation.STANDARDISED,
    default: str | None = None,
) -> Dataset:
    """Some images of a data set: the first of a shuffled epoch, prepared.

    Args:
        name: one of :data:`IMAGES`.
        selection: which of its images; its seed also draws crops, flips and angles.
        preparation: how pixels become inputs.
        default: the set to take instead where the first is neither here nor to be downloaded; the record names
            the one really used.

    Raises:
        UnknownDataSet: no set of that name.
        UnknownPreparation: one that this set cannot have.
        DataMissing: not found, and no default.
        DataCorrupted: found, but damaged; a default does not hide this.
        ValueError: more samples than the split holds.
    """
    check_name(name, IMAGES)
    if default is None:
        return _select(name, IMAGES[name](), selection, preparation)
    check_name(default, IMAGES)
    try:
        found = IMAGES[name]()
    except DataMissing:
        return _select(default, IMAGES[default](), selection, preparation)
    return _select(name, found, selection, preparation)


def _select(name: str, found: sources.ImageSet, selection: Selection, preparation: Preparation) -> Dataset:
    split = found.test if selection.test else found.train
    if selection.samples > len(split.images):
        raise ValueError(
            f"{selection.samples} samples given; {found.title} has {len(split.images)} "
            f"{'test' if selection.test else 'training'} images: ask for at most that many"
        )
    chosen = recipe(preparation, name, found)
    rng = np.random.default_rng(selection.seed)
    drawn = rng.permutation(len(split.images))[: selection.samples]
    x = prepare(split.images[drawn], found.white, chosen, None if selection.test else rng)
    # Standardised is what captions take for granted.
    prepared = "" if preparation is Preparation.STANDARDISED else f", {chosen.words}"
    return Dataset(
        name=name,
        x=x.reshape(len(x), -1) if selection.flat else x,
        y=one_hot(split.labels[drawn].astype(int), len(found.labels)),
        labels=found.labels,
        source=found.source,
        sha256=found.sha256,
        note=f"{len(x):,} {'test ' if selection.test else ''}images of {found.title} ({found.source}){prepared}",
    )
