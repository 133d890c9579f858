"""Pictures are :mod:`pcn_lib.study`'s; figures of the first form's chapters find them here."""

from pcn_lib.study.picture import Picture, caption, with_source

__all__ = ["Picture", "caption", "with_source"]
