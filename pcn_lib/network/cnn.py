"""Residual convolutional networks."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pcn_lib.layers import AveragePool, Convolution, FlatDense, Layer, draw_convolution, draw_dense
from pcn_lib.network.checks import check_draw, check_sizes
from pcn_lib.network.network import Network
from pcn_lib.network.stack import Stack
from pcn_lib.numerics import Activation, identity
from pcn_lib.parameterisation import Parameterisation, Role

#: Side of a window of average pooling; every stage divides the image's sides by it.
WINDOW = 2


@dataclass(frozen=True)
class CNN:
    """A residual convolutional network: stages of one convolution, residual blocks and average pooling, then a readout.

        stage:    h <- a W * h,   then  h <- h + a W * phi(h)  for each of its blocks,   then  h <- 2 x 2 means of h
        readout:  f = a W vec(h)

    Each of these maps is a layer with a prediction error of its own, the pooling included; several blocks of one stage
    are stacked.  Only the blocks have an activation function.

    Attributes:
        image: (height, width, channels) of one sample.
        width: N, channels of every convolution.
        outputs: K.
        blocks: residual blocks, the same number in every stage.
        stages: how many.
        activation: phi.
        kernel: side of the convolutions' kernels.
        bias: whether convolutions and readout have one.

    Source: arXiv:2602.07697, Figure 4b; the authors' published code.
    """

    image: tuple[int, int, int]
    width: int
    outputs: int
    blocks: int = 3
    stages: int = 3
    activation: Activation = identity
    kernel: int = 3
    bias: bool = False

    def __post_init__(self):
        check_sizes(self, "width", "outputs", "blocks", "stages", "kernel")
        if self.blocks % self.stages:
            raise ValueError(
                f"blocks = {self.blocks} given for {self.stages} stages; every stage needs as many: "
                f"choose a multiple of {self.stages}"
            )
        if len(self.image) != 3 or min(self.image[:2]) < WINDOW**self.stages or self.image[2] < 1:
            raise ValueError(
                f"image = {self.image} given; {self.stages} stages of pooling need (height, width, channels) with "
                f"sides of at least {WINDOW**self.stages}: take larger images, or fewer stages"
            )

    @property
    def depth(self) -> int:
        """L, the number of weight layers: one convolution a stage, the blocks, and the readout."""
        return self.stages + self.blocks + 1

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the images that each stage reads, and of what the readout reads."""
        scales = (WINDOW**stage for stage in range(self.stages + 1))
        return tuple((self.image[0] // scale, self.image[1] // scale) for scale in scales)

    @property
    def features(self) -> int:
        """What the readout reads: channels times pixels that are left after all pooling."""
        height, width = self.sides[-1]
        return self.width * height * width

    def init(self, key: Array, parameterisation: Parameterisation, dtype=jnp.float32) -> Network:
        """A network with fresh weights.

        The parameterisation is told the depth L for the residual blocks, whose branches add up along the skips, and
        depth 1 for the weights that no skip bypasses.

        Args:
            key: typed random key; the same key gives the same weights in every dtype.
            parameterisation: the table of multipliers, variances and rates.
            dtype: float32 or float64.

        Raises:
            ValueError: as :func:`~pcn_lib.network.checks.check_draw` says.
        """
        dtype = check_draw(key, parameterisation, dtype)
        *keys, last = jax.random.split(key, self.stages + 1)
        layers: list[Layer] = []
        for stage, key in enumerate(keys):
            layers += self._stage(key, parameterisation, dtype, first=stage == 0)
        shape, size = (self.outputs, self.features), (self.width, 1)
        readout = draw_dense(last, parameterisation, Role.OUTPUT, shape, size, bias=self.bias, dtype=dtype)
        flat = FlatDense(readout.weight[...], readout.scales, bias=readout.bias)
        return Network(tuple(layers), flat, self.image)

    def _stage(self, key: Array, parameterisation: Parameterisation, dtype, *, first: bool) -> tuple:
        """One stage's convolution, stack of residual blocks, and pooling."""
        entering, residual = jax.random.split(key)
        role, channels = (Role.INPUT, self.image[2]) if first else (Role.HIDDEN, self.width)
        shape = (self.kernel, channels, self.width)
        plain = dict(bias=self.bias, dtype=dtype)
        convolution = draw_convolution(entering, parameterisation, role, shape, (self.width, 1), **plain)

        def block(key: Array) -> Convolution:
            shape, size = (self.kernel, self.width, self.width), (self.width, self.depth)
            kind = dict(activation=self.activation, skip=True, **plain)
            return draw_convolution(key, parameterisation, Role.HIDDEN, shape, size, **kind)

        count = self.blocks // self.stages
        # A scan over one block would only cost compile time.
        blocks = block(residual) if count == 1 else Stack(jax.vmap(block)(jax.random.split(residual, count)))
        return convolution, blocks, AveragePool(WINDOW)
