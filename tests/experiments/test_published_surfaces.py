"""The published Figure 1 held against draws: what counts, how far each lies off, and which rates are told apart."""

import csv
from dataclasses import fields, replace

import numpy as np
import pytest

from pcn_lib.claims.width_depth_surfaces import claims
from pcn_lib.data import figure1
from pcn_lib.experiments.paired_trainings import PAIRS, Curves
from pcn_lib.experiments.published_figures import figure1_cells, figure1_rows, trends
from pcn_lib.experiments.published_surfaces import FITS, WORDS, answer, exceeding, fits
from pcn_lib.experiments.width_depth_surfaces import Record, Settings, Surface
from pcn_lib.figures import published_surfaces as figures
from pcn_lib.results import provenance

PAPER = figure1()
BATCHES = 24
SETTINGS = Settings(
    data_sets=("cifar10",), widths=PAPER.widths, depths=PAPER.depths, snapshots=PAPER.steps, seeds=BATCHES, trained=128
)
#: Standard deviation of one batch in the records made here, below the top colour and at it.
SCATTER, AT_TOP = 0.02, 0.0002


def made(seed: int = 0, **shifts: float) -> Record:
    """A record whose cosines scatter about the published ones, each pair of trainings shifted after training."""
    rng = np.random.default_rng(seed)
    truth = np.moveaxis(PAPER.cosine, 0, -1)[:, :, None]
    shape = (len(PAPER.depths), len(PAPER.widths), BATCHES, len(PAPER.steps))
    moved = np.array([[0.0, 1.0, 1.0]]).T * np.array([shifts.get(pair.replace(" ", "_"), 0.0) for pair in PAIRS])
    scatter = np.where(truth < 0.995, SCATTER, AT_TOP)
    cosines = (truth + scatter * rng.standard_normal(shape))[..., None] + moved
    cosines[:, -2:, :, 1:] = np.nan
    plain = {f.name: np.full(shape, 0.5) for f in fields(Curves) if f.name != "pairs"}
    curves = Curves(**plain | {"energy": np.full(shape, 0.4)}, pairs=1 - cosines)
    surface = Surface("images made for a test", "cifar10", "authors", 1.0, 0.7, curves)
    return Record(SETTINGS, provenance(SETTINGS, seconds=1.0, data_set="images made for a test"), (surface,))


def with_surface(record: Record, **values) -> Record:
    return replace(record, surfaces=(replace(record.surfaces[0], **values),))


def with_published(record: Record, seed: int, lean: float = 0.0):
    """The same record and a paper whose cosines are the mean of three further draws, leaning with log2 of the width."""
    rng = np.random.default_rng(seed)
    noise = SCATTER / 3**0.5 * rng.standard_normal(PAPER.cosine.shape)
    middle = np.where(PAPER.cosine < 0.995, PAPER.cosine + noise + lean * (np.log2(PAPER.widths) - 5), PAPER.cosine)
    return record, replace(PAPER, cosine=np.minimum(middle, np.where(PAPER.cosine < 0.995, 0.9949, 1)))


def test_deviations_are_those_worked_out_cell_by_cell():
    record = made()
    surface = record.surfaces[0]
    cells = figure1_cells(record, surface, PAPER, "BP faster", (50, 100), narrowest=8)
    assert len(cells.places) == sum(
        PAPER.cosine[i, j, k] < 0.995 for i in (1, 2) for j in range(5) for k, width in enumerate(PAPER.widths)
        if 8 <= width <= 128
    )  # fmt: skip
    for (t, depth, width), value, deviation in zip(
        cells.places, cells.published, cells.agreement.deviations, strict=True
    ):
        i, j, k = PAPER.steps.index(t), PAPER.depths.index(depth), PAPER.widths.index(width)
        ours = 1 - surface.curves.pairs[j, k, :, i, 1]
        spread = np.sum((ours - ours.mean()) ** 2) / (BATCHES - 1)
        expected = (PAPER.cosine[i, j, k] - ours.mean()) / (spread / 3 + spread / BATCHES + 0.004**2 / 3) ** 0.5
        assert value == PAPER.cosine[i, j, k] and deviation == pytest.approx(expected, rel=1e-9)


def test_where_nothing_leans_no_trend_is_found_and_one_that_was_planted_is():
    leaning, straight = [], []
    for seed in range(6):
        record, paper = with_published(made(seed), 100 + seed)
        straight.append(trends(figure1_cells(record, record.surfaces[0], paper, FITS, (0,))))
        record, paper = with_published(made(seed), 100 + seed, lean=0.02)
        leaning.append(trends(figure1_cells(record, record.surfaces[0], paper, FITS, (0,))))
    assert np.abs(np.mean(straight, axis=0)).max() < 2 and np.abs(straight).max() < 4
    assert np.min(leaning, axis=0)[0] > 5 > np.abs(np.mean(leaning, axis=0)[1])


