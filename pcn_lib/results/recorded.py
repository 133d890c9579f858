"""Records of larger runs that are kept with the book: ``results/recorded/STEM.json`` and ``.npz``."""

from pathlib import Path
from typing import TypeVar

from pcn_lib.results.records import load

Record = TypeVar("Record")
#: Inside the folder that holds the book.
FOLDER = Path("results") / "recorded"


def recorded(cls: type[Record], stem: str) -> Record | None:
    """The record kept with the book for the study of this stem, or None where there is none.

    It is looked for from the present folder upwards, so that a chapter finds it wherever it is opened
    inside the book; a notebook taken elsewhere shows its own numbers alone.

    Raises:
        ResultError: the file there was written by another version, or is damaged.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FOLDER / f"{stem}.json").is_file():
            return load(cls, folder / FOLDER / stem)
    return None
