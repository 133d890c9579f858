"""Figure 1 of the paper held against ours: which run answers it, and which learning rates its trainings had."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pcn_lib.data.published import FIGURE1_ERROR, FIGURE1_TOP, Figure1
from pcn_lib.experiments.paired_trainings import PAIRS
from pcn_lib.experiments.published_figures import ENOUGH_UNITS, FIGURE1_RUNS, Cells, figure1_cells, of_paper
from pcn_lib.experiments.width_depth_surfaces import Record, Surface
from pcn_lib.statistics import stand_ins

#: The pair of trainings, of :data:`pcn_lib.experiments.paired_trainings.PAIRS`, that the published maps agree with.
FITS = "both faster"
#: Least width from which they do.
FITS_FROM = ENOUGH_UNITS
#: Published widths that a run must have trained to answer the figure: beyond it nearly every cell has the top colour.
TRAINED_TO = 128
#: The pairs in words: predictive coding's and backpropagation's Adam rate, over eta.
WORDS = {
    "equal": "both at (N L)^-1/2",
    "BP faster": "PC at (N L)^-1/2, BP at N^-1/2",
    "both faster": "both at N^-1/2",
    "PC faster": "PC at N^-1/2, BP at (N L)^-1/2",
}


@dataclass(frozen=True)
class Answer:
    """A run that holds the published networks.

    Attributes:
        record: the run.
        surface: of it, that of CIFAR-10.
        paper: the published cosines.
    """

    record: Record
    surface: Surface
    paper: Figure1

    def start(self) -> Cells:
        """The published cosines before training, below the top colour; nothing there depends on a rate."""
        return figure1_cells(self.record, self.surface, self.paper, FITS, self.paper.steps[:1])

    def trained(self, pair: str) -> Cells:
        """The published cosines after training, below the top colour, from width :data:`FITS_FROM` on."""
        steps = self.paper.steps[1:]
        return figure1_cells(self.record, self.surface, self.paper, pair, steps, narrowest=FITS_FROM)

    def narrowest(self, pair: str) -> Cells:
        """The published cosines after training of the narrowest networks alone."""
        narrow = replace(self.paper, widths=self.paper.widths[:1], cosine=self.paper.cosine[..., :1])
        return figure1_cells(self.record, self.surface, narrow, pair, self.paper.steps[1:])

    def tops(self) -> np.ndarray:
        """Our mean cosines before training where the published colour is the last one."""
        settings, means = self.record.settings, self.surface.draws(FITS)[..., 0].mean(axis=2)
        found = []
        for (j, k), cosine in np.ndenumerate(self.paper.cosine[0]):
            width = self.paper.widths[k]
            if cosine >= FIGURE1_TOP and width in settings.widths:
                found.append(means[settings.depths.index(self.paper.depths[j]), settings.widths.index(width)])
        return np.array(found)


def answer(records: Iterable[Record | None], paper: Figure1) -> Answer | None:
    """The first run that holds the published networks on CIFAR-10, prepared as the authors do; None without one."""
    needed = {width for width in paper.widths if width <= TRAINED_TO}
    for record in records:
        surface = of_paper([record])
        if surface is None:
            continue
        s = record.settings
        if needed <= set(s.widths_trained) and set(paper.depths) <= set(s.depths) and s.snapshots == paper.steps:
            return Answer(record, surface, paper)
    return None


def fits(found: Answer) -> dict[str, Cells]:
    """The published cosines after training under every pair of trainings."""
    return {pair: found.trained(pair) for pair in PAIRS}


def exceeding(cells: Cells, deviation: float) -> float:
    """How often three of our own batches, in the published ones' place, have a larger deviation somewhere."""
    largest = np.abs(stand_ins(cells.draws, runs=FIGURE1_RUNS, error=FIGURE1_ERROR)).max(axis=1)
    return float(np.mean(largest > deviation))
