"""Every multiplier, initial variance and learning-rate factor, as numbers from exponents.

A parameterisation is a table: one row per role of a weight (input, hidden, output), from which those of the vectors
beside them follow (biases, scales and shifts of norms), and one column per quantity.  Standard (SP), neural tangent
(NTP), muPC with and without skips and the general abcd family are *values* of one frozen dataclass; no other module
asks which one is in use.

Source: arXiv:2602.07697, on stable, non-lazy parameterisations; Yang & Hu 2021 (arXiv:2011.14522) for the abc family;
Yang et al. 2023 (arXiv:2310.02244) and Bordelon et al. 2023 (arXiv:2309.16620) for the depth exponent.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import jax
from jaxtyping import Array, Float

from pcn_lib.gains import name_of, no_gain, usual_gain
from pcn_lib.numerics import Activation, identity, standard_normal
from pcn_lib.scales import Power as Power
from pcn_lib.scales import RoleScales as RoleScales
from pcn_lib.scales import Scales as Scales
from pcn_lib.tables import aligned, as_html, as_mathematics


class Role(Enum):
    """What a weight does: read the input, map hidden to hidden, or read the output out."""

    INPUT = "input"
    HIDDEN = "hidden"
    OUTPUT = "output"


@dataclass(frozen=True)
class Parameterisation:
    """A parameterisation with output scale gamma_0; ``print`` shows it as its table.

    Attributes:
        name: as in the paper.
        input, hidden, output: the rows.
        gamma_0: output ("richness") scale; already contained in the rows.
        unit_draw: draws from a distribution of unit variance, ``(key, shape, dtype) -> array``.
        attention: scale of the products of queries and keys, whose fan-in is the size of a head.
        gain: factor on a weight's multiplier, by the activation function that the weight stands behind.
    """

    name: str
    input: RoleScales
    hidden: RoleScales
    output: RoleScales
    gamma_0: float = 1.0
    unit_draw: Callable = standard_normal
    attention: Power = Power(fan_in=-0.5)
    gain: Callable[[Activation], float] = no_gain

    def __post_init__(self):
        _check_output_scale(self.gamma_0)

    def scales(self, role: Role, *, fan_in: int, width: int, depth: int, activation: Activation = identity) -> Scales:
        """The numbers for one weight, behind ``activation``, of a network of width N and depth L weight layers.

        Where skips bypass some weights of a network only, those that none bypasses have ``depth`` 1.
        """
        multiplier, *others = (power(fan_in, width, depth) for power in getattr(self, role.value).powers)
        return Scales(self.gain(activation) * multiplier, *others)

    def vector_scales(self, role: Role, width: int, depth: int) -> Scales:
        """The numbers for a vector beside weights of a role (:meth:`RoleScales.vector`), a bias say; no gain."""
        row = getattr(self, role.value).vector(readout=role is Role.OUTPUT)
        return Scales(*(power(1, width, depth) for power in row.powers))

    def draw(self, key: Array, shape: tuple[int, ...], scales: Scales, dtype) -> Float[Array, "..."]:
        """Initial weights of variance ``scales.variance``: drawn in float32, then cast.

        The same key therefore gives the same network in every precision.
        """
        weight = math.sqrt(scales.variance) * self.unit_draw(key, shape, "float32")
        return weight.astype(dtype)

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        title, (header, *rows), gains = self._written(None)
        cells = [tuple(map(as_mathematics, row)) for row in rows]
        return as_html(header, cells, "; ".join([title, *gains]), label=self.name, kind="pcn-table")

    def table(self, activation: Activation | None = None) -> str:
        """The table as text, with the gain of an activation function where one is given and gains are used."""
        title, rows, gains = self._written(activation)
        return "\n".join([title, *aligned(rows), *gains])

    def _written(self, activation: Activation | None) -> tuple[str, list[tuple[str, ...]], list[str]]:
        """Title, header and rows, and what there is to say of gains."""
        header = ("", "multiplier a", "variance", "GD rate / eta", "Adam rate / eta", "Adam epsilon / eps")
        rows = {role: getattr(self, role.value) for role in Role}
        vectors = {role: row.vector(readout=role is Role.OUTPUT) for role, row in rows.items()}
        numbers = [(role.value, *map(str, row.powers)) for role, row in rows.items()]
        numbers += [(f"{role.value} vectors", *map(str, row.powers)) for role, row in vectors.items()]
        shown = len(header) - all(row[-1] == "1" for row in numbers)
        title = f"{self.name}, gamma_0 = {self.gamma_0:g}   (D: fan-in, N: width, L: weight layers)"
        whose = "the activation function" if activation is None else name_of(activation)
        gain = "" if activation is None else f", {self.gain(activation):.4g}"
        gains = [f"multipliers of weights behind {whose} times its gain{gain}"] if self.gain is not no_gain else []
        return title, [row[:shown] for row in (header, *numbers)], gains


def _readout(gamma_0: float, **exponents: float) -> Power:
    """The readout's multiplier, 1/gamma_0 times powers of its sizes."""
    _check_output_scale(gamma_0)
    return Power(1 / gamma_0, **exponents)


