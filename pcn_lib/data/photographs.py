"""Photographs augmented as is usual for ImageNet, and as the paper's authors do for their CNN, with Pillow.

Source: the authors' loader (experiments/datasets.py of jpc): a random part of the photograph at 224 pixels, mirrored
half of the time, with its brightness, contrast, saturation (0.4 each) and hue (0.1) changed in a random order.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

#: The share of the area and the ratio of the sides that a random part has.
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
#: How many random parts are tried before the middle is taken.
TRIES = 10
#: Brightness, contrast and saturation are multiplied by 0.6 to 1.4; hue is turned by up to a tenth of its circle.
JITTER, HUE = 0.4, 0.1


def augmented(image: "Image", pixels: int, rng: np.random.Generator) -> "Image":
    """A random part of the photograph, [pixels, pixels], mirrored half of the time, its colours changed."""
    from PIL import Image, ImageOps

    part = image.resize((pixels, pixels), Image.Resampling.BILINEAR, box=random_part(image.size, rng))
    return jittered(ImageOps.mirror(part) if rng.random() < 0.5 else part, rng)


def random_part(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a random part of :data:`AREA` and :data:`RATIO`.

    Where :data:`TRIES` draws do not fit into the photograph, the largest middle part whose ratio is allowed.
    """
    width, height = size
    for _ in range(TRIES):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w, h = min(width, round(height * RATIO[1])), min(height, round(width / RATIO[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def jittered(image: "Image", rng: np.random.Generator) -> "Image":
    """Brightness, contrast, saturation and hue changed by random amounts, in a random order."""
    from PIL import ImageEnhance

    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    factors, turn = rng.uniform(1 - JITTER, 1 + JITTER, 3), rng.uniform(-HUE, HUE)
    for change in rng.permutation(4):
        if change == 3:
            image = with_hue_turned(image, turn)
        else:
            image = enhancers[change](image).enhance(factors[change])
    return image


def with_hue_turned(image: "Image", turn: float) -> "Image":
    """Every hue moved by a share of its circle."""
    from PIL import Image

    hue, saturation, value = image.convert("HSV").split()
    # A byte goes round once in 256: adding to it is turning the circle.
    moved = (np.asarray(hue).astype(int) + round(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")
