"""Turntables are :mod:`pcn_lib.study`'s; figures of the first form's chapters find them here."""

from pcn_lib.study.turntable import Turntable

__all__ = ["Turntable"]
