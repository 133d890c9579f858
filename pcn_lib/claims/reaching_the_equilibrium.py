"""What the chapter on reaching the equilibrium asserts."""

from itertools import count

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, fails_outside
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.experiments.reaching_the_equilibrium import DISTINCT, Record
from pcn_lib.experiments.solver_curves import TIGHT
from pcn_lib.spectrum import skip_chain_residual

#: Residual to which descents and sweeps are compared; and one that a minimum not on a kink reaches easily.
ROUGH, FINE = 1e-2, 1e-6


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_certified(record), *_wide(record), *_narrow(record), *_kinks(record))


def _certified(record: Record) -> tuple[Claim, ...]:
    tanh = [case for case in record.cases if case.activation == "tanh"]
    return (
        at_most(
            "the default reaches every tanh equilibrium",
            "Wide, square, narrow and deep: relative ||dF/dz|| of the default solver (largest).",
            bound=TIGHT,
            measured=max(case.reference.residual for case in tanh),
            because="what it was asked for",
        ),
        at_most(
            "energies do not rise",
            "F* / Loss at every certified equilibrium (largest).",
            bound=1.0,
            measured=max(case.reference.energy_over_loss for case in record.cases),
            because="the energy of the feedforward pass is the loss",
        ),
    )


def _wide(record: Record) -> tuple[Claim, ...]:
    case = record.case("tanh", "wide")
    sweeps, descent = case.curve("sweeps"), case.curve("gradient descent")
    early = sweeps.steps <= 16
    hidden = record.settings.wide[1] - 1
    chain = next(t for t in count(1) if skip_chain_residual(hidden, ACTIVITY_RATE, t) <= ROUGH)
    ours = [case.curve(name) for name in ("accelerated sweeps", "Newton-CG", "default")]
    return (
        at_most(
            "wide: every sweep halves",
            "tanh, N >= 16 L: relative ||dF/dz|| after k sweeps, times 2^k (largest).",
            bound=1.0,
            measured=(sweeps.residual * 2.0**sweeps.steps)[early].max(),
            because="the contraction factor measured in the chapter on one sweep is below 1/2",
        ),
        at_least(
            "wide: descent takes many more steps",
            f"Steps of gradient descent on z over sweeps, to a relative ||dF/dz|| of {ROUGH:g}.",
            bound=chain / np.ceil(np.log2(1 / ROUGH)),
            measured=descent.steps_to(ROUGH) / sweeps.steps_to(ROUGH),
            because=f"a chain of skips takes {chain} steps of descent; halving sweeps take {np.log2(1 / ROUGH):.0f}",
        ),
        at_most(
            "wide: one equilibrium for all solvers",
            "Distance of the PC gradients that three solvers end with from the certified one (largest).",
            bound=1e3 * TIGHT,
            measured=max(curve.gradient_error[-1] for curve in ours),
            because="a gradient is as good as its equilibrium, up to the condition number",
        ),
        at_most(
            "wide: other starts, the same energy",
            f"Energies of descents from {record.settings.starts} starts of each sample: largest |F / F* - 1|.",
            bound=DISTINCT,
            measured=_minima(record, "wide").spread,
            because="the Hessian of E(e) is I minus the derivative of a sweep: positive where sweeps contract",
        ),
    )


def _narrow(record: Record) -> tuple[Claim, ...]:
    case, because = record.case("tanh", "narrow"), "N < L: nothing promises it"
    shape = "N = {}, L = {}".format(*record.settings.narrow)
    return (
        fails_outside(
            at_most(
                "narrow: sweeps converge",
                f"tanh, {shape}: relative ||dF/dz|| after {case.curve('sweeps').steps[-1]} sweeps.",
                bound=ROUGH,
                measured=case.curve("sweeps").residual[-1],
                because=because,
            )
        ),
        fails_outside(
            at_most(
                "narrow: one equilibrium",
                f"tanh, {shape}: energies of descents from other starts: largest |F / F* - 1|.",
                bound=DISTINCT,
                measured=_minima(record, "narrow").spread,
                because=because,
            )
        ),
        fails_outside(
            at_most(
                "narrow: the script's count is enough",
                f"tanh, {shape}: relative ||dF/dz|| after 100 H steps of gradient descent.",
                bound=1e-3,
                measured=case.curve("gradient descent").residual[-1],
                because="the slowest mode of a chain takes a number of steps that grows as H^2",
            )
        ),
    )


def _kinks(record: Record) -> tuple[Claim, ...]:
    cases = [case for case in record.cases if case.activation == "relu"]
    return (
        fails_outside(
            at_most(
                "ReLU: dF/dz vanishes",
                "Relative ||dF/dz|| where nothing moves any more (smallest of the networks).",
                bound=FINE,
                measured=min(case.reference.residual for case in cases),
                because="the minimum lies on kinks, where F has no gradient",
            )
        ),
        at_most(
            "ReLU: descents find the same energy",
            f"{cases[0].shape}: |F / F* - 1| where momentum ends.",
            bound=1e-3,
            measured=np.abs(cases[0].curve("momentum").energy_gap[-1]),
            because="steps of fixed length oscillate about the kinks",
        ),
    )


def _minima(record: Record, shape: str):
    return next(minima for minima in record.minima if minima.shape == shape)
