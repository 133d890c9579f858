"""Figure 4b: which draws count as diverging, and which published numbers are held against what."""

import numpy as np
import pytest

from pcn_lib.study import load
from tests.studies.chapters import ROOT, claims_of, defined

CURVE, LOST = "the published curve of two channels", "a descent that diverges has no gradient to show"
COUNT = "in wide networks on large images the count is what shows"


@pytest.fixture
def record():
    return load(ROOT / "results" / "recorded" / "figure_4b.nc")


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("figure_4b", profile="full")


def claims(names, record, cosines: list[float], residuals: list[float], width: int = 2) -> dict:
    """Of the record with other ends of the script's descent at a number of channels, draw by draw."""
    start = record["start"].to_dataset()
    place = dict(protocol=list(start.protocol.values).index("200 steps"), width=list(start.width.values).index(width))
    for name, values in (("one_minus_cosine", 1 - np.array(cosines)), ("residual", np.array(residuals))):
        start[name][place] = values
    record["start"] = start
    return {claim.name: claim for claim in claims_of("figure_4b", names, record)}


def test_two_draws_that_diverge_are_too_few_for_the_published_curve_and_three_are_held_against_it(names, record):
    few = claims(names, record, [-0.17, 0.99, -0.08], [99, 0.02, 88])
    assert CURVE not in few and float(few[LOST].measured) == pytest.approx(-0.08, abs=1e-6)
    assert claims(names, record, [-0.17, -0.21, -0.15], [99, 50, 88])[CURVE].as_expected
    assert not claims(names, record, [0.2, 0.21, 0.19], [99, 50, 88])[CURVE].as_expected
    assert not claims(names, record, [-0.2, 0.9, 0.99], [99, 50, 0.02])[LOST].as_expected
    assert LOST not in claims(names, record, [0.99, 0.99, 0.99], [0.02, 0.02, 0.02])


def test_where_a_wide_network_diverges_the_count_is_not_what_shows(names, record):
    assert not claims(names, record, [1 - 1e-7] * 3, [0.02] * 3, width=16)[COUNT].as_expected
    assert COUNT not in claims(names, record, [0.9] * 3, [0.02, 2, 0.02], width=16)


def test_published_numbers_are_held_against_the_scripts_protocol_on_images_of_their_size_only(names, record):
    start, trained = record["start"].to_dataset(), record["trained"].to_dataset()
    numbers = names["compared"](start, trained).to_dataframe()
    places = [(f"{N} channels", 0) for N in (2, 8, 16, 32)] + [("2 channels", 45), ("2 channels", 50)]
    assert numbers[["network", "step"]].to_numpy().tolist() == [list(place) for place in places]
    ours = 1 - start.one_minus_cosine.sel(protocol="200 steps").mean("seed").values
    np.testing.assert_allclose(numbers["mean"][:4], ours, rtol=1e-6)
    over = 1 - trained.one_minus_cosine.sel(protocol="200 steps", width=2).values[[45, 50]]
    np.testing.assert_allclose(numbers["mean"][4:], over, rtol=1e-6)
    smaller = start.assign_attrs(provenance=start.attrs["provenance"].replace('["side", "224"]', '["side", "64"]'))
    assert len(names["papers"](start)) == 4 and names["papers"](smaller) == ()
