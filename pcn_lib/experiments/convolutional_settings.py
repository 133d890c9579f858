"""Which convolutional networks the study of E8 trains, on what, and how its inference is done; by profile."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pcn_lib.data import Preparation
from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.experiments.trainings import WiderAtStart
from pcn_lib.inference import Solver, Sweeps, gradient_descent
from pcn_lib.numerics import Activation

#: Steps of the script's protocol, at the rate of the other networks.
PUBLISHED_STEPS = 200
PUBLISHED = gradient_descent(ACTIVITY_RATE, PUBLISHED_STEPS)
ACTIVATIONS: dict[str, Activation] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


@dataclass(frozen=True)
class Settings(WiderAtStart):
    """Which networks are trained, on what, and how inference is done.

    Attributes:
        data_set: images wanted; handwritten digits stand in where they are not on this machine.
        folder: one's own images, a sub-folder for each class, instead of the data set; empty for none.
        pixels: side to which the images of a folder are cut.
        preparation: how pixels become inputs, ``authors`` or ``standardised``.
        activation: phi of the residual blocks, tanh or relu.
        widths: channels N of the networks that are trained.
        wide: N of wider networks, measured at initialisation only.
        published: N at which the script's protocol is tried at initialisation.
        published_trained: N at which, if among ``widths``, networks are trained by the script's protocol as well.
        counts: gradient-descent steps tried at initialisation, the script's number among them.
        enlarged: factors by which the images are enlarged, 1 first, each tried at initialisation.
        enlarged_width: N of those networks.
        large: factor by which the images are enlarged for both protocols on large images; 7 makes 224 pixels of 32.
        large_widths: N of those networks before the first update.
        large_trained: N of those that are trained by both protocols.
        large_draws: images, each batch with an initialisation of its own; the first one is trained.
        large_samples: images in one of these batches.
        large_steps: weight updates.
        linear: N of the linear networks.
        draws: initialisations of each linear network.
        blocks: residual blocks, a multiple of 3.
        samples: B, in one batch.
        steps: weight updates.
        rate: Adam's base rate eta.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seeds: initialisations of the trained networks.
        seed: of the images drawn and of the first initialisation.

    Raises:
        SettingsError: a size too small, an unknown activation, or no count of the script's.
        UnknownPreparation: a preparation that does not exist.
    """

    data_set: str = "digits"
    folder: str = ""
    pixels: int = 224
    preparation: str = "authors"
    activation: str = "tanh"
    widths: tuple[int, ...] = (2, 8, 16)
    wide: tuple[int, ...] = (128,)
    published: tuple[int, ...] = (2, 16)
    published_trained: tuple[int, ...] = ()
    counts: tuple[int, ...] = (20, 60, PUBLISHED_STEPS)
    enlarged: tuple[int, ...] = (1, 4)
    enlarged_width: int = 8
    large: int = 2
    large_widths: tuple[int, ...] = (2,)
    large_trained: tuple[int, ...] = (2,)
    large_draws: int = 1
    large_samples: int = 4
    large_steps: int = 5
    linear: tuple[int, ...] = (4, 32)
    draws: int = 32
    blocks: int = 3
    samples: int = 64
    steps: int = 20
    rate: float = 1e-3
    tolerance: float = 1e-4
    seeds: int = 1
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, wide=1, published=1, counts=1, enlarged=1, linear=1, draws=2, pixels=8)
        check_sizes(self, enlarged_width=1, blocks=3, samples=1, steps=1, seeds=1)
        check_sizes(self, large=1, large_widths=1, large_trained=1, large_draws=1, large_samples=1, large_steps=1)
        Preparation.named(self.preparation)
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise SettingsError(f"activation = {self.activation!r} given; known are {known}: choose one of these")
        if PUBLISHED_STEPS not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the script's count is needed: add {PUBLISHED_STEPS}")
        self.check_untrained()

    @property
    def certified(self) -> Solver:
        """The solver that ends at an equilibrium and says how near: accelerated sweeps."""
        return Sweeps(tolerance=self.tolerance, max_steps=60, accelerate=True)

    @property
    def depth(self) -> int:
        """L, the number of weight layers."""
        return self.blocks + 4


PRESETS = {
    "smoke": Settings(
        widths=(2, 16), published=(16,), enlarged=(1, 2), enlarged_width=16, counts=(20, PUBLISHED_STEPS),
        linear=(4,), samples=4, steps=2,
    ),
    "quick": Settings(),
    "full": Settings(
        data_set="cifar10",
        widths=(2, 8, 16, 32),
        wide=(64, 128),
        published=(2, 8, 16, 32),
        published_trained=(2,),
        counts=(20, 60, PUBLISHED_STEPS, 600),
        enlarged=(1, 2),
        large=7,
        large_widths=(2, 8, 16, 32),
        large_draws=3,
        large_samples=16,
        large_steps=51,
        linear=(4, 16, 64),
        draws=64,
        steps=100,
    ),
    "paper": Settings(
        data_set="cifar10",
        folder="imagenet",
        widths=(2, 8, 16, 32),
        wide=(64, 128),
        published=(2, 8, 16, 32),
        published_trained=(2, 8, 16, 32),
        counts=(20, 60, PUBLISHED_STEPS, 600, 2000),
        enlarged=(1,),
        large=1,
        large_widths=(2, 8, 16, 32),
        large_trained=(2, 8, 16, 32),
        large_draws=8,
        large_samples=128,
        large_steps=100,
        linear=(4, 16, 64),
        draws=64,
        samples=128,
        steps=100,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)
