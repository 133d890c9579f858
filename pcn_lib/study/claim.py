"""One claim: a number the theory predicts, the number measured, and how far apart they may be."""

import enum
import math
from dataclasses import dataclass, replace
from typing import SupportsFloat


class Relation(enum.Enum):
    """How the measured number must stand to the predicted one."""

    CLOSE = "≈"
    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True)
class Claim:
    """A statement that a measurement can contradict.

    Attributes:
        name: a few words that tell it from the chapter's other claims.
        statement: the claim as a sentence.
        source: whose it is: ``"paper, Figure 1"`` or ``"ours"``.
        predicted: the number, or the bound, that the statement gives.
        measured: the number found.
        tolerance: how far from predicted measured may lie (on the wrong side of a bound), in the same unit.
        because: why the tolerance is what it is.
        relation: measured is close to, at most, or at least predicted.
        expected_to_fail: the statement lies outside the theorem's conditions, and must be seen to fail.

    Raises:
        ValueError: an empty text, a tolerance that is negative or NaN, or a prediction that is NaN.
    """

    name: str
    statement: str
    source: str
    predicted: SupportsFloat
    measured: SupportsFloat
    tolerance: SupportsFloat
    because: str
    relation: Relation
    expected_to_fail: bool = False

    def __post_init__(self):
        for field in ("name", "statement", "source", "because"):
            if not getattr(self, field).strip():
                raise ValueError(f"claim {self.name!r} has an empty {field}; a reader needs one: write it")
        # JAX and NumPy scalars become numbers, so that a claim can be written to a file as it is.
        for field in ("predicted", "measured", "tolerance"):
            object.__setattr__(self, field, float(getattr(self, field)))
        if not self.tolerance >= 0 or math.isnan(self.predicted):
            raise ValueError(
                f"claim {self.name!r} predicts {self.predicted} within {self.tolerance}; "
                "a number and a tolerance of at least 0 are needed: give what the theory says"
            )

    @property
    def holds(self) -> bool:
        """Measured stands in the stated relation to predicted; NaN never does."""
        excess = self.measured - self.predicted
        distance = {Relation.CLOSE: abs(excess), Relation.AT_MOST: excess, Relation.AT_LEAST: -excess}
        return distance[self.relation] <= self.tolerance

    @property
    def as_expected(self) -> bool:
        """The claim holds, or fails where it must; what was not measured (NaN) is never as expected."""
        return not math.isnan(self.measured) and self.holds != self.expected_to_fail

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if math.isnan(self.measured):
            return "not measured"
        if self.expected_to_fail:
            return "holds, but should fail" if self.holds else "fails, as it should"
        return "holds" if self.holds else "fails"


def close(
    name: str,
    statement: str,
    *,
    predicted: SupportsFloat,
    measured: SupportsFloat,
    because: str,
    tolerance: SupportsFloat | None = None,
    relative_tolerance: SupportsFloat | None = None,
    source: str = "ours",
) -> Claim:
    """|measured - predicted| <= tolerance, or <= relative_tolerance |predicted|.

    A rate is such a claim on an exponent: ``predicted=-1``, ``measured=fit_slope(widths, gaps).slope``.

    Raises:
        ValueError: not exactly one of the two tolerances given.
    """
    if (tolerance is None) == (relative_tolerance is None):
        raise ValueError(
            f"claim {name!r} has tolerance {tolerance} and relative_tolerance {relative_tolerance}; "
            "exactly one is needed: drop or add one"
        )
    allowed = tolerance if tolerance is not None else float(relative_tolerance) * abs(float(predicted))
    return Claim(name, statement, source, predicted, measured, allowed, because, Relation.CLOSE)


def at_most(
    name: str, statement: str, *, bound: SupportsFloat, measured: SupportsFloat, because: str, source: str = "ours"
) -> Claim:
    """measured <= bound; ``because`` says why the bound is what it is."""
    return Claim(name, statement, source, bound, measured, 0.0, because, Relation.AT_MOST)


def at_least(
    name: str, statement: str, *, bound: SupportsFloat, measured: SupportsFloat, because: str, source: str = "ours"
) -> Claim:
    """measured >= bound; ``because`` says why the bound is what it is."""
    return Claim(name, statement, source, bound, measured, 0.0, because, Relation.AT_LEAST)


def fails_outside(claim: Claim) -> Claim:
    """The claim, measured outside the theorem's conditions, where it must fail.

    A theorem whose conditions do nothing is stated wrongly, or tested where it cannot fail.
    """
    return replace(claim, expected_to_fail=True)