def _check_output_scale(gamma_0: float) -> None:
    if not gamma_0 > 0:
        raise ValueError(f"output scale gamma_0 = {gamma_0} given; it must be positive: try gamma_0 = 1")


def _unit_uniform(key: Array, shape: tuple[int, ...], dtype) -> Array:
    """U(-sqrt 3, sqrt 3): the uniform distribution of unit variance."""
    return jax.random.uniform(key, shape, dtype, -math.sqrt(3.0), math.sqrt(3.0))


def sp(gamma_0: float = 1.0) -> Parameterisation:
    """Standard parameterisation: multipliers 1, W ~ N(0, 1/fan_in), readout divided by gamma_0."""
    row = RoleScales(variance=Power(fan_in=-1.0))
    output = RoleScales(multiplier=_readout(gamma_0), variance=Power(fan_in=-1.0))
    return Parameterisation("SP", row, row, output, gamma_0)


def sp_uniform(gamma_0: float = 1.0) -> Parameterisation:
    """SP as the authors' code draws it: W ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)), variance 1/(3 fan_in)."""
    variance = Power(1 / 3, fan_in=-1.0)
    row = RoleScales(variance=variance)
    output = RoleScales(multiplier=_readout(gamma_0), variance=variance)
    return Parameterisation("SP (uniform)", row, row, output, gamma_0, _unit_uniform)


def ntp(gamma_0: float = 1.0) -> Parameterisation:
    """Neural tangent parameterisation: a = fan_in^-1/2, readout N^-1/2 / gamma_0, W ~ N(0, 1)."""
    row = RoleScales(multiplier=Power(fan_in=-0.5))
    output = RoleScales(multiplier=_readout(gamma_0, fan_in=-0.5))
    return Parameterisation("NTP", row, row, output, gamma_0)


def mupc(gamma_0: float = 1.0) -> Parameterisation:
    """muPC for networks without skips: a = fan_in^-1/2, readout 1/(gamma_0 N), GD rate eta gamma_0^2 N.

    Source: arXiv:2602.07697; Innocenti et al. 2025 (arXiv:2505.13124).
    """
    return _mupc("muPC", gamma_0, depth_exponent=0.0)


def mupc_skips(gamma_0: float = 1.0) -> Parameterisation:
    """muPC for networks with one-layer skips (Depth-muP): hidden multiplier (N L)^-1/2.

    Source: arXiv:2602.07697; Innocenti et al. 2025 (arXiv:2505.13124).
    """
    return _mupc("muPC with skips", gamma_0, depth_exponent=0.5)


def mupc_convolutional(gamma_0: float = 1.0) -> Parameterisation:
    """muPC as the authors' convolutional networks have it: :func:`mupc_skips` with two differences.

    The multiplier of a weight behind an activation function carries its gain (:func:`pcn_lib.gains.usual_gain`), and
    Adam's rate of the first convolution is eta itself.

    Source: arXiv:2602.07697, Figure 4b (the authors' published code); Bordelon et al. 2023 (arXiv:2309.16620).
    """
    base = mupc_skips(gamma_0)
    first = replace(base.input, adam_rate=Power())
    return replace(base, name="muPC for residual CNNs", input=first, gain=usual_gain)