def test_the_top_colour_counts_only_from_below():
    record = made()
    curves = record.surfaces[0].curves
    j, k = PAPER.depths.index(2), PAPER.widths.index(512)
    pairs = curves.pairs.copy()
    pairs[j, k, :, 0] = 0.0
    pairs[j, k + 1, :, 0] = 0.1
    surface = replace(record.surfaces[0], curves=replace(curves, pairs=pairs))
    found = figure1_rows(record, surface, PAPER, "equal", (0,))
    rows = dict(zip(found.network.values.tolist(), found.deviation.values.tolist(), strict=True))
    assert len(rows) == 30 and rows["L = 2, N = 512"] == 0
    # The draws are equal, so only the reading error is left: 0.095 over 0.004 / sqrt(3).
    assert abs(rows["L = 2, N = 2048"]) == pytest.approx(0.095 * 3**0.5 / 0.004)


def test_rates_that_are_not_the_published_ones_are_excluded_and_the_right_ones_are_not():
    found = answer((made(equal=0.05, BP_faster=-0.08, PC_faster=0.2),), PAPER)
    excluded = {pair for pair, cells in fits(found).items() if cells.agreement.per_value > cells.agreement.usual[1]}
    assert excluded == set(PAIRS) - {FITS}


def test_claims_name_the_rates_that_agree_and_fail_where_others_do():
    asked = made(equal=0.05, BP_faster=-0.08, PC_faster=0.2)
    verdicts = {claim.name: claim.as_expected for claim in claims(asked)}
    assert all(verdicts[f"published trainings, {WORDS[pair]}"] for pair in PAIRS)
    verdicts = {claim.name: claim.as_expected for claim in claims(made(both_faster=0.05))}
    assert not any(verdicts[f"published trainings, {WORDS[pair]}"] for pair in PAIRS)


def test_cosines_off_before_training_fail_their_claims():
    record = made()
    pairs = record.surfaces[0].curves.pairs + 0.05 * np.array([1, 0, 0])[:, None]
    wrong = with_surface(record, curves=replace(record.surfaces[0].curves, pairs=pairs))
    failing = {claim.name for claim in claims(wrong) if not claim.as_expected}
    assert {"published cosines before training", "the published top colour"} <= failing


def test_numbers_of_the_kept_run_are_said_to_be_recorded_and_this_runs_own_come_first():
    kept, other = made(1), with_surface(made(2), title="digits")
    told = [claim for claim in claims(other, kept) if claim.name.startswith("published")]
    assert told and all("recorded run" in claim.statement for claim in told)
    assert not any("recorded run" in claim.statement for claim in claims(made(2), kept))


def test_a_run_without_the_papers_networks_and_images_answers_nothing():
    record = made()
    standardised = with_surface(record, prepared="standardised")
    narrow = replace(record, settings=replace(SETTINGS, trained=32))
    shallow = replace(record, settings=replace(SETTINGS, depths=(2, 4, 8, 16, 64)))
    few = with_surface(record, curves=record.surfaces[0].curves[:, :, :4])
    for one in (None, standardised, narrow, shallow, few):
        assert answer((one,), PAPER) is None
    assert answer((None, record), PAPER).record is record
    assert not any("published" in claim.name for claim in claims(standardised))


def test_our_own_batches_exceed_nothing_always_and_much_never():
    cells = answer((made(),), PAPER).start()
    shares = [exceeding(cells, deviation) for deviation in (0.0, 2.0, 20.0)]
    assert shares[0] == 1 and shares[2] == 0 and 0 < shares[1] < 1


def test_pictures_show_the_published_marks_alone_where_no_run_answers():
    other = with_surface(made(), title="digits")
    alone, beside = figures.published(other), figures.published(other, made())
    assert "neither this run nor one kept" in alone.caption and "neither" not in beside.caption
    assert figures.deviations(other) is None and figures.settings_found(other) is None


def test_the_table_of_rates_says_which_agree():
    rows = figures.settings_found(made(equal=0.05, BP_faster=-0.08, PC_faster=0.2)).rows
    assert [row[-1] for row in rows] == ["agrees", "excluded", "excluded", "agrees", "excluded"]


def test_a_dot_is_drawn_for_every_published_cosine_below_the_top_colour_at_its_width():
    found = answer((made(),), PAPER)
    rows = [row for row in csv.reader(figures.deviations(made()).data.splitlines()) if len(row) == 6]
    drawn = {(row[0], row[1], float(row[3])) for row in rows if row[1].startswith("L = ")}
    cells = [found.start(), *(found.trained(pair) for pair in (FITS, *(pair for pair in PAIRS if pair != FITS)))]
    expected = {
        (str(panel), f"L = {depth}, t = {t}", float(width))
        for panel, one in enumerate(cells, start=1)
        for t, depth, width in one.places
    }
    assert drawn == expected
