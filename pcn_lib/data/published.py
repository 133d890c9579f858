"""The paper's own figures as numbers: cosines read off its author's pictures, to be predicted and never fitted.

Source: F. Innocenti, "Can We Scale Predictive Coding?", 29 May 2026, francesco-innocenti.github.io, the pictures of
the linear (heat maps) and of the nonlinear experiments (curves), read by colour and by pixel position.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

#: Inside the folder that holds the book; an installed copy of the library carries them beside this file.
FOLDER = Path("results") / "published"
#: Half the step of the heat map's colours, and half a pixel or so of the curves.
FIGURE1_ERROR, FIGURE4_ERROR = 0.004, 0.003
#: The heat map's last colour stands for anything from here on.
FIGURE1_TOP = 0.995


class PublishedError(ValueError):
    """A file of published numbers that is missing, or does not hold what it should."""


@dataclass(frozen=True)
class Figure1:
    """cos(grad F*, grad Loss) of the linear networks on CIFAR-10, mean over 3 runs.

    Attributes:
        steps: weight updates t, ascending.
        depths: L, ascending.
        widths: N, ascending.
        cosine: axes [steps, depths, widths]; 0.997 stands for anything above :data:`FIGURE1_TOP`.
    """

    steps: tuple[int, ...]
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    cosine: Float[np.ndarray, "steps depths widths"] = field(repr=False)


@dataclass(frozen=True)
class Curve:
    """One network's cosine over training, one seed, where the picture can be read.

    Attributes:
        width: N; of the CNN, channels.
        steps: t, ascending; the first that can be read is 0, of the MLP 1.
        cosine: at these.
        error: half the width of the interval in which each may lie; :data:`FIGURE4_ERROR`, or, where curves lie on
            each other, half that of the band which holds them.
    """

    width: int
    steps: Int[np.ndarray, " points"] = field(repr=False)
    cosine: Float[np.ndarray, " points"] = field(repr=False)
    error: Float[np.ndarray, " points"] = field(repr=False)


def figure1(path: Path | None = None) -> Figure1:
    """The heat maps of Figure 1.

    Args:
        path: of the file; by default the book's own.

    Raises:
        PublishedError: missing, damaged, or not a whole grid.
    """
    path = path or _found("figure1.csv")
    rows = _rows(path, ("t", "depth", "width", "cosine"))
    table = {(int(t), int(depth), int(width)): float(cosine) for t, depth, width, cosine in _numbers(path, rows)}
    steps, depths, widths = (tuple(sorted({key[axis] for key in table})) for axis in range(3))
    if len(table) != len(rows) or len(rows) != len(steps) * len(depths) * len(widths):
        raise PublishedError(
            f"{path} holds {len(rows)} rows for {len(steps)} steps, {len(depths)} depths and {len(widths)} widths; "
            "one row for each of their combinations is needed: restore it from git"
        )
    cosine = np.array([[[table[t, depth, width] for width in widths] for depth in depths] for t in steps])
    return Figure1(steps, depths, widths, cosine)


def figure4(architecture: str, path: Path | None = None) -> tuple[Curve, ...]:
    """The curves of one panel of Figure 4, by width.

    Args:
        architecture: ``mlp``, ``cnn`` or ``transformer``.
        path: of the file; by default the book's own.

    Raises:
        PublishedError: missing, damaged, or without that architecture.
    """
    path = path or _found("figure4.csv")
    rows = _rows(path, ("architecture", "width", "t", "cosine", "error"))
    kinds = sorted({row[0] for row in rows})
    if architecture not in kinds:
        raise PublishedError(
            f"architecture {architecture!r} given; {path} holds {', '.join(kinds) or 'none'}: choose one of these"
        )
    table = sorted(_numbers(path, [row[1:] for row in rows if row[0] == architecture], cosine=2))
    widths = sorted({row[0] for row in table})
    points = {width: np.array([row[1:] for row in table if row[0] == width]).T for width in widths}
    return tuple(Curve(int(N), t.astype(int), cosine, error) for N, (t, cosine, error) in points.items())


def _found(name: str) -> Path:
    """The book's file, from the present folder upwards, or the copy that an installed library carries."""
    here = Path.cwd()
    places = [*(folder / FOLDER / name for folder in (here, *here.parents)), *_own(name)]
    return next((place for place in places if place.is_file()), places[-1])


def _own(name: str) -> tuple[Path, ...]:
    library = Path(__file__).parents[1]
    return library.parent / FOLDER / name, library / "published" / name


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    """The rows below the column names; lines that begin with # tell the source."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PublishedError(f"{path} cannot be read ({error}); the published numbers are needed: "
                             "restore it from git") from error  # fmt: skip
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    head, *rows = list(csv.reader(io.StringIO("\n".join(lines)))) or [[]]
    if tuple(head) != columns or not rows or any(len(row) != len(columns) for row in rows):
        raise PublishedError(
            f"{path} has the columns {', '.join(head) or 'none'} and {len(rows)} rows; rows of "
            f"{', '.join(columns)} are needed: restore it from git"
        )
    return rows


def _numbers(path: Path, rows: list[list[str]], cosine: int = -1) -> list[tuple[float, ...]]:
    """The rows as numbers; ``cosine`` is the column of one."""
    try:
        found = [tuple(map(float, row)) for row in rows]
    except ValueError as error:
        raise PublishedError(f"{path} is damaged ({error}); numbers are needed: restore it from git") from error
    wrong = [row for row in found if not -1 <= row[cosine] <= 1]
    if wrong:
        raise PublishedError(f"{path} gives a cosine of {wrong[0][cosine]}; it lies in [-1, 1]: restore it from git")
    return found
