"""What the chapter on stable parameterisations in width asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_most, close, fails_outside
from pcn_lib.experiments.stable_widths import LAZY, METHODS, NOT_GROWING, Record, exponent, predicted
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import mean

PAPER = "paper (abstract, v1)"
#: For BP alone.
BEFORE = "Yang & Hu 2021"
#: What finite widths and eight seeds leave uncertain in an exponent; neighbours on the grid differ by 0.25.
FIT = 0.15


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_diagram(record), *_standard(record), *_equilibrium(record), *_symmetry(record))


def _diagram(record: Record) -> tuple[Claim, ...]:
    theory, found = predicted(record.settings), []
    cells = theory.stable.size
    for name, measured, is_so in (
        ("non-exploding", record.non_exploding(), theory.non_exploding),
        ("stable", record.stable(), theory.stable),
        ("stable and non-lazy", record.feature_learning(), theory.feature_learning),
    ):
        for method, agrees in zip(METHODS, measured == is_so[None], strict=True):
            found.append(
                close(
                    f"{name}, {method}",
                    f"Of the {cells} pairs (d, c), those on which theory and {method} agree whether it is {name}.",
                    source=PAPER if method == "PC" else BEFORE,
                    predicted=cells,
                    measured=agrees.sum(),
                    tolerance=0,
                    because=f"an exponent within {NOT_GROWING} of 0 counts as 0: half of the grid's 1/4",
                )
            )
    return (*found, *_exponents(record), *_frozen(record))


def _frozen(record: Record) -> tuple[Claim, ...]:
    """That (ii) is a condition of its own: beyond d = 1/2 features of order one go with a prediction that freezes."""
    theory = predicted(record.settings)
    beyond = theory.non_exploding & (theory.hidden == 0) & (theory.output < 0)
    if not beyond.any():
        return ()
    return tuple(
        fails_outside(
            close(
                f"features of order one suffice, {method}",
                "Where features move by order one and nothing grows, the prediction moves by order one (the exponent "
                "in N farthest from 0).",
                predicted=0.0,
                measured=fitted[beyond].min(),
                tolerance=NOT_GROWING,
                because="at d > 1/2 with c = -d - 1/2 the prediction moves by N^(1/2 - d)",
            )
        )
        for method, fitted in zip(METHODS, record.fitted("output"), strict=True)
    )


def _exponents(record: Record) -> tuple[Claim, ...]:
    """Against theory, and PC against BP, over the pairs where theory predicts exponents."""
    theory, found = predicted(record.settings), []
    for which, name in (("hidden", "features"), ("output", "prediction")):
        fitted = record.fitted(which)
        distances = {method: values - getattr(theory, which) for method, values in zip(METHODS, fitted, strict=True)}
        for compared, distance in (distances | {"PC against BP": fitted[0] - fitted[1]}).items():
            found.append(
                at_most(
                    f"exponents of {name}, {compared}",
                    "The largest difference of exponents in N over all non-exploding pairs: "
                    + ("PC's from BP's." if compared not in METHODS else f"{compared}'s from the predicted."),
                    source={"PC": PAPER, "BP": BEFORE}.get(compared, "ours"),
                    bound=FIT,
                    measured=np.abs(distance)[theory.non_exploding].max(),
                    because="corrections of order N^-1/2 to a fit over finite widths",
                )
            )
    return tuple(found)


def _standard(record: Record) -> tuple[Claim, ...]:
    """SP at a fixed rate: the first step, and that it is not stable."""
    first = [exponent(record.settings.widths, record.sp.output[0, method, 0]) for method in range(len(METHODS))]
    exploding = [
        close(
            f"SP's first step, {method}",
            "At a rate that does not depend on width, SP's output moves by N in one step (fitted exponent).",
            source="paper (abstract, camera-ready)",
            predicted=1.0,
            measured=slope,
            tolerance=2 * FIT,
            because="the step is large, so terms beyond first order in the rate bend the line",
        )
        for method, slope in zip(METHODS, first, strict=True)
    ]
    stable = [
        fails_outside(
            at_most(
                f"SP is stable, {method}",
                "The output's movement does not grow with width under SP at a fixed rate (fitted exponent).",
                bound=NOT_GROWING,
                measured=slope,
                because="c = 0, and its hidden layers and readout (b = 1) need c = 1",
            )
        )
        for method, slope in zip(METHODS, first, strict=True)
    ]
    return (*exploding, *stable)


def _equilibrium(record: Record) -> tuple[Claim, ...]:
    """How F*/Loss and z* - h depend on d, on the first c of every d: nothing has been trained yet."""
    settings, found = record.settings, []
    for i, d in enumerate(settings.ds):
        cell = i * len(settings.cs)
        expected = 1 / (1 + (settings.depth - 1) * settings.widths[-1] ** (-2 * d))
        ratio = mean(record.grid.energy_ratio[cell, -1])
        found.append(
            close(
                f"F*/Loss, d = {d:g}",
                f"F*/Loss is 1 / (1 + (L - 1) N^-2d) at N = {settings.widths[-1]}.",
                predicted=expected,
                measured=ratio.value,
                tolerance=3 * ratio.standard_error + (1 - expected) / settings.widths[-1] ** 0.5,
                because="three standard errors, and s fluctuates by N^-1/2 about its mean",
            )
        )
        found.append(
            close(
                f"z* - h, d = {d:g}",
                "Root mean square of z* - h at the last hidden layer (fitted exponent in N).",
                predicted=-d - 0.5,
                measured=exponent(settings.widths, record.grid.shift[cell]),
                # Finite s bends the line where the rescaling falls slowly: by its own change over the fitted widths.
                tolerance=FIT + _bend(record, d),
                because="a fit over finite widths, along which 1/s itself moves",
            )
        )
    return (*found, *_lazy(record))


def _bend(record: Record, d: float) -> float:
    """The slope of log 1/s over the fitted widths, which vanishes as N grows."""
    first, last = record.settings.widths[0], record.settings.widths[-1]
    s = [1 + (record.settings.depth - 1) * width ** (-2 * d) for width in (first, last)]
    return float(np.log(s[0] / s[1]) / np.log(last / first))


def _lazy(record: Record) -> tuple[Claim, ...]:
    (width, depth), ratio = LAZY, mean(record.lazy_ratio)
    expected = 1 / (1 + depth * ((1 + 1 / depth) ** (depth - 1) - 1))
    return (
        close(
            "lazy with skips",
            f"F*/Loss of lazy residual networks is 1 / (1 + L [(1 + 1/L)^(L - 1) - 1]) at N = {width}, L = {depth}.",
            predicted=expected,
            measured=ratio.value,
            tolerance=3 * ratio.standard_error + expected / width**0.5,
            because="three standard errors, and s fluctuates by N^-1/2 about its mean",
        ),
        fails_outside(
            close(
                "lazy networks: F* = Loss",
                f"F*/Loss is 1 at d = 0 as at d = 1/2, up to L/N (N = {width}, L = {depth}).",
                predicted=1.0,
                measured=ratio.value,
                tolerance=2 * depth / width,
                because="S = I + O(L/N) needs d = 1/2",
            )
        ),
    )


def _symmetry(record: Record) -> tuple[Claim, ...]:
    relative = np.abs(record.symmetry / record.symmetry[:1] - 1).max()
    broken = np.abs(record.broken / record.symmetry[0] - 1).max()
    allowed = tolerance("float64").exact
    return (
        at_most(
            "b is a symmetry",
            "Changing b, with a = (1 - b)/2 and c = b - 2d, leaves every loss of PC and BP as it was (relative).",
            source=PAPER,
            bound=allowed,
            measured=relative,
            because="rounding in float64",
        ),
        fails_outside(
            at_most(
                "b without its rate",
                "The losses stay as they were when the rate is changed and b is not (relative change).",
                bound=allowed,
                measured=broken,
                because="the symmetry needs c = b - 2d",
            )
        ),
        at_most(
            "equilibria are certified",
            "The largest relative ||dF/dz|| of a batch at initialisation, over all networks of the phase diagram.",
            bound=allowed,
            measured=record.grid.residual,
            because="rounding in float64",
        ),
    )
