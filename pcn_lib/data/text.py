"""Text, a character at a time: each window's targets are the characters that follow."""

import enum
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


class Windows(enum.Enum):
    """Which windows of a text make a batch.

    ``CONSECUTIVE``: one after another from the text's beginning, so that every character stands in one of them.
    ``OVERLAPPING``: each one character after the one before, as the paper's authors take them; a batch of B windows
    of T characters is a single passage of B + T - 1, drawn from the seed anywhere in the text.

    Source: the authors' published code, for ``OVERLAPPING``.
    """

    CONSECUTIVE = "consecutive"
    OVERLAPPING = "overlapping"


def text(
    name: str,
    *,
    samples: int,
    length: int = 32,
    test: bool = False,
    default: str | None = None,
    windows: Windows = Windows.CONSECUTIVE,
    seed: int = 0,
) -> Dataset:
    """Windows of a text, and the characters that follow.

        x_i = characters s_i ... s_i + T - 1,   y_i = characters s_i + 1 ... s_i + T, one-hot

    with s_i = i T where windows are consecutive.  Where they overlap s_i = s + i, and s is drawn uniformly from
    0 ... n - B for the n = characters - T - 1 places at which the authors let a window begin.

    Args:
        name: one of :data:`TEXTS`.
        samples: B, how many windows.
        length: T, characters in a window.
        test: consecutive windows of the last tenth of the text; otherwise of what is before.
        default: the text to take instead where the first is neither here nor to be downloaded.
        windows: which of them.
        seed: of the passage, where windows overlap.

    Returns:
        ``x`` int32 [samples, length], the characters' numbers; ``y`` [samples, length, characters];
        ``labels`` the characters.

    Raises:
        UnknownDataSet, DataMissing, DataCorrupted: as :func:`pcn_lib.data.images`.
        ValueError: no samples or no length, more windows than the text holds, or overlapping windows for testing.
    """
    if samples < 1 or length < 1:
        raise ValueError(
            f"{samples} windows of {length} characters given; at least one of one is needed: try 128 of 32"
        )
    if test and windows is Windows.OVERLAPPING:
        raise ValueError(
            "test windows that overlap given; a passage is drawn from the whole text, and no part is kept back for "
            "testing: choose Windows.CONSECUTIVE"
        )
    used, found = _read(name, default)
    title, written = TEXTS[used][0], found.content.decode("utf-8")
    labels = tuple(sorted(set(written)))
    kind = "test " if test else "overlapping " if windows is Windows.OVERLAPPING else ""
    part, starts = written, _passage(len(written), samples, length, seed)
    if windows is Windows.CONSECUTIVE:
        border = round(len(written) * (1 - TEST_SHARE))
        part = written[border:] if test else written[:border]
        starts = np.arange((len(part) - 1) // length) * length
    if samples > len(starts):
        raise ValueError(
            f"{samples} windows of {length} characters given; {title} has {len(starts)} "
            f"{kind or 'training '}windows of that length: ask for at most that many"
        )
    place = {character: number for number, character in enumerate(labels)}
    numbers = np.array([place[character] for character in part], dtype=np.int32)
    at = starts[:samples, None] + np.arange(length)
    note = f"{samples:,} {kind}windows of {length} characters of {title} ({found.source})"
    y = one_hot(numbers[at + 1], len(labels))
    return Dataset(used, numbers[at], y, labels, found.source, sha256(found.content), note)


def _passage(characters: int, samples: int, length: int, seed: int) -> np.ndarray:
    """Where the overlapping windows of one passage begin; fewer than asked for where the text is too short."""
    places = max(characters - length - 1, 0)
    first = int(np.random.default_rng(seed).integers(0, places - samples + 1)) if samples <= places else 0
    return first + np.arange(min(samples, places))


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
