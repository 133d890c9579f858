"""Convolutional layers on images, channels last: h -> [h +] a conv(W, phi(h)) [+ a_b b], average pooling, and what
reads an image as a vector."""

from functools import reduce

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from pcn_lib.layers.dense import Dense
from pcn_lib.layers.layer import Layer
from pcn_lib.layers.vectors import Unchanged, draw_bias
from pcn_lib.numerics import Activation, check_activation, identity
from pcn_lib.parameterisation import Parameterisation, Role, Scales


class Convolution(Layer):
    """f_l(h) = tau h + a W * phi(h) [+ a_b b], of stride 1, keeping the image's size (zeros beyond its edge).

    Attributes:
        weight: W, axes [kernel, kernel, in, out].
        scales: a is ``scales.multiplier``.
        activation: phi, applied to the layer's *input*.
        skip: tau, whether the input is added to the output (equal channels only): a residual block.
        bias: a :class:`pcn_lib.layers.Bias` of one number for each channel, or nothing.

    Raises:
        ValueError: a kernel of even size, which has no middle.
    """

    def __init__(
        self,
        weight: Float[Array, "kernel kernel ingoing outgoing"],
        scales: Scales,
        *,
        activation: Activation = identity,
        skip: bool = False,
        bias: Layer | None = None,
    ):
        if weight.shape[0] % 2 == 0:
            size = weight.shape[0]
            raise ValueError(f"a kernel of {size} x {size} given; a middle is needed: choose an odd size, such as 3")
        check_activation(activation)
        self.weight = nnx.Param(weight)
        self.scales = scales
        self.activation = activation
        self.skip = skip
        self.bias = Unchanged() if bias is None else bias

    def __call__(self, h: Float[Array, "height width ingoing"]) -> Float[Array, "height width outgoing"]:
        convolve = convolve_by_rows if jax.default_backend() == "cpu" else convolve_by_library
        return self.around(h, self.bias(self.scales.multiplier * convolve(self.activation(h), self.weight[...])))

    @property
    def linear(self) -> bool:
        return self.activation is identity


def convolve_by_library(
    h: Float[Array, "height width ingoing"], weight: Float[Array, "kernel kernel ingoing outgoing"]
) -> Float[Array, "height width outgoing"]:
    """(W * h)_pq = sum_ij W_ij h_{p+i, q+j}, i and j counted from the kernel's middle, by XLA's convolution."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(h[None], weight, (1, 1), "SAME", dimension_numbers=layout)[0]


def convolve_by_rows(
    h: Float[Array, "height width ingoing"], weight: Float[Array, "kernel kernel ingoing outgoing"]
) -> Float[Array, "height width outgoing"]:
    """The same as one matrix product for each row of the kernel.

    On a CPU, inside a loop, XLA's own convolution takes 3 to 7 times as long, and in float64 it is a plain loop nest.
    """
    kernel, height, width = weight.shape[0], *h.shape[:2]
    rows = weight.reshape(kernel, -1, weight.shape[-1])
    margin = kernel // 2
    h = jnp.pad(h, ((margin, margin), (margin, margin), (0, 0)))
    beside = jnp.concatenate([h[:, j : j + width] for j in range(kernel)], axis=-1)
    return reduce(jnp.add, (beside[i : i + height] @ rows[i] for i in range(kernel)))


class AveragePool(Layer):
    """f_l(h) = the mean over windows that do not overlap: a layer without weights, with an error of its own.

    Rows and columns that fill no window are left out, as in the authors' networks.

    Attributes:
        window: side of a window.
    """

    def __init__(self, window: int = 2):
        self.window = window

    def __call__(self, h: Float[Array, "height width channels"]) -> Float[Array, "down across channels"]:
        down, across = (size // self.window for size in h.shape[:2])
        inside = h[: down * self.window, : across * self.window]
        return inside.reshape(down, self.window, across, self.window, -1).mean(axis=(1, 3))

    @property
    def linear(self) -> bool:
        return True


class FlatDense(Dense):
    """f_l(h) = a W phi(vec h): a dense layer that reads every feature of an image, or of any other array."""

    def __call__(self, h: Float[Array, "*features"]) -> Float[Array, " outputs"]:
        return super().__call__(h.ravel())


def draw_convolution(
    key: Array,
    parameterisation: Parameterisation,
    role: Role,
    shape: tuple[int, int, int],
    size: tuple[int, int],
    *,
    activation: Activation = identity,
    skip: bool = False,
    bias: bool = False,
    dtype=jnp.float32,
) -> Convolution:
    """A convolution with fresh weights; its fan-in is kernel^2 times the channels that it reads.

    Args:
        key: typed random key.
        parameterisation: gives multiplier, variance and rates.
        role: input or hidden weight.
        shape: (kernel, channels in, channels out).
        size: (channels N, depth L) that the parameterisation is told; depth 1 for a weight that no skip bypasses.
        bias: whether it has one, which starts at zero.
    """
    kernel, ingoing, outgoing = shape
    width, depth = size
    fan_in = kernel**2 * ingoing
    scales = parameterisation.scales(role, fan_in=fan_in, width=width, depth=depth, activation=activation)
    weight = parameterisation.draw(key, (kernel, kernel, ingoing, outgoing), scales, dtype)
    shift = draw_bias(parameterisation, role, outgoing, size, dtype) if bias else None
    return Convolution(weight, scales, activation=activation, skip=skip, bias=shift)
