"""Predicates over records: what a chapter asserts, what was measured, and whether it holds.

The claims of one chapter live in the module of its stem, ``pcn_lib.claims.<stem>``.
"""

from pcn_lib.study.claim import Claim, Relation, at_least, at_most, close, fails_outside
from pcn_lib.study.report import ClaimFailed, Report, report

__all__ = [
    "Claim",
    "ClaimFailed",
    "Relation",
    "Report",
    "at_least",
    "at_most",
    "close",
    "fails_outside",
    "report",
]
