"""What chapters are made with: a measurement over named sizes, its record, claims about it and pictures of it.

The names that need xarray are loaded when they are first used, so that what needs none of it (claims, pictures)
works without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pcn_lib.provenance import Provenance, ResultError, provenance_of
from pcn_lib.study.claim import Claim, Relation, at_least, at_most, close, fails_outside
from pcn_lib.study.curves import curves, parts
from pcn_lib.study.drawing import (
    draw,
    draw_by,
    draw_hypotheses,
    draw_rate,
    draw_rows,
    draw_stopped,
    draw_theory,
    draw_trainings,
    heat_map,
    published,
    size_axis,
)
from pcn_lib.study.picture import Picture, caption
from pcn_lib.study.rate import rate, slope
from pcn_lib.study.report import ClaimFailed, Report, report
from pcn_lib.study.sizes import SettingsError, Sizes, choose
from pcn_lib.study.style import axes_grid, plot_seeds, plot_theory, styled, width_colours
from pcn_lib.study.table import Folded, Table, listed
from pcn_lib.study.timing import cpu_seconds
from pcn_lib.tables import readable

if TYPE_CHECKING:
    from pcn_lib.study.comparison import held, held_curves, hypotheses, verdicts
    from pcn_lib.study.measuring import PointFailed, grid
    from pcn_lib.study.records import keep, load, recorded, save

#: Where the names are that need xarray.
PLACES = {
    "comparison": ("held", "held_curves", "hypotheses", "verdicts"),
    "measuring": ("PointFailed", "grid"),
    "records": ("keep", "load", "recorded", "save"),
}
LABELLED = {name: module for module, names in PLACES.items() for name in names}

__all__ = [
    "Claim", "ClaimFailed", "Folded", "Picture", "PointFailed", "Provenance", "Relation", "Report", "ResultError",
    "SettingsError", "Sizes", "Table", "at_least", "at_most", "axes_grid", "caption", "choose", "close",
    "cpu_seconds", "curves", "draw", "draw_by", "draw_hypotheses", "draw_rate", "draw_rows",
    "draw_stopped", "draw_theory", "draw_trainings", "fails_outside", "grid", "heat_map", "held",
    "held_curves", "hypotheses", "keep", "listed", "load", "parts", "plot_seeds", "plot_theory", "provenance_of",
    "published", "rate", "readable", "recorded", "report", "save", "size_axis", "slope", "styled", "verdicts",
    "width_colours",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in LABELLED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{LABELLED[name]}"), name)
    except ModuleNotFoundError as missing:
        if missing.name not in ("xarray", "h5netcdf", "h5py"):
            raise
        raise ImportError(
            f"The Python package '{missing.name}' is not installed, which labelled records need: "
            "install what the study extra names with `pip install xarray h5netcdf h5py`."
        ) from missing
