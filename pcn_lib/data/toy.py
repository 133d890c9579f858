"""The toy task: two classes of Gaussian noise, which only a network that learns by heart can tell apart."""

import numpy as np

from pcn_lib.data.dataset import Dataset, sha256
from pcn_lib.numerics import check_seed


def toy_task(seed: int, *, inputs: int = 40, samples: int = 20) -> Dataset:
    """x_i ~ N(0, 1)^D;  y_i = +1 for the first half of the samples, -1 for the second.

    Source: the paper's linear experiments, D = 40 and 20 samples (arXiv:2602.07697).

    Args:
        seed: of the draw.
        inputs: D.
        samples: an even number, at least 2.

    Raises:
        ValueError: a seed of more than 32 bits or below 0, no inputs, or samples that cannot be halved.
    """
    check_seed(seed)
    if inputs < 1 or samples < 2 or samples % 2:
        raise ValueError(
            f"{samples} samples of {inputs} inputs given; an even number of samples and at least one input are needed: "
            "try 20 samples of 40 inputs"
        )
    x = np.random.default_rng(seed).standard_normal((samples, inputs))
    y = np.repeat([[1.0], [-1.0]], samples // 2, axis=0)
    source = f"drawn with seed {seed}"
    return Dataset("toy_task", x, y, (), source, sha256(x.tobytes()), f"toy task, {samples} samples ({source})")
