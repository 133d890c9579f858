"""Figure 1 held against draws that are made: what counts, how far each lies off, and which rates are told apart."""

import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import figure1
from pcn_lib.data.published import FIGURE1_TOP
from pcn_lib.provenance import provenance
from tests.studies.chapters import claims_of, defined

FIGURE, BATCHES, SCATTER = figure1(), 24, 0.02
PROVENANCE = dict(provenance=provenance({}, seconds=1.0).as_json())
PAPER = xr.DataArray(FIGURE.cosine, dict(step=list(FIGURE.steps), depth=list(FIGURE.depths), width=list(FIGURE.widths)))


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("figure_1", profile="smoke")


def made(names: dict, seed: int = 0, lean: float = 0.0, **shifts: float) -> xr.Dataset:
    """Draws about the published cosines, each pair of trainings shifted after training; the paper leans with log2 N."""
    rng, rates = np.random.default_rng(seed), list(names["RATES"])
    scatter = xr.where(PAPER < FIGURE1_TOP, SCATTER, 0.0002)
    noise = xr.DataArray(rng.normal(size=(BATCHES, *PAPER.shape)), dims=("seed", *PAPER.dims))
    moved = xr.DataArray([shifts.get(rate.replace(" ", "_"), 0.0) for rate in rates], dict(rates=rates))
    cosine = PAPER + scatter * noise + moved * (PAPER.step > 0)
    cosine = cosine.where((PAPER.step == 0) | (PAPER.width <= 128))
    read = PAPER + SCATTER / 3**0.5 * rng.normal(size=PAPER.shape) + lean * (np.log2(PAPER.width) - 5)
    paper = PAPER if not lean else xr.where(PAPER < FIGURE1_TOP, np.minimum(read, 0.9949), PAPER)
    return xr.Dataset(dict(cosine=cosine, paper=paper))


def test_deviations_are_those_worked_out_cell_by_cell(names):
    draws = made(names)
    paper, ours = names["cells"](draws.sel(width=slice(8, None)), "BP faster", [50, 100])
    expected = {
        (t, L, N): FIGURE.cosine[i, j, k]
        for i, t in enumerate(FIGURE.steps) for j, L in enumerate(FIGURE.depths) for k, N in enumerate(FIGURE.widths)
        if t and 8 <= N <= 128 and FIGURE.cosine[i, j, k] < FIGURE1_TOP
    }  # fmt: skip
    assert dict(zip(paper.cell.values.tolist(), paper.values.tolist(), strict=True)) == expected
    for place, deviation in zip(paper.cell.values.tolist(), names["agreed"](paper, ours).deviations, strict=True):
        one = draws.cosine.sel(dict(zip(("step", "depth", "width"), place, strict=True)), drop=True)
        mine = one.sel(rates="BP faster").values
        spread = np.sum((mine - mine.mean()) ** 2) / (BATCHES - 1)
        variance = spread / 3 + spread / BATCHES + 0.004**2 / 3
        assert deviation == pytest.approx((expected[place] - mine.mean()) / variance**0.5, rel=1e-9)


def test_where_nothing_leans_no_trend_is_found_and_one_that_was_planted_is(names):
    leaning, straight = (
        [names["trends"](*names["cells"](made(names, seed, lean), "equal", [0])) for seed in range(6)]
        for lean in (0.02, 1e-9)
    )
    assert np.abs(np.mean(straight, axis=0)).max() < 2 and np.abs(straight).max() < 4
    assert np.min(leaning, axis=0)[0] > 5 > np.abs(np.mean(leaning, axis=0)[1])


def test_our_own_batches_exceed_nothing_always_and_much_never(names):
    _, ours = names["cells"](made(names), "equal", [0])
    shares = [names["exceeding"](ours, deviation) for deviation in (0.0, 2.0, 20.0)]
    assert shares[0] == 1 and shares[2] == 0 and 0 < shares[1] < 1


def verdicts(names: dict, draws: xr.Dataset) -> dict[str, bool]:
    record = xr.DataTree.from_dict({"/draws": draws.assign_attrs(PROVENANCE)})
    return {claim.name: claim.as_expected for claim in claims_of("figure_1", names, record)}


def test_the_rates_that_agree_are_named_and_wrong_ones_fail(names):
    trainings = [f"published trainings, {words}" for words, _ in names["RATES"].values()]
    right = verdicts(names, made(names, equal=0.05, BP_faster=-0.08, PC_faster=0.2))
    assert all(right[name] for name in trainings)
    wrong = verdicts(names, made(names, both_faster=0.05))
    assert not any(wrong[name] for name in trainings)


def test_cosines_off_before_training_fail_their_claims(names):
    off = made(names)
    off["cosine"] = off.cosine - 0.05 * (off.step == 0)
    found = verdicts(names, off)
    assert not found["published cosines before training"] and not found["the published top colour"]
