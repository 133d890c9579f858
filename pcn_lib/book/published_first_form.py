"""What records of the first form say of the paper's published numbers; it goes with the last of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from pcn_lib.experiments import nonlinear_networks, published_mlp
from pcn_lib.experiments import published_curves as curves
from pcn_lib.results import Provenance, ResultError, load
from pcn_lib.results.recorded import FOLDER

Tables = tuple[xr.Dataset, xr.Dataset, Provenance]


def tables(root: Path) -> Iterator[Tables]:
    """Numbers, hypotheses and provenance of each record that is there."""
    record = _load(root, published_mlp.Record, "published_mlp")
    if record and published_mlp.is_papers(record):
        yield curves.mlp_start_rows(record), _in_words(curves.mlp_hypotheses(record)), record.provenance
    record = _load(root, nonlinear_networks.Record, "nonlinear_networks")
    if record and curves.mlp_trainings_are_papers(record):
        found = curves.mlp_rates(record)
        rate = str(found.settings[0].item())
        yield curves.mlp_training_rows(record, rate), _in_words(found), record.provenance


WORDS = {
    "authors": "the authors' images",
    "standardised": "standardised images",
    curves.RATES[0]: "PC and BP at η / √(N L)",
    curves.RATES[1]: "PC at η / √(N L), BP at η / √N",
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