def _mupc(name: str, gamma_0: float, depth_exponent: float) -> Parameterisation:
    gd_rate, adam_rate = Power(gamma_0**2, width=1.0), Power(width=-0.5, depth=-depth_exponent)
    return Parameterisation(
        name,
        input=RoleScales(Power(fan_in=-0.5), Power(), gd_rate, adam_rate),
        hidden=RoleScales(Power(fan_in=-0.5, depth=-depth_exponent), Power(), gd_rate, adam_rate),
        output=RoleScales(_readout(gamma_0, fan_in=-1.0), Power(), gd_rate, adam_rate),
        gamma_0=gamma_0,
    )


def complete_p(initial_scale: float = 0.02) -> Parameterisation:
    """CompleteP with alpha = 1 as the authors' transformer uses it; its depth L is the number of blocks.

    Every weight starts at the standard deviation ``initial_scale``, whatever the width: in CompleteP itself the
    variance of hidden weights falls as 1/N.  Rates of gradient descent are derived here: adam_rate / adam_epsilon.

    Source: Dey et al. 2025 (arXiv:2505.01618); arXiv:2602.07697, Figure 4c, and the authors' code.

    Raises:
        ValueError: an initial scale that is not positive.
    """
    if not initial_scale > 0:
        raise ValueError(f"initial scale {initial_scale} given; it must be positive: try 0.02")
    variance = Power(initial_scale**2)
    # Epsilon scales as the gradient does; a hidden unit sums over its fan-in, which the row of vectors leaves out.
    ends = RoleScales(variance=variance, gd_rate=Power(width=1.0), adam_epsilon=Power(width=-1.0))
    gd_rate, epsilon = Power(fan_in=-1.0, width=1.0, depth=1.0), Power(width=-1.0, depth=-1.0)
    hidden = RoleScales(Power(depth=-1.0), variance, gd_rate, Power(width=-1.0), epsilon)
    output = replace(ends, multiplier=Power(width=-1.0))
    return Parameterisation("CompleteP", ends, hidden, output, attention=Power(fan_in=-1.0))


@dataclass(frozen=True)
class Exponents:
    """The exponents of the abcd family; :func:`abcd` gives the table they stand for.

    Attributes:
        a_in, a, a_out: multipliers N^-a_in D^-1/2, N^-a L^-alpha and N^-a_out / (gamma_0 N^d).
        b_in, b, b_out: weight variances N^-b_in, N^-b and N^-b_out.
        c: gradient-descent rate eta gamma_0^2 N^-c.
        d: extra readout exponent; 0 lazy, 1/2 feature learning.
        alpha: depth exponent of the hidden multiplier.
    """

    a_in: float = 0.0
    a: float = 0.5
    a_out: float = 0.5
    b_in: float = 0.0
    b: float = 0.0
    b_out: float = 0.0
    c: float = -1.0
    d: float = 0.5
    alpha: float = 0.0


def abcd(exponents: Exponents = Exponents(), gamma_0: float = 1.0) -> Parameterisation:
    """The abcd parameterisation; its defaults are muPC without skips.

    Adam's rate is left at eta: the family is stated for gradient descent.

    Source: arXiv:2602.07697, on stable, non-lazy parameterisations.
    """
    e = exponents
    gd_rate = Power(gamma_0**2, width=-e.c)
    return Parameterisation(
        f"abcd (d = {e.d:g}, c = {e.c:g})",
        input=RoleScales(Power(fan_in=-0.5, width=-e.a_in), Power(width=-e.b_in), gd_rate),
        hidden=RoleScales(Power(width=-e.a, depth=-e.alpha), Power(width=-e.b), gd_rate),
        output=RoleScales(_readout(gamma_0, width=-e.a_out - e.d), Power(width=-e.b_out), gd_rate),
        gamma_0=gamma_0,
    )
