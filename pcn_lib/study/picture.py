"""A finished figure with its caption and its description in words."""

import base64
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.figure import Figure

from pcn_lib.files import write_atomically
from pcn_lib.provenance import provenance_of
from pcn_lib.study import plotted
from pcn_lib.study.style import styled
from pcn_lib.tables import as_mathematics

#: What :meth:`Picture.save` writes.
FORMATS = ("svg", "png", "pdf")
#: CSS pixels to an inch, and the smallest scale at which 11-point text is still read.
PIXELS, SMALLEST = 96, 0.55
# The white card keeps dark lines legible on a dark page; a wide figure scrolls on a phone.
CARD = "margin:1em 0;padding:0.6em;background:#fff;color:#222;border:1px solid rgba(128,128,128,0.35);border-radius:8px"

#: What stands before a caption, and before the origin of each record drawn, with the record's date; see
#: :func:`with_source`.
CAPTION = re.compile(r"(<figcaption[^>]*>)")
ORIGIN = re.compile(r'(<span data-made="([^"]*)"[^>]*>)([^<]*)</span>')


@dataclass(frozen=True)
class Picture:
    """A figure as a chapter shows it.

    The figure is drawn once, when the picture is made, and closed.

    Attributes:
        figure: the finished matplotlib figure.
        caption: what is seen, with data set, sizes and device (see :func:`caption`).
        alt: the same for who cannot see it: axes, and what the lines do.
        records: whose numbers are drawn, whose provenance is named beneath; None stands for no record.
        svg: the drawing.

    Raises:
        ValueError: no caption or no description.
    """

    figure: Figure = field(repr=False)
    caption: str
    alt: str
    records: Sequence[Any] = field(default=(), repr=False)
    svg: bytes = field(init=False, repr=False)

    def __post_init__(self):
        for name in ("caption", "alt"):
            if not getattr(self, name).strip():
                raise ValueError(f"picture with an empty {name} given; every figure needs one: say what is seen")
        object.__setattr__(self, "svg", self._drawn("svg"))
        # Laid out once: what is drawn again, as PDF, stays where it is.
        self.figure.set_layout_engine("none")
        pyplot.close(self.figure)

    @classmethod
    def of(
        cls, record: Any, figure: Figure, sentence: str, alt: str, *, sizes: str, beside: tuple[Any, ...] = ()
    ) -> "Picture":
        """A picture of a record, whose provenance completes the caption.

        Args:
            record: with provenance.
            figure: the finished figure.
            sentence: what is seen.
            alt: the same for who cannot see it.
            sizes: with the names of settings in braces, such as ``"L = {depth}, seeds: {seeds}"``; ``seeds`` is the
                number of those that the record has.
            beside: further records that it draws, as in ``records``.

        Raises:
            KeyError: a name that is no setting of the record.
        """
        made = provenance_of(record)
        words = sizes.format_map(dict(made.settings) | {"seeds": len(made.seeds) or 1})
        device = f"{made.device}, {made.dtype}"
        text = caption(sentence, data=made.data_set, sizes=words, device=device)
        return cls(figure, text, alt, (record, *beside))

    def _drawn(self, kind: str) -> bytes:
        buffer = io.BytesIO()
        # No date in the file: the same record gives the same drawing.
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        with styled():
            self.figure.savefig(buffer, format=kind, metadata=dated)
        return buffer.getvalue()

    def save(self, path: str | PathLike) -> Path:
        """Write the drawing to ``path``, as its suffix says.

        Raises:
            ValueError: a suffix other than .svg, .png or .pdf.
        """
        path = Path(path)
        kind = path.suffix.removeprefix(".").lower()
        if kind not in FORMATS:
            raise ValueError(
                f"{path} given; a picture is saved as .{', .'.join(FORMATS)}: choose one of these suffixes"
            )
        return write_atomically(path, self.svg if kind == "svg" else self._drawn(kind))

    @property
    def data(self) -> str:
        """The numbers that the figure shows, as CSV that says what they are and how they came about."""
        about = [plotted.plain(self.caption), *(f"record: {origin}" for _, origin in self._made())]
        return plotted.table(self.figure, about)

    @property
    def shown(self) -> str:
        """The drawing as it stands on a page."""
        return self._image("image/svg+xml", self.svg, f'data-places="{html.escape(plotted.places(self.figure))}"')

    def _image(self, kind: str, content: bytes, attributes: str, display: str = "block") -> str:
        width = round(self.figure.get_figwidth() * PIXELS)
        return (
            f'<img alt="{html.escape(self.alt)}" src="{_inline(kind, content)}" style="display:{display};'
            f'width:100%;min-width:{round(SMALLEST * width)}px;max-width:{width}px;height:auto;margin:0 auto" '
            f"{attributes}>"
        )

    def _repr_html_(self) -> str:
        return (
            f'<figure class="pcn-figure" style="{CARD}">'
            f'<div style="overflow-x:auto" tabindex="0" role="group" aria-label="Figure">{self.shown}</div>'
            f'<figcaption style="font-size:0.9em;margin-top:0.5em">{as_mathematics(self.caption)}</figcaption>'
            f'<p class="pcn-source" style="font-size:0.8em;margin:0.4em 0 0">{self._origins()}'
            f"{_download('csv', 'data (CSV)', _inline('text/csv', self.data.encode()))} · "
            f"{_download('pdf', 'drawing (PDF)', _inline('application/pdf', self._drawn('pdf')))}</p></figure>"
        )

    def _origins(self) -> str:
        """A line for each run drawn; without any, an empty one, which only a page can fill."""
        lines = [(date, html.escape(origin)) for date, origin in self._made()] or [("", "")]
        return "".join(f'<span data-made="{date}" style="display:block">{words}</span>' for date, words in lines)

    def _made(self) -> list[tuple[str, str]]:
        """When and how each record that is drawn came about; what all of them share is said by the caption."""
        made = [provenance_of(record) for record in self.records if record is not None]
        differ = len({(one.data_set, one.device) for one in made}) > 1
        return list(dict.fromkeys((one.date, one.origin if differ else one.made) for one in made))

    def __str__(self) -> str:
        return f"Figure: {self.caption}"

    __repr__ = __str__


