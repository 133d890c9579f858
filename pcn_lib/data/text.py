"""Text, a character at a time: each window's targets are the characters that follow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pcn_lib.data.dataset import Dataset, check_name, one_hot, sha256
from pcn_lib.data.files import DataMissing, Found, find
from pcn_lib.data.sources import RESOURCES

PLAY = Path(__file__).with_name("midsummer_nights_dream.txt")
#: The last tenth of a text is for testing.
TEST_SHARE = 0.1


def _play() -> Found:
    return Found(PLAY.read_bytes(), "pcn_lib")


def _tiny_shakespeare() -> Found:
    return find(RESOURCES["tinyshakespeare"])


#: Each text by name: its title in a caption, and how it is read.
TEXTS: dict[str, tuple[str, Callable[[], Found]]] = {
    "play": ("A Midsummer Night's Dream", _play),
    "tinyshakespeare": ("Tiny Shakespeare", _tiny_shakespeare),
}


def text(name: str, *, samples: int, length: int = 32, test: bool = False, default: str | None = None) -> Dataset:
    """Consecutive windows of a text.

        x_i = characters i T ... (i + 1) T - 1,   y_i = characters i T + 1 ... (i + 1) T, one-hot

    Args:
        name: one of :data:`TEXTS`.
        samples: how many windows.
        length: T, characters in a window.
        test: windows of the last tenth of the text; otherwise of what is before.
        default: the text to take instead where the first is neither here nor to be downloaded.

    Returns:
        ``x`` int32 [samples, length], the characters' numbers; ``y`` [samples, length, characters];
        ``labels`` the characters.

    Raises:
        UnknownDataSet, DataMissing, DataCorrupted: as :func:`pcn_lib.data.images`.
        ValueError: no samples or no length, or more windows than the text holds.
    """
    if samples < 1 or length < 1:
        raise ValueError(
            f"{samples} windows of {length} characters given; at least one of one is needed: try 128 of 32"
        )
    used, found = _read(name, default)
    title, written = TEXTS[used][0], found.content.decode("utf-8")
    labels = tuple(sorted(set(written)))
    border = round(len(written) * (1 - TEST_SHARE))
    part = written[border:] if test else written[:border]
    available = (len(part) - 1) // length
    if samples > available:
        raise ValueError(
            f"{samples} windows of {length} characters given; {title} has {available} "
            f"{'test' if test else 'training'} windows of that length: ask for at most that many"
        )
    place = {character: number for number, character in enumerate(labels)}
    numbers = np.array([place[character] for character in part[: samples * length + 1]], dtype=np.int32)
    x, following = numbers[:-1].reshape(samples, length), numbers[1:].reshape(samples, length)
    note = f"{samples:,} {'test ' if test else ''}windows of {length} characters of {title} ({found.source})"
    return Dataset(used, x, one_hot(following, len(labels)), labels, found.source, sha256(found.content), note)


def _read(name: str, default: str | None) -> tuple[str, Found]:
    """The text's name and content, or the default's."""
    check_name(name, TEXTS)
    if default is not None:
        check_name(default, TEXTS)
    try:
        return name, TEXTS[name][1]()
    except DataMissing:
        if default is None:
            raise
        return default, TEXTS[default][1]()
