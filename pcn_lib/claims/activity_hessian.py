"""What the chapter on the activity Hessian asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.activity_hessian import TOLERANCE, Record, skip_chain_ends
from pcn_lib.statistics import fit_slope


def claims(record: Record) -> tuple[Claim, ...]:
    """The chain of skips, the Hessian in the errors, and cost."""
    return (*_transformers(record), *_chain(record), *_errors(record), *_cost(record))


def _transformers(record: Record) -> tuple[Claim, ...]:
    rows = record.rows("transformer")
    transformer = rows[0]
    chains = np.array([skip_chain_ends(int(hidden)) for hidden in record.hidden[rows]])
    low, high = chains[0]
    away = np.abs(record.smallest[rows] / chains[:, 0] - 1)
    weak = "weak branches (weights 0.02, multiplier 1/blocks) and a readout of size 1/N move it by less"
    return (
        close(
            "a transformer begins as a chain: smallest",
            "Before training the narrowest transformer's smallest eigenvalue is that of the chain of its skips.",
            predicted=low,
            measured=record.smallest[transformer],
            relative_tolerance=0.05,
            because=weak,
        ),
        close(
            "a transformer begins as a chain: largest",
            "Before training the narrowest transformer's largest eigenvalue is that of the chain of its skips.",
            predicted=high,
            measured=record.largest[transformer],
            relative_tolerance=0.05,
            because=weak,
        ),
        *_away_from_the_chain(record.width[rows], away),
    )


def _away_from_the_chain(widths: np.ndarray, away: np.ndarray) -> tuple[Claim, ...]:
    """Nothing where there is one width, which shows no growth."""
    if len(widths) == 1:
        return ()
    return (
        close(
            "weights of 0.02 at every width leave the chain",
            "Transformers' smallest eigenvalues lie off the chain's by a share that grows in proportion to N.",
            predicted=1,
            measured=fit_slope(widths, away).slope,
            tolerance=0.3,
            because="a product of two matrices of deviation 0.02 has a norm of about 0.02² N, up to its scatter",
        ),
    )


def _chain(record: Record) -> tuple[Claim, ...]:
    deep = record.rows("tanh MLP", width=record.settings.width)
    wide = [record.rows(kind, hidden=record.settings.depth - 1)[-1] for kind in ("linear MLP", "tanh MLP")]
    bare = skip_chain_ends(record.settings.depth - 1)[0]
    return (
        at_most(
            "branches slow the slowest mode",
            "In the widest residual MLPs the smallest eigenvalue is at most that of the bare chain (ratio shown).",
            bound=1,
            measured=record.smallest[wide].max() / bare,
            because="a trial vector carried along by the network has the chain's Rayleigh quotient or a smaller one",
        ),
        at_least(
            "conditioning is at least the bound",
            "In the widest linear network the condition number is at least (2 + 1/L) / mu_1 (ratio shown).",
            bound=1,
            measured=record.condition[wide[0]] * bare / (2 + 1 / record.settings.depth),
            because="a bound of the limit N -> infinity: a layer's share of the trace is 2 + 1/L, and mu_min <= mu_1",
        ),
        close(
            "conditioning worsens as the depth squared",
            "At fixed width the condition number grows as (2H + 1)^2: measured, where theory has a lower bound.",
            predicted=2,
            measured=fit_slope(2 * record.hidden[deep] + 1, record.condition[deep]).slope,
            tolerance=0.4,
            because="the largest eigenvalue grows towards its limit at the same time, and branches change with depth",
        ),
    )


def _errors(record: Record) -> tuple[Claim, ...]:
    linear, tanh = record.rows("linear MLP"), record.rows("tanh MLP", hidden=record.settings.depth - 1)
    trained = record.rows("transformer, trained")[0]
    identity_like = at_most(
        "a trained transformer: the errors' Hessian is the identity",
        "After learning, too, the largest eigenvalue in the errors is 1 to a per cent.",
        bound=1.01,
        measured=record.error_largest[trained],
        because="a sweep would then need two steps for four digits",
    )
    return (
        close(
            "linear: the Hessian in the errors",
            "In the errors a linear network's largest eigenvalue is 1 + lambda ||M|| (the farthest off is shown as 1).",
            predicted=1,
            measured=_farthest(record.error_largest[linear] / (1 + record.rescaling_norm[linear])),
            tolerance=2e-3,
            because="Lanczos iteration is asked for three digits",
        ),
        at_most(
            "wide networks: the errors' condition number goes to 1",
            "In the widest tanh MLP d2E/de2 has a smaller condition number than in the narrowest (ratio shown).",
            bound=1,
            measured=_error_condition(record)[tanh[-1]] / _error_condition(record)[tanh[0]],
            because="M = O(L/N)",
        ),
        fails_outside(identity_like),
    )


def _cost(record: Record) -> tuple[Claim, ...]:
    k = record.condition
    rows = record.rows("tanh MLP")
    bound = np.log(1 / TOLERANCE) / np.log((k + 1) / (k - 1))
    return (
        close(
            "descent costs the condition number",
            "Gradient-descent steps on z grow in proportion to the condition number (tanh MLPs).",
            predicted=1,
            measured=fit_slope(k[rows], record.descent_steps[rows].astype(float)).slope,
            tolerance=0.3,
            because="the share of the slowest mode in the gradient changes with depth",
        ),
        at_most(
            "descent is no slower than theory allows",
            "At the best constant rate descent needs at most ln(1/eps) / ln((k+1)/(k-1)) steps (largest ratio shown).",
            bound=1.05,
            measured=(record.descent_steps / bound)[rows].max(),
            because="the bound is exact for quadratic energies; these are nearly quadratic",
        ),
        at_least(
            "the solver does not pay it",
            "On the worst conditioned network the library's solver takes at most a tenth of descent's steps.",
            bound=10,
            measured=record.descent_steps[rows[-1]] / record.solver_steps[rows[-1]],
            because="sweeps see the Hessian in the errors, whose condition number is near 1",
        ),
    )


def _error_condition(record: Record) -> np.ndarray:
    return record.error_largest / record.error_smallest


def _farthest(ratios: np.ndarray) -> float:
    """The ratio farthest from 1."""
    return float(ratios[np.argmax(np.abs(ratios - 1))])
