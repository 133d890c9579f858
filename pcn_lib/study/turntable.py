"""Surfaces that a reader turns with a slider; where no script runs, and on paper, they stand still."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from pcn_lib.study.picture import Picture
from pcn_lib.study.style import styled

#: Views in a full turn, and how large and how finely they are kept.
VIEWS, DOTS_PER_INCH, QUALITY = 18, 110, 60
#: Shows the view that the slider asks for and hides the others.
TURN = (
    "this.closest('figure').querySelectorAll('[data-view]')"
    ".forEach((view, i) => view.style.display = i == this.value ? 'block' : 'none')"
)


@dataclass(frozen=True)
class Turntable(Picture):
    """A picture whose panels are three-dimensional, drawn once from each of :data:`VIEWS` sides.

    Attributes:
        views: the other sides as WebP images, by rising azimuth.
    """

    views: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self):
        super().__post_init__()
        sides = [axes.azim for axes in self.figure.axes]
        views = []
        for turn in range(1, VIEWS):
            self._turn_to([side + 360 * turn / VIEWS for side in sides])
            views.append(self._view())
        self._turn_to(sides)
        object.__setattr__(self, "views", tuple(views))

    def _turn_to(self, sides: Sequence[float]) -> None:
        for axes, side in zip(self.figure.axes, sides, strict=True):
            axes.view_init(axes.elev, side)

    def _view(self) -> bytes:
        buffer = io.BytesIO()
        with styled():
            self.figure.savefig(buffer, format="webp", dpi=DOTS_PER_INCH, pil_kwargs={"quality": QUALITY})
        return buffer.getvalue()

    @property
    def shown(self) -> str:
        """Every view, the first of them visible, and the slider."""
        first = self._image("image/svg+xml", self.svg, "data-view")
        others = "".join(self._image("image/webp", view, "data-view", display="none") for view in self.views)
        slider = (
            f'<input type="range" min="0" max="{VIEWS - 1}" value="0" oninput="{TURN}" '
            'aria-label="Turn the surfaces" style="width:min(20em,60%);vertical-align:middle">'
        )
        return f'{first}{others}<p class="pcn-turn" style="text-align:center;margin:0.3em 0">turn {slider}</p>'
