"""What the records that are kept with the book say of the paper's published numbers, figure by figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcn_lib.book.project import BookError
from pcn_lib.claims.transformers import figure_agreements
from pcn_lib.data import figure1
from pcn_lib.experiments import convolutional_networks, nonlinear_networks, published_mlp, transformers
from pcn_lib.experiments import published_curves as curves
from pcn_lib.experiments import width_depth_surfaces as surfaces
from pcn_lib.experiments.published_figures import Hypothesis, Row, figure1_rows
from pcn_lib.experiments.published_surfaces import FITS, FITS_FROM, Answer, answer, fits
from pcn_lib.results import Provenance, ResultError, load
from pcn_lib.results.recorded import FOLDER

#: Records that are read, and how each is made.
STEMS = {
    "width_depth_surfaces": "`pcn record width_depth_surfaces`",
    "published_mlp": "the study `pcn_lib.experiments.published_mlp`",
    "nonlinear_networks": "`pcn record nonlinear_networks`",
    "convolutional_networks": "`pcn record convolutional_networks`",
    "transformers": "`pcn record transformers`",
}
START, TRAINING = "before the first update", "over training"


class NotRecorded(Exception):
    """Why there is nothing to hold against the paper, in a sentence."""


@dataclass(frozen=True)
class Part:
    """One part of a figure held against ours.

    Attributes:
        figure: of the paper, as the page names it.
        stage: of training.
        hypotheses: about its settings, the nearest first; none where the records have one only.
        compared: which published values they are held against, in words.
        rows: its published numbers under the nearest.
        made: how ours came about.
    """

    figure: str
    stage: str
    hypotheses: tuple[Hypothesis, ...]
    compared: str
    rows: tuple[Row, ...]
    made: Provenance


@dataclass(frozen=True)
class Missing:
    """A part of a figure that nothing can be held against, and why."""

    figure: str
    stage: str
    sentence: str


def parts(root: Path, figure: str) -> tuple[Part | Missing, ...]:
    """What the records under ``root`` say of a figure, before the first update and over training.

    Raises:
        BookError: a figure that is not published here.
    """
    if figure not in FIGURES:
        raise BookError(f"Figure '{figure}' given; numbers are published of {', '.join(FIGURES)}: name one of these.")
    found: list[Part | Missing] = []
    for stage, measure in zip((START, TRAINING), FIGURES[figure], strict=True):
        try:
            found.append(Part(f"Figure {figure}", stage, *measure(root)))
        except NotRecorded as reason:
            found.append(Missing(f"Figure {figure}", stage, str(reason)))
    return tuple(found)


def _load(root: Path, cls: type, stem: str) -> Any:
    try:
        return load(cls, root / FOLDER / stem)
    except FileNotFoundError:
        raise NotRecorded(f"No run of `{stem}` is kept with the book yet; {STEMS[stem]} makes one.") from None
    except ResultError:
        raise NotRecorded(
            f"The run of `{stem}` that is kept with the book was made by another version of it; "
            f"{STEMS[stem]} makes it anew."
        ) from None


def _other(stem: str, needed: str) -> NotRecorded:
    return NotRecorded(f"The run of `{stem}` that is kept with the book has not {needed}: nothing is held against it.")


Measured = tuple[tuple[Hypothesis, ...], str, tuple[Row, ...], Provenance]


def _answer(root: Path) -> Answer:
    found = answer([_load(root, surfaces.Record, "width_depth_surfaces")], figure1())
    if found is None:
        raise _other("width_depth_surfaces", "the paper's images and networks, trained, and batches enough")
    return found


def _surface_at_start(root: Path) -> Measured:
    found = _answer(root)
    known = Hypothesis("squared error, equilibrium, authors", found.start().agreement)
    rows = figure1_rows(found.record, found.surface, found.paper, FITS, found.paper.steps[:1])
    return (known,), "below the top colour", tuple(rows), found.record.provenance


def _surface_trained(root: Path) -> Measured:
    found = _answer(root)
    pairs = [Hypothesis(pair, cells.agreement) for pair, cells in fits(found).items()]
    pairs.sort(key=lambda one: one.agreement.per_value)
    rows = figure1_rows(found.record, found.surface, found.paper, pairs[0].settings, found.paper.steps[1:])
    return tuple(pairs), f"N ≥ {FITS_FROM}, below the top colour", tuple(rows), found.record.provenance


def _mlp_at_start(root: Path) -> Measured:
    record = _load(root, published_mlp.Record, "published_mlp")
    if not published_mlp.is_papers(record):
        raise _other("published_mlp", "the paper's images and networks")
    return curves.mlp_hypotheses(record), "all widths", curves.mlp_start_rows(record), record.provenance


def _mlp_trained(root: Path) -> Measured:
    record = _load(root, nonlinear_networks.Record, "nonlinear_networks")
    if not curves.mlp_trainings_are_papers(record):
        raise _other("nonlinear_networks", "the paper's images, loss and networks")
    found = curves.mlp_rates(record)
    rows = curves.mlp_training_rows(record, found[0].settings)
    return found, "change to t = 50 and to the end", rows, record.provenance


def _cnn(root: Path) -> tuple[convolutional_networks.Record, tuple[Hypothesis, ...]]:
    record = _load(root, convolutional_networks.Record, "convolutional_networks")
    if not convolutional_networks.comparison(record):
        raise _other("convolutional_networks", "images of the published size")
    return record, curves.cnn_protocols(record)


def _cnn_at_start(root: Path) -> Measured:
    record, found = _cnn(root)
    rows = curves.rows_of(convolutional_networks.comparison(record), (found[0].settings,))
    return found, "the narrowest network", rows, record.provenance


def _cnn_trained(root: Path) -> Measured:
    record, found = _cnn(root)
    rows = curves.rows_of(convolutional_networks.comparison(record), (f"{found[0].settings}, trained",))
    return (), "", tuple(row for row in rows if row.step), record.provenance


def _transformer(root: Path) -> transformers.Record:
    record = _load(root, transformers.Record, "transformers")
    if not transformers.comparison(record):
        raise _other("transformers", "the published network, batch and text")
    return record


def _transformer_at_start(root: Path) -> Measured:
    record = _transformer(root)
    found = [Hypothesis(name, agreed) for name, agreed in figure_agreements(record).items()]
    found.sort(key=lambda one: one.agreement.per_value)
    rows = curves.rows_of(transformers.comparison(record), (f"certified; {found[0].settings}",))
    return tuple(found), "N ≤ 128", rows, record.provenance


def _transformer_trained(root: Path) -> Measured:
    record = _transformer(root)
    protocol = f"certified, trained; {transformers.layer_list(record.settings.identity_layer)}"
    rows = curves.rows_of(transformers.comparison(record), (protocol,))
    return (), "", tuple(row for row in rows if row.step), record.provenance


#: How each figure's parts are measured: before the first update, and over training.
FIGURES = {
    "1": (_surface_at_start, _surface_trained),
    "4a": (_mlp_at_start, _mlp_trained),
    "4b": (_cnn_at_start, _cnn_trained),
    "4c": (_transformer_at_start, _transformer_trained),
}
