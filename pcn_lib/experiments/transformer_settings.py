"""Which transformers the study of E9 trains, on what, and how its inference is done; by profile."""

from dataclasses import dataclass

from pcn_lib.experiments.profiles import SettingsError, check_sizes, choose
from pcn_lib.experiments.trainings import BothProtocols
from pcn_lib.inference import Solver, Sweeps, SweepsThenNewton

#: The script's protocol: gradient-descent steps on the activities, and their rate.
PUBLISHED_STEPS, PUBLISHED_RATE = 800, 0.45
#: Adam's decays and epsilon, as published.
DECAYS, EPSILON = (0.9, 0.95), 1e-12
#: Sweeps before Newton's method takes over.
MAX_SWEEPS = 30
#: The published network and batch: blocks, heads, characters in a window, windows.
PUBLISHED_SIZE = (12, 8, 32, 128)
#: What the authors' script has options for: layer norm and softmax, by name; the first is the published network.
VARIANTS = {
    "as published": dict(layer_norm=False, softmax=True),
    "linear attention": dict(layer_norm=False, softmax=False),
    "layer norm": dict(layer_norm=True, softmax=True),
}


@dataclass(frozen=True)
class Settings(BothProtocols):
    """Which transformers are trained, on what, and how inference is done.

    Attributes:
        data_set: the text wanted; the play that comes with the library stands in where it is not on this machine.
        widths: N of the networks that are trained at the published rate.
        wide: N of further ones, measured before the first update only.
        other_list: N at which the other list of layers is measured too, before the first update.
        identity_layer: whether an identity with a prediction error stands below the readout, as in the script's
            list of layers.
        blocks, heads: of these networks.
        length: T, characters in a window.
        samples: B, overlapping windows of one passage.
        draws: passages, each with an initialisation of its own, before the first update.
        seeds: how many of them are trained on.
        steps: weight updates.
        rate: Adam's base rate eta, as published.
        published: N at which the script's protocol is tried before the first update, first draw only.
        counts: numbers of steps tried, the script's among them.
        published_trained: N at which, if among ``widths``, the first draw is trained by the script's protocol as well.
        published_steps: weight updates of those.
        own_blocks, own_samples: of the networks below, which no figure of the paper shows, and of their batch.
        learning_rate: the larger rate at which networks learn within these steps.
        learning_widths: N of the networks that are trained at it.
        learning_steps: weight updates of those.
        variants: which of :data:`VARIANTS` are compared.
        variant_widths: N at which they are.
        variant_steps: weight updates of those.
        tolerance: relative norm of dF/dz that counts as an equilibrium.
        seed: of the first passage and initialisation.

    Raises:
        SettingsError: a size too small, a width that the heads do not divide, or no count of the script's.
    """

    data_set: str = "play"
    widths: tuple[int, ...] = (8, 32)
    wide: tuple[int, ...] = ()
    other_list: tuple[int, ...] = (8,)
    identity_layer: bool = False
    blocks: int = 2
    heads: int = 8
    length: int = 8
    samples: int = 8
    draws: int = 1
    seeds: int = 1
    steps: int = 40
    rate: float = 1e-3
    published: tuple[int, ...] = (8,)
    counts: tuple[int, ...] = (100, PUBLISHED_STEPS)
    published_trained: tuple[int, ...] = ()
    published_steps: int = 5
    own_blocks: int = 2
    own_samples: int = 8
    learning_rate: float = 2e-2
    learning_widths: tuple[int, ...] = (8,)
    learning_steps: int = 40
    variants: tuple[str, ...] = ("as published", "layer norm")
    variant_widths: tuple[int, ...] = (32,)
    variant_steps: int = 40
    tolerance: float = 1e-5
    seed: int = 0

    def __post_init__(self):
        check_sizes(self, widths=1, blocks=1, heads=1, length=1, samples=1, draws=1, seeds=1, steps=2)
        check_sizes(self, published=1, counts=1, published_steps=1, own_blocks=1, own_samples=1)
        check_sizes(self, learning_widths=1, learning_steps=2, variant_widths=1, variant_steps=1, other_list=1)
        beside = {*self.published, *self.other_list}
        every = sorted({*self.all_widths, *self.learning_widths, *self.variant_widths, *beside})
        if any(width % self.heads for width in every):
            raise SettingsError(
                f"widths {every} given with {self.heads} heads; every head reads the same number of units: "
                f"choose multiples of {self.heads}"
            )
        if not beside <= set(self.all_widths):
            raise SettingsError(
                f"published = {self.published} and other_list = {self.other_list} given; each is set beside the "
                f"certified equilibrium of its width: choose among widths and wide, {self.all_widths}"
            )
        if PUBLISHED_STEPS not in self.counts:
            raise SettingsError(f"counts = {self.counts} given; the script's count is needed: add {PUBLISHED_STEPS}")
        if not {"as published", "layer norm"} <= set(self.variants) <= set(VARIANTS):
            known = ", ".join(VARIANTS)
            raise SettingsError(
                f"variants = {self.variants} given; known are {known}, and the chapter compares layer norm with the "
                "published network: name these two, and others if you like"
            )
        if self.seeds > self.draws:
            raise SettingsError(
                f"seeds = {self.seeds} and draws = {self.draws} given; the seeds that are trained are the first of "
                f"the draws: choose draws >= {self.seeds}"
            )

    @property
    def all_widths(self) -> tuple[int, ...]:
        """N of the networks that are measured before the first update, ascending."""
        return tuple(sorted({*self.widths, *self.wide}))

    @property
    def hidden(self) -> int:
        """H, the layers that inference moves: the embedding, the blocks and, where it is one, the identity."""
        return self.blocks + 1 + self.identity_layer

    @property
    def certified(self) -> Solver:
        """Sweeps, capped, then Newton's method."""
        return SweepsThenNewton(tolerance=self.tolerance, max_sweeps=MAX_SWEEPS)

    @property
    def certified_at_start(self) -> Solver:
        """Sweeps alone: before the first update one or two are enough, and there is less to compile."""
        return Sweeps(tolerance=self.tolerance, max_steps=MAX_SWEEPS, accelerate=True)

    @property
    def published_size(self) -> bool:
        """Whether network and batch are those of the paper's figure."""
        return (self.blocks, self.heads, self.length, self.samples) == PUBLISHED_SIZE


