"""Tables are :mod:`pcn_lib.study`'s; figures of the first form's chapters find them here."""

from pcn_lib.study.table import Table, listed

__all__ = ["Table", "listed"]