def with_source(shown: str, where: Callable[[str], str], name: str, title: str = "") -> str:
    """A picture's HTML on a page.

    Records of one run, with one data set, device and code, are one line of origin: that of the latest.

    Args:
        shown: the picture's own HTML.
        where: says in words which run made a record of this date; "" stands for a picture without records.
        name: for the files that are downloaded.
        title: of its caption, such as its number; "" stands for none.
    """

    def run_of(origin: re.Match) -> tuple[str, str]:
        return where(origin[2]), origin[3].removesuffix(origin[2])

    def line(origin: re.Match) -> str:
        tag, date, words = origin.groups()
        said = f"{tag}{html.escape(where(date))}{' · ' if date else ''}{words}</span>"
        return said if latest[run_of(origin)] == (date, origin.start()) else ""

    titled = CAPTION.sub(rf"\1<b>{html.escape(title)}.</b> ", shown, count=1) if title else shown
    latest: dict[tuple[str, str], tuple[str, int]] = {}
    for origin in ORIGIN.finditer(titled):
        run = run_of(origin)
        latest[run] = max(latest.get(run, ("", -1)), (origin[2], origin.start()))
    return ORIGIN.sub(line, titled).replace('download="figure.', f'download="{name}.')


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _download(suffix: str, words: str, address: str) -> str:
    return f'<a download="figure.{suffix}" style="color:#0b5394" href="{address}">{words}</a>'


def caption(sentence: str, *, data: str, sizes: str, device: str) -> str:
    """A caption that says what every caption must: ``Sentence. Data: ...; sizes; device.``"""
    parts = [re.sub(r"\.+$", "", part.strip()) for part in (sentence, data, sizes, device)]
    return f"{parts[0]}. Data: {parts[1]}; {parts[2]}; {parts[3]}."
