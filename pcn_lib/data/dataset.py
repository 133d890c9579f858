"""What every loader returns."""

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Shaped


class UnknownDataSet(ValueError):
    """A data set was asked for by a name that none has."""


@dataclass(frozen=True)
class Dataset:
    """One batch of inputs and targets, and where they really came from.

    Attributes:
        name: of the data set really used, such as ``fashion_mnist``.
        x: inputs, [batch, ...]; of images, prepared; of text, the characters' numbers.
        y: targets, [batch, outputs] or, of text, [batch, length, outputs]: one-hot, or -1 and 1 for the toy task.
        labels: what each output stands for, in the order of the last axis of ``y``; empty for the toy task.
        source: where it was found, in words.
        sha256: of the file it was read from (of the uncompressed training images where there are several).
        note: for a caption, such as ``64 images of Fashion-MNIST (Debian package)``.
    """

    name: str
    x: Shaped[np.ndarray, "batch ..."] = field(repr=False)
    y: Float[np.ndarray, "batch ... outputs"] = field(repr=False)
    labels: tuple[str, ...]
    source: str
    sha256: str
    note: str

    def __post_init__(self):
        if len(self.x) != len(self.y):
            raise ValueError(
                f"{len(self.x)} inputs and {len(self.y)} targets given; each input needs one target: "
                "give x and y of the same batch"
            )


def one_hot(numbers: np.ndarray, outputs: int) -> np.ndarray:
    """1 at each number's place on a new last axis, 0 elsewhere; float64."""
    return np.eye(outputs)[numbers]


def sha256(content: bytes) -> str:
    """The hash by which a file is known."""
    return hashlib.sha256(content).hexdigest()


def check_name(name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known, offering the nearest ones."""
    known = tuple(known)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2, cutoff=0.4) or known
        raise UnknownDataSet(
            f"data set {name!r} given; known are {', '.join(known)}: did you mean {' or '.join(map(repr, near))}?"
        )
