"""The numbers of one parameter, and a row of a parameterisation's table: these numbers as powers of sizes."""

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Power:
    """constant * fan_in^fan_in * N^width * L^depth, the exponents being this record's fields."""

    constant: float = 1.0
    fan_in: float = 0.0
    width: float = 0.0
    depth: float = 0.0

    def __call__(self, fan_in: int, width: int, depth: int) -> float:
        # Python floats throughout: a NumPy scalar would promote float32 arrays under x64.
        return self.constant * float(fan_in) ** self.fan_in * float(width) ** self.width * float(depth) ** self.depth

    def __str__(self) -> str:
        factors = [f"{self.constant:.4g}"] if self.constant != 1.0 else []
        for letter, exponent in (("D", self.fan_in), ("N", self.width), ("L", self.depth)):
            if exponent:
                factors.append(letter if exponent == 1 else f"{letter}^{Fraction(exponent).limit_denominator(1000)}")
        return " ".join(factors) or "1"


@dataclass(frozen=True)
class Scales:
    """One weight's numbers: W ~ variance, used as multiplier * W, trained at eta * rate.

    Attributes:
        multiplier: a_l of the layer map.
        variance: sigma^2 of the initial weights.
        gd_rate: factor on the rate eta under gradient descent.
        adam_rate: factor on the rate eta under Adam.
        adam_epsilon: factor on Adam's epsilon, which must stay below the gradients as they shrink with size.
    """

    multiplier: float
    variance: float
    gd_rate: float
    adam_rate: float
    adam_epsilon: float = 1.0

    def written_with(self, multiplier: float) -> "Scales":
        """The same parameter with another multiplier a' and a / a' times the values: it computes and learns the same.

        Source: derived here, see the chapter "Width: stable parameterisations".
        """
        factor = self.multiplier / multiplier
        squared, epsilon = factor**2, self.adam_epsilon / factor
        return Scales(multiplier, squared * self.variance, squared * self.gd_rate, factor * self.adam_rate, epsilon)


@dataclass(frozen=True)
class RoleScales:
    """One row of the table: :class:`Scales` as powers of fan-in, width and depth."""

    multiplier: Power = Power()
    variance: Power = Power()
    gd_rate: Power = Power()
    adam_rate: Power = Power()
    adam_epsilon: Power = Power()

    @property
    def powers(self) -> tuple[Power, ...]:
        """The columns of the table, in the order of :class:`Scales`."""
        return (self.multiplier, self.variance, self.gd_rate, self.adam_rate, self.adam_epsilon)

    def vector(self, *, readout: bool) -> "RoleScales":
        """The row of vectors beside these weights: of biases, and of the scales and shifts of norms.

        A unit reads one entry of a vector and not the sum over a fan-in, so neither multiplier nor Adam's rate has
        powers of a size but the depth's.  Gradients of hidden units fall with the width, for vectors as for weights,
        so the rate of gradient descent and Adam's epsilon keep its power; an output's gradient does not.  What a
        vector does to the function is then independent of the width.  Vectors start where they do nothing.

        Source: derived here; for hidden biases Yang & Hu 2021 (arXiv:2011.14522), Dey et al. 2025 (arXiv:2505.01618).
        """
        plain = [replace(power, fan_in=0.0, width=0.0) for power in self.powers]
        kept = plain if readout else [replace(power, fan_in=0.0) for power in self.powers]
        return RoleScales(plain[0], Power(0.0), kept[2], plain[3], kept[4])
