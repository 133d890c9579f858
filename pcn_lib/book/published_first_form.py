"""What records of the first form say of the paper's published numbers; it goes with the last of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from pcn_lib.data import figure1
from pcn_lib.experiments import width_depth_surfaces as surfaces
from pcn_lib.experiments.published_figures import figure1_rows
from pcn_lib.experiments.published_surfaces import FITS, FITS_FROM, answer, fits
from pcn_lib.results import Provenance, ResultError, load
from pcn_lib.results.recorded import FOLDER
from pcn_lib.study.comparison import START, TRAINING, hypotheses

Tables = tuple[xr.Dataset, xr.Dataset, Provenance]


def tables(root: Path) -> Iterator[Tables]:
    """Numbers, hypotheses and provenance of each record that is there."""
    if (record := _load(root, surfaces.Record, "width_depth_surfaces")) and (found := answer([record], figure1())):
        numbers = figure1_rows(record, found.surface, found.paper, FITS, found.paper.steps)
        known = {"squared error, equilibrium, the authors' images": found.start().agreement}
        pairs = {RATES[pair]: cells.agreement for pair, cells in fits(found).items()}
        trained = dict(figure="1", stage=TRAINING, compared=f"N ≥ {FITS_FROM}, below the top colour")
        settings = [
            hypotheses(known, figure="1", stage=START, compared="below the top colour"),
            hypotheses(pairs, **trained),
        ]
        yield numbers, xr.concat(settings, "hypothesis"), record.provenance


RATES = {
    "equal": "PC and BP at η / √(N L)",
    "BP faster": "PC at η / √(N L), BP at η / √N",
    "both faster": "PC and BP at η / √N",
    "PC faster": "PC at η / √N, BP at η / √(N L)",
}


def _load(root: Path, cls: type, stem: str) -> Any:
    """A record, or None where there is none of this version."""
    try:
        return load(cls, root / FOLDER / stem)
    except (FileNotFoundError, ResultError):
        return None
