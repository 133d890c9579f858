"""Records that are made, not measured, around the paper's published values: some settings fit, others do not."""

import numpy as np

from pcn_lib.data import figure1
from pcn_lib.experiments import width_depth_surfaces
from pcn_lib.experiments.paired_trainings import PAIRS, Curves
from pcn_lib.results import provenance

SCATTER = 0.004


def surfaces_record(misplaced: dict[str, float]) -> width_depth_surfaces.Record:
    """Figure 1 with draws about the published values, ``misplaced`` by so much for each pair of rates; else by 0.1."""
    paper, rng = figure1(), np.random.default_rng(0)
    settings = width_depth_surfaces.Settings(
        data_sets=("cifar10",), widths=paper.widths, depths=paper.depths, snapshots=paper.steps, seeds=12
    )
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float64")
    middle = np.moveaxis(paper.cosine, 0, -1)[:, :, None, :]
    shape = (len(paper.depths), len(paper.widths), settings.seeds, len(paper.steps))
    pairs = []
    for pair in PAIRS:
        cosines = middle + rng.normal(scale=SCATTER, size=shape)
        cosines[..., 1:] += misplaced.get(pair, 0.1)
        cosines[:, np.array(paper.widths) > settings.trained, :, 1:] = np.nan
        pairs.append(1 - cosines)
    ones = np.ones(shape)
    surface = width_depth_surfaces.Surface(
        "images made for a test", "cifar10", "authors", 0.5, 0.1,
        Curves(ones, ones, ones, ones, ones, ones, np.stack(pairs, axis=-1)),
    )  # fmt: skip
    return width_depth_surfaces.Record(settings, made, (surface,))
