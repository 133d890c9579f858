"""What records of the first form say of the paper's published numbers; it goes with the last of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from pcn_lib.data import figure1
from pcn_lib.experiments import nonlinear_networks, published_mlp
from pcn_lib.experiments import published_curves as curves
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
    record = _load(root, published_mlp.Record, "published_mlp")
    if record and published_mlp.is_papers(record):
        yield curves.mlp_start_rows(record), _in_words(curves.mlp_hypotheses(record)), record.provenance
    record = _load(root, nonlinear_networks.Record, "nonlinear_networks")
    if record and curves.mlp_trainings_are_papers(record):
        found = curves.mlp_rates(record)
        rate = str(found.settings[0].item())
        yield curves.mlp_training_rows(record, rate), _in_words(found), record.provenance


RATES = {
    "equal": "PC and BP at η / √(N L)",
    "BP faster": "PC at η / √(N L), BP at η / √N",
    "both faster": "PC and BP at η / √N",
    "PC faster": "PC at η / √N, BP at η / √(N L)",
}
WORDS = {
    "authors": "the authors' images",
    "standardised": "standardised images",
    curves.RATES[0]: RATES["equal"],
    curves.RATES[1]: RATES["BP faster"],
}


def _in_words(found: xr.Dataset) -> xr.Dataset:
    """The same settings as the page writes them."""
    named = [", ".join(WORDS.get(part, part) for part in str(text).split(", ")) for text in found.settings.values]
    return found.assign(settings=("hypothesis", named))


def _load(root: Path, cls: type, stem: str) -> Any:
    """A record, or None where there is none of this version."""
    try:
        return load(cls, root / FOLDER / stem)
    except (FileNotFoundError, ResultError):
        return None
