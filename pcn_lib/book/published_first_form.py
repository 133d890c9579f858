"""What the convolutional networks' record, of the first form, says of the paper's published numbers; goes with it."""

from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from pcn_lib.data import figure4
from pcn_lib.experiments.convolutional_networks import Record
from pcn_lib.experiments.trainings import Curves
from pcn_lib.results import Provenance, ResultError, load
from pcn_lib.results.recorded import FOLDER
from pcn_lib.study.comparison import held_curves


def tables(root: Path) -> Iterator[tuple[xr.Dataset, None, Provenance]]:
    """Numbers and provenance of the record, if it is there and its images have the published size."""
    try:
        record = load(Record, root / FOLDER / "convolutional_networks")
    except (FileNotFoundError, ResultError):
        return
    if record.large.published:
        widths = record.settings.large_widths, record.settings.large_trained
        first, later = (0,), range(1, record.settings.large_steps)
        parts = [_held(record.large.stopped, widths[0], first), _held(record.large.script, widths[1], later)]
        yield xr.concat(parts, "number"), None, record.provenance


def _held(curves: Curves, widths: tuple[int, ...], steps) -> xr.Dataset:
    """By the script's protocol, as the picture was made."""
    cosines = xr.DataArray(1 - curves.one_minus_cosine, dims=("seed", "width", "step"), coords={"width": list(widths)})
    return held_curves("4b", figure4("cnn"), cosines, steps, network="{} channels")
