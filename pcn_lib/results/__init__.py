"""Records to disk and back, with their provenance; knows no predictive coding."""

from pcn_lib.results.provenance import Provenance, device, provenance
from pcn_lib.results.recorded import recorded
from pcn_lib.results.records import ResultError, load, load_provenance, provenance_of, save

__all__ = [
    "Provenance", "ResultError", "device", "load", "load_provenance", "provenance", "provenance_of", "recorded", "save",
]  # fmt: skip
