"""What the chapter on parameterisations asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.parameterisations import KINDS, Record, fitted_exponents, initial_scales, update_exponents
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope, mean

#: How far a fitted exponent may lie from its prediction.
EXPONENT = 0.2
#: NTP and muPC without skips start as SP's network, times a number.
DISTINCT = ("SP", "SP with skips", "muPC with skips")
BECAUSE = "finite widths and seeds; neighbouring theories are 1/2 apart"


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_initial(record), *_updates(record), *_outside(record))


def _initial(record: Record) -> tuple[Claim, ...]:
    settings, found = record.settings, []
    size = (settings.widths[-1], settings.depth)
    scatter = np.sqrt(size[1] / size[0] / settings.seeds)
    for i, kind in enumerate(KINDS):
        if kind.name not in DISTINCT:
            continue
        predicted = initial_scales(kind, size, inputs=settings.inputs, input_square=record.input_square)
        measured = (record.by_width.forward[i, -1], record.by_width.backward[i, -1])
        for name, values, expected in zip(("forward", "backward"), measured, predicted, strict=True):
            ratio = mean(values / expected)
            found.append(
                close(
                    f"{name} scale, {kind.name}",
                    f"Second moment at N = {size[0]}, L = {size[1]} over its expected value.",
                    predicted=1.0,
                    measured=ratio.value,
                    tolerance=3 * ratio.standard_error + scatter,
                    because="three standard errors, themselves uncertain by the order of (L / N seeds)^1/2",
                )
            )
    return tuple(found)


def _updates(record: Record) -> tuple[Claim, ...]:
    settings = record.settings
    pc, bp = (fitted_exponents(settings, moved) for moved in (record.pc, record.bp))
    found = [
        at_most(
            "equilibria are certified",
            "The largest relative ||dF/dz|| of a batch at the first step.",
            bound=tolerance("float64").solve,
            measured=record.residual,
            because="rounding in float64",
        )
    ]
    for i, kind in enumerate(KINDS):
        predicted = update_exponents(kind.parameterisation, settings.depth)
        for name, layer in (("last hidden layer", -2), ("output", -1)):
            found.append(
                close(
                    f"{name} of PC, {kind.name}",
                    f"Exponent of N in what the first step changes: {name}.",
                    source="paper (abstract, v1)",
                    predicted=predicted[layer],
                    measured=pc[i, layer],
                    tolerance=EXPONENT,
                    because=BECAUSE,
                )
            )
    found.append(
        at_most(
            "PC's exponents are BP's",
            "Largest difference of a fitted exponent between PC and BP, all layers and parameterisations.",
            source="paper (abstract, v1)",
            bound=EXPONENT,
            measured=np.abs(pc - bp).max(),
            because=BECAUSE,
        )
    )
    return tuple(found)


def _outside(record: Record) -> tuple[Claim, ...]:
    settings, names = record.settings, [kind.name for kind in KINDS]
    exponents = fitted_exponents(settings, record.pc)
    with_skips = record.by_depth.forward[names.index("SP with skips")].mean(axis=1)
    return (
        fails_outside(
            at_most(
                "SP is stable in width",
                "The output moves by no more in wider networks (exponent of N).",
                bound=EXPONENT,
                measured=exponents[names.index("SP"), -1],
                because="muPC's rates and readout are missing",
            )
        ),
        fails_outside(
            at_least(
                "NTP learns features",
                "Hidden activities move by no less in wider networks (exponent of N).",
                bound=-EXPONENT,
                measured=exponents[names.index("NTP"), -2],
                because="the readout N^-1/2 is lazy",
            )
        ),
        fails_outside(
            at_most(
                "SP with skips is stable in depth",
                "The second moment of h does not grow with depth (exponent of L).",
                bound=EXPONENT,
                measured=fit_slope(settings.depths, with_skips).slope,
                because="the branch needs a multiplier L^-1/2",
            )
        ),
    )
