"""Sizes are chosen by profile and checked; an exponent is that of the numbers that count."""

import numpy as np
import pytest
import xarray as xr

from pcn_lib.statistics import fit_slope
from pcn_lib.study import SettingsError, choose, rate, slope

TABLE = dict(
    smoke=dict(
        widths=(2, 4),
        rate=0.5,
        name="toy",
        seeds=1,
        steps=(0, 10),
        exact=True,
        shapes=dict(wide=(8, 2), narrow=(2, 8)),
        kinds=("a", "b"),
    ),
    quick=dict(seeds=2),
    full=dict(widths=(2, 4, 8)),
)
LEAST = dict(steps=0)


def test_a_column_takes_what_it_leaves_out_from_the_one_before_it():
    sizes = choose("full", **TABLE, least=LEAST, given=dict(rate=None, name="mine"))
    assert dict(sizes) == dict(
        widths=(2, 4, 8),
        rate=0.5,
        name="mine",
        seeds=2,
        steps=(0, 10),
        exact=True,
        shapes=dict(wide=(8, 2), narrow=(2, 8)),
        kinds=("a", "b"),
    )
    assert choose("smoke", **TABLE, least=LEAST).seeds == 1 and sizes.widths == (2, 4, 8)


def test_a_column_may_have_other_entries_of_a_dictionary_each_like_those_of_the_first():
    deep = dict(wide=(16, 4), deep=(4, 16))
    table = TABLE | dict(paper=dict(shapes=deep))
    assert choose("paper", **table, least=LEAST).shapes == deep
    more = choose("paper", **table, least=LEAST, given=dict(shapes=dict(deep=(4, 32))))
    assert more.shapes == dict(wide=(16, 4), deep=(4, 32))
    with pytest.raises(SettingsError, match="a value like .* is needed"):
        choose("paper", **table, least=LEAST, given=dict(shapes=dict(narrow=(2, 8))))
    with pytest.raises(SettingsError, match="a value like .* is needed"):
        choose("paper", **TABLE, paper=dict(shapes=dict(deep=4)), least=LEAST)


@pytest.mark.parametrize(
    "given, sentence",
    [
        (dict(width=(2,)), "size 'width' given; known are .* did you mean 'widths'"),
        (dict(widths=(4, 2)), "sizes along an axis ascend"),
        (dict(widths=(2, 2)), "sizes along an axis ascend"),
        (dict(widths=()), "an axis has an entry or more"),
        (dict(widths=(0, 2)), "at least 1 is needed"),
        (dict(widths=[4, 2]), "sizes along an axis ascend"),
        (dict(widths="2, 4.5"), "widths = '2, 4.5' given; a value like \\(2, 4\\) is needed"),
        (dict(seeds="two"), "seeds = 'two' given; a value like 1 is needed"),
        (dict(shapes=dict(wide=(8,), long=(2, 8))), "a value like .* is needed"),
        (dict(widths=(2.5,)), "a value like"),
        (dict(seeds=True), "a value like 1 is needed"),
        (dict(seeds=0), "at least 1 is needed"),
        (dict(exact=1), "a value like True is needed"),
    ],
)
def test_what_no_run_can_be_made_from_is_refused(given, sentence):
    with pytest.raises(SettingsError, match=sentence):
        choose("quick", **TABLE, least=LEAST, given=given)


@pytest.mark.parametrize(
    "name, given, value",
    [
        ("widths", [2, 16], (2, 16)),  # papermill -y "widths: [2, 16]"
        ("widths", "(2, 16)", (2, 16)),  # papermill -p widths "(2, 16)"
        ("widths", "[2, 16]", (2, 16)),
        ("widths", "2, 16", (2, 16)),
        ("seeds", "3", 3),  # papermill -r seeds 3
        ("rate", "1", 1),
        ("name", "3", "3"),  # a word, which stays one
        ("kinds", "a,c", ("a", "c")),
        ("shapes", dict(wide=[9, 3], narrow=None), dict(wide=(9, 3), narrow=(2, 8))),
        ("shapes", dict(wide="(9, 3)"), dict(wide=(9, 3), narrow=(2, 8))),
    ],
)
def test_lists_are_tuples_and_texts_are_read_as_the_table_has_them(name, given, value):
    sizes = choose("quick", **TABLE, least=LEAST, given={name: given})
    assert sizes[name] == value and type(sizes[name]) is type(value)


def test_unknown_profiles_columns_and_sizes_are_refused_with_the_nearest_names():
    with pytest.raises(SettingsError, match="profile 'quik' given; .*did you mean 'quick'"):
        choose("quik", **TABLE, least=LEAST)
    with pytest.raises(SettingsError, match="column 'ful' given"):
        choose("smoke", **TABLE, least=LEAST, ful=dict())
    with pytest.raises(SettingsError, match="least size of 'step'"):
        choose("smoke", **TABLE, least=dict(step=0))
    sizes = choose("smoke", **TABLE, least=LEAST)
    with pytest.raises(AttributeError, match="did you mean 'widths'"):
        _ = sizes.width
    with pytest.raises(AttributeError, match="sizes stay as they were chosen"):
        sizes.widths = (3,)


def law(**noise) -> xr.DataArray:
    """depth^3 width^-2 over depth, width and seed, times (1 + noise) at the places named."""
    depth, width = xr.DataArray([2, 4], dims="depth"), xr.DataArray([8, 16, 64], dims="width")
    values = (depth**3 * width**-2.0).expand_dims(seed=2).assign_coords(depth=[2, 4], width=[8, 16, 64], seed=[0, 1])
    return values.copy()


def test_lines_with_constants_of_their_own_share_one_exponent():
    assert slope(law()) == pytest.approx(-2, abs=1e-12)
    assert slope(law(), over="depth") == pytest.approx(3, abs=1e-12)


def test_one_line_is_that_of_least_squares_over_the_mean_of_seeds():
    values = law().sel(depth=2) * xr.DataArray([[1.0, 1.2, 0.9], [1.1, 0.7, 1.0]], dims=("seed", "width"))
    assert slope(values) == pytest.approx(fit_slope(values.width, values.mean("seed")).slope, abs=1e-12)


def test_only_points_that_count_are_fitted_whatever_the_order_of_axes():
    values = law()
    values.loc[dict(depth=4, width=8)] = 99.0
    where = values.width >= 4 * values.depth
    assert slope(values, where=where) == pytest.approx(-2, abs=1e-12)
    assert slope(values.transpose("width", "seed", "depth"), where=where) == pytest.approx(-2, abs=1e-12)
    assert abs(slope(values) + 2) > 0.1


def test_a_number_that_is_missing_or_not_positive_gives_no_exponent():
    for wrong in (np.nan, 0.0, -1.0, np.inf):
        values = law()
        values.loc[dict(depth=4, width=64, seed=1)] = wrong if wrong else -values.sel(depth=4, width=64, seed=0)
        assert np.isnan(slope(values))
        assert not np.isnan(slope(values, where=values.width < 64))
    assert np.isnan(slope(law().assign_coords(width=[0, 16, 64])))


def test_too_few_points_and_an_axis_that_is_none_are_refused():
    with pytest.raises(ValueError, match="no two points"):
        slope(law(), where=law().width > 32)
    with pytest.raises(ValueError, match="a slope over 'step' asked for"):
        slope(law(), over="step")


def test_a_rate_is_a_claim_on_the_exponent():
    claim = rate("the rate", "Falls.", law(), predicted=-2, tolerance=0.1, because="exact")
    assert claim.holds and not rate("the rate", "Falls.", law(), predicted=-1, tolerance=0.1, because="exact").holds
