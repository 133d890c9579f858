"""What the chapter on sweeps of backpropagation asserts."""

import numpy as np

from pcn_lib.claims import Claim, at_least, at_most, close, fails_outside
from pcn_lib.experiments.one_sweep_is_backpropagation import ACTIVATIONS, FIXED_POINT, Record
from pcn_lib.numerics import tolerance
from pcn_lib.statistics import fit_slope

#: Gradient errors below this are rounding and say nothing of a rate.
FLOOR = 1e-12
#: N / L from which a network counts as wide.
WIDE = 16


def claims(record: Record) -> tuple[Claim, ...]:
    """Every claim of the chapter, measured on its record."""
    return (*_exact(record), *_linear(record), *_rates(record), *_tanh(record), *_outside(record))


def _exact(record: Record) -> tuple[Claim, ...]:
    allowed, wide = tolerance("float64").exact, record.wide
    errors = 0.4 * (1 - (-0.5) ** np.arange(len(record.by_hand)))
    return (
        at_most(
            "swept by hand",
            "One unit in each layer, lambda = 1/10: e_2 after k sweeps is 0.4 (1 - (-1/2)^k) (largest error).",
            bound=allowed,
            measured=np.abs(record.by_hand - errors).max(),
            because="rounding in float64",
        ),
        at_most(
            "the first sweep is BP",
            "PC's local rule, fed with the first sweep, gives grad Loss: linear and tanh (relative error).",
            bound=allowed,
            measured=max(wide.first_sweep.max(), record.narrow.first_sweep, record.standard.first_sweep),
            because="rounding in float64; holds at every width",
        ),
        at_most(
            "the equilibrium is self-consistent",
            "e* = delta(e*) at equilibria found otherwise (linear) and by sweeps (tanh) (relative error).",
            bound=10 * FIXED_POINT.tolerance,
            measured=wide.self_consistency.max(),
            because="ten times the tolerance that the tanh equilibria were asked for",
        ),
    )


def _linear(record: Record) -> tuple[Claim, ...]:
    linear = _of(record, "linear")
    bound = linear.metric[..., :1] ** np.arange(linear.distance.shape[-1])
    seen = linear.distance > FLOOR
    return (
        at_most(
            "contraction factor is ||lambda M||",
            "Linear networks: the factor per sweep, over ||lambda M||, deviates from 1 by (largest of all networks).",
            bound=0.02,
            measured=np.abs(linear.contraction.max(axis=-1) / linear.metric.max(axis=-1) - 1).max(),
            because="power iteration on nearly equal eigenvalues has not ended",
        ),
        at_most(
            "k sweeps, error bound",
            "Linear networks: ||e^k - e*|| / ||e*|| over its bound ||lambda M||^k (largest).",
            bound=1 + tolerance("float64").gradient,
            measured=(linear.distance / bound)[seen].max(),
            because="the theorem's bound, up to rounding",
        ),
    )


def _rates(record: Record) -> tuple[Claim, ...]:
    """The exponent of N in the gradient's error after k = 1, 2, 3 sweeps."""
    found = []
    errors = np.exp(np.log(record.by_width(record.wide.gradient_error)).mean(axis=2))
    for (name, _), by_width in zip(ACTIVATIONS, errors, strict=True):
        for k in (1, 2, 3):
            found.append(
                close(
                    f"gradient after {k} sweep{'s' * (k > 1)}, {name}",
                    f"The weight gradient of sweep {k} approaches PC's as N^-{k} (fitted exponent).",
                    predicted=-k,
                    measured=fit_slope(record.settings.widths, by_width[:, k - 1]).slope,
                    tolerance=0.25 * k,
                    because="the factor per sweep scatters between initialisations; its k-th power k times as much",
                    source="ours" if name == "linear" else "ours, measured only",
                )
            )
    return tuple(found)


def _tanh(record: Record) -> tuple[Claim, ...]:
    tanh = _of(record, "tanh")
    by_width = record.by_width(record.wide.contraction)[1].mean(axis=(1, 2))
    wide = np.array([width >= WIDE * depth for width, depth in record.settings.sizes])
    return (
        at_most(
            "tanh contracts faster with width",
            "tanh: the mean contraction factor falls with the width (fitted exponent).",
            bound=-0.7,
            measured=fit_slope(record.settings.widths, by_width).slope,
            because="N^-1 up to a logarithm: the largest of N Gaussian weights enters",
        ),
        *((_curvature(tanh, wide),) if wide.any() else ()),
    )


def _curvature(tanh, wide: np.ndarray) -> Claim:
    return at_least(
        "tanh: the curvature decides",
        f"The curvature's part of the derivative alone has the whole's norm (N >= {WIDE} L, smallest ratio).",
        bound=0.8,
        measured=(tanh.curvature / tanh.contraction)[wide].min(),
        because="-lambda P^T P has rank K; the curvature has full rank and a larger norm",
    )


def _outside(record: Record) -> tuple[Claim, ...]:
    tanh, because = _of(record, "tanh"), "the theorem needs ||lambda M|| < 1"
    narrow, standard = ("N = {}, L = {}".format(*size) for size in _outside_sizes(record))
    return (
        fails_outside(
            at_most(
                "narrow and deep networks contract",
                f"Linear, {narrow}: the factor per sweep is below 1.",
                bound=1.0,
                measured=record.narrow.contraction.max(),
                because=because,
            )
        ),
        fails_outside(
            at_most(
                "width is enough in SP",
                f"Linear, SP of variance 1/N without skips, {standard}: the factor per sweep is below 1.",
                bound=1.0,
                measured=record.standard.contraction.max(),
                because=because + "; for this draw of SP its mean is L - 1, at every width",
            )
        ),
        fails_outside(
            at_most(
                "||lambda M|| for tanh",
                "tanh: the factor per sweep, over ||lambda M|| at the equilibrium, is at most 1 (largest).",
                bound=1.0,
                measured=(tanh.contraction / tanh.metric).max(),
                because="the map is not affine, and its derivative has a second part",
            )
        ),
    )


def _outside_sizes(record: Record) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(N, L) of the narrow network and of the one in SP."""
    return record.settings.narrow, (record.settings.widths[-1], record.settings.depth)


def _of(record: Record, activation: str):
    """The networks of one activation, as an iteration with axes [sizes, seeds]."""
    index = [name for name, _ in ACTIVATIONS].index(activation)
    return type(record.wide)(*(array[index] for array in vars(record.wide).values()))