PUBLISHED_WIDTHS = (8, 16, 32, 64, 128, 256, 512)
PRESETS = {
    "smoke": Settings(wide=(64,), samples=4, own_samples=4),
    "quick": Settings(),
    "full": Settings(
        data_set="tinyshakespeare", widths=(8, 16, 32), wide=(64, 128, 256), other_list=(8, 16, 32, 64, 128),
        blocks=12, length=32, samples=128, draws=12, seeds=1, steps=100, published=(8, 16),
        counts=(10, 100, PUBLISHED_STEPS), published_trained=(8,), published_steps=4, own_blocks=4,
        own_samples=16, learning_widths=(8, 32), learning_steps=100, variants=tuple(VARIANTS),
        variant_widths=(8,), variant_steps=10,
    ),
    "paper": Settings(
        data_set="tinyshakespeare", widths=PUBLISHED_WIDTHS, other_list=PUBLISHED_WIDTHS, blocks=12, length=32,
        samples=128, draws=12, seeds=3, steps=100, published=PUBLISHED_WIDTHS, counts=(10, 100, PUBLISHED_STEPS),
        published_trained=PUBLISHED_WIDTHS, published_steps=100, own_blocks=12, own_samples=128,
        learning_widths=(8, 64, 512), learning_steps=100, variants=tuple(VARIANTS),
        variant_widths=(8, 32, 128, 512), variant_steps=100,
    ),
}  # fmt: skip


def preset(profile: str, **overrides) -> Settings:
    """The settings of a profile; an override that is not None replaces its value."""
    return choose(PRESETS, profile, overrides)
