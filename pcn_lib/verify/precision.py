"""The three ways in which a device computes."""

from dataclasses import dataclass

from pcn_lib.numerics import Tolerance, tolerance


@dataclass(frozen=True)
class Precision:
    """A number type and how matrix products of it are computed.

    Attributes:
        dtype: ``float32`` or ``float64``.
        products: JAX's precision of matrix products, ``default`` or ``highest``.
    """

    dtype: str
    products: str

    def __str__(self) -> str:
        return f"{self.dtype}, matrix products {self.products}"

    def tolerance(self, platform: str) -> Tolerance:
        """What rounding allows: a GPU's default products of float32 are TensorFloat-32, with 10 bits of mantissa."""
        short = platform == "gpu" and (self.dtype, self.products) == ("float32", "default")
        return tolerance("tensorfloat32" if short else self.dtype, platform)


PRECISIONS = (Precision("float32", "default"), Precision("float32", "highest"), Precision("float64", "highest"))
