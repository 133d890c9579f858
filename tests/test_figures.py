"""Figures: one style, pictures that carry caption and description, and nothing left open."""

import base64
import csv
import json
import re
from dataclasses import dataclass, replace
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from pcn_lib.data.published import Curve
from pcn_lib.parameterisation import mupc_skips, ntp, sp
from pcn_lib.provenance import provenance
from pcn_lib.study import (
    Picture,
    axes_grid,
    caption,
    draw_rate,
    draw_trainings,
    plot_seeds,
    plot_theory,
    plotted,
    styled,
    width_colours,
)
from pcn_lib.study.picture import with_source
from pcn_lib.study.table import Table
from pcn_lib.tables import NO_BREAK


def picture(**words):
    figure, axes = axes_grid()
    plot_seeds(axes, [1, 2], [[1.0, 2.0], [3.0, 6.0]], colour="#123456", label="measured")
    plot_theory(axes, [1, 2], [1, 2], label="theory")
    return Picture(figure, **{"caption": "What is seen.", "alt": 'A line "rises".', **words})


def lightness(colour):
    return float(np.dot([0.2126, 0.7152, 0.0722], to_rgb(colour)))


def test_a_picture_shows_its_drawing_description_and_caption_and_loads_nothing():
    shown = picture(caption="N < 4 falls as N^-2")._repr_html_()
    assert 'alt="A line &quot;rises&quot;."' in shown and "N &lt; 4 falls as N<sup>−2</sup></figcaption>" in shown
    assert re.findall(r' src="(.{26})', shown) == ["data:image/svg+xml;base64,"]


def test_a_picture_shrinks_with_the_page_and_stays_on_a_light_card():
    shown = picture()._repr_html_()
    assert "width:100%" in shown and "max-width:576px" in shown and "background:#fff" in shown


def test_the_same_record_gives_the_same_drawing():
    assert picture().svg == picture().svg


def test_a_picture_leaves_no_figure_open():
    with styled():
        figure, axes = pyplot.subplots()
    axes.plot([1, 2])
    Picture(figure, "Caption.", "Description.")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("empty", ["caption", "alt"])
def test_a_picture_without_caption_or_description_is_refused(empty):
    with pytest.raises(ValueError, match=f"empty {empty}"):
        picture(**{empty: " "})


@pytest.mark.parametrize("suffix, start", [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_picture_is_saved_as_its_suffix_says(tmp_path, suffix, start):
    assert picture().save(tmp_path / f"a.{suffix}").read_bytes().startswith(start)


def test_a_picture_with_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="choose one of these suffixes"):
        picture().save(tmp_path / "a.doc")


def test_a_picture_in_plain_text_is_its_caption():
    assert repr(picture()) == "Figure: What is seen."


def test_wider_is_lighter_and_every_width_is_dark_enough_on_white():
    shades = [lightness(colour) for colour in width_colours((8, 32, 128, 2048))]
    assert shades == sorted(shades) and len(set(shades)) == 4 and shades[-1] < 0.7


def test_a_width_has_its_colour_in_whatever_order_it_is_given():
    assert width_colours((64, 8, 16)) == tuple(
        dict(zip((8, 16, 64), width_colours((8, 16, 64)), strict=True))[n] for n in (64, 8, 16)
    )
    assert len(width_colours((16,))) == 1
    with pytest.raises(ValueError, match="positive widths"):
        width_colours((0, 2))


def test_seeds_are_a_mean_within_their_range_and_theory_is_dashed():
    _, axes = axes_grid()
    plot_seeds(axes, [1, 2], [[1.0, 2.0], [3.0, 6.0]], colour="#123456")
    plot_theory(axes, [1, 2], [1, 2])
    mean, theory = axes.lines
    np.testing.assert_array_equal(mean.get_ydata(), [2.0, 4.0])
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1.0, 6.0)
    assert mean.get_linestyle() == "-" and theory.get_linestyle() == "--"


def test_the_style_uses_no_tex_and_ends_with_its_block():
    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]
    with styled():
        assert not matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["axes.grid"]
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]) == before


def test_a_caption_says_data_sizes_and_device():
    words = caption("It falls.", data="64 digits", sizes="N = 8, L = 4", device="CPU")
    assert words == "It falls. Data: 64 digits; N = 8, L = 4; CPU."


def rows(figure) -> list[list[str]]:
    lines = [line for line in plotted.table(figure).splitlines() if not line.startswith("#")]
    return list(csv.reader(lines))[1:]


def test_a_figure_gives_its_numbers_seeds_theory_points_and_lines_across():
    figure, axes = axes_grid()
    plot_seeds(axes, [1, 2], [[1.0, 2.0], [3.0, 6.0]], colour="#123456", label="$\\gamma_0 = 1$")
    plot_theory(axes, [1, 2], [5, 7], label="theory")
    axes.scatter([1.5], [4.5], label="recorded, $N = 8$")
    axes.axhline(3.5, label="bound")
    axes.set(xlabel="width $N$", ylabel="$\\partial\\mathcal{F}/\\partial z$", xlim=(0, 3))
    assert plotted.table(figure).startswith("# panel 1: x: width N; y: ∂F/∂ z\n")
    assert rows(figure) == [
        *[["1", "γ_0 = 1", "line", x, y, ""] for x, y in (("1", "2"), ("2", "4"))],
        *[["1", "theory", "theory", x, y, ""] for x, y in (("1", "5"), ("2", "7"))],
        *[["1", "bound", "reference", x, "3.5", ""] for x in ("0", "3")],
        *[["1", "γ_0 = 1", "least", x, y, ""] for x, y in (("1", "1"), ("2", "2"))],
        *[["1", "γ_0 = 1", "greatest", x, y, ""] for x, y in (("1", "3"), ("2", "6"))],
        ["1", "recorded, N = 8", "points", "1.5", "4.5", ""],
    ]


def test_a_heat_map_gives_the_middle_of_its_cells_as_it_is_seen_and_a_bar_its_end():
    figure, (left, right) = axes_grid(1, 2)
    mesh = left.pcolormesh([1, 4, 16], [0, 1], [[0.25, 0.5]])
    left.set(xscale="log")
    figure.colorbar(mesh, ax=left)
    right.barh([0, 1], [3, 8], label="ours")
    assert rows(figure) == [
        ["1", "", "cell", "2", "0.5", "0.25"],
        ["1", "", "cell", "8", "0.5", "0.5"],
        ["2", "ours", "bar", "3", "0", ""],
        ["2", "ours", "bar", "8", "1", ""],
    ]


def test_an_image_gives_its_cells_from_the_corner_where_it_begins():
    figure, axes = axes_grid()
    axes.imshow([[1.0, 2.0]], extent=(0, 4, 10, 20), origin="upper")
    assert rows(figure) == [["1", "", "cell", "1", "15", "1"], ["1", "", "cell", "3", "15", "2"]]


def test_what_is_not_a_number_is_left_out_of_the_data():
    figure, axes = axes_grid()
    axes.plot([1, 2, 3], [1, np.nan, 3])
    assert [row[3] for row in rows(figure)] == ["1", "3"]


def test_a_place_found_from_a_number_is_where_it_is_drawn():
    figure, axes = axes_grid()
    axes.plot([1, 100], [2, 8])
    axes.set(xscale="log", xlim=(1, 100), ylim=(0, 10))
    shown = Picture(figure, "Caption.", "Description.")
    (place,) = json.loads(plotted.places(shown.figure))
    left, top, width, height = place["box"]
    x, y = axes.transData.transform((10, 5)) / figure.bbox.size
    np.testing.assert_allclose((left + width / 2, 1 - (top + height / 2)), (x, y), atol=1e-3)
    assert place["x"] == [1, 100, "log"] and place["y"] == [0, 10, "linear"]


def test_an_axis_of_another_scale_has_no_places():
    figure, axes = axes_grid()
    axes.plot([1, 2])
    axes.set_yscale("symlog")
    assert json.loads(plotted.places(figure)) == [None]


def test_a_picture_offers_its_data_and_its_drawing_under_the_name_that_a_page_gives():
    shown = with_source(picture()._repr_html_(), lambda date: f"06_chapter, profile <quick>{date}", "06-figure-1")
    assert 'display:block">06_chapter, profile &lt;quick&gt;</span>' in shown
    links = dict(re.findall(r'download="([^"]*)"[^>]*href="data:[^,]*,([^"]*)"', shown))
    assert base64.b64decode(links["06-figure-1.csv"]).decode() == picture().data
    assert base64.b64decode(links["06-figure-1.pdf"]).startswith(b"%PDF")


def made(**words) -> SimpleNamespace:
    @dataclass(frozen=True)
    class Settings:
        seed: int = 0

    return SimpleNamespace(provenance=replace(provenance(Settings(), seconds=1.0), **words))


def test_a_picture_names_data_device_code_and_date_of_every_record_it_draws_and_a_page_their_runs():
    mine = made(data_set="64 digits", device="CPU", commit="a" * 40, dirty=False, date="2026-02-01 10:00 UTC")
    kept = made(data_set="wines <3>", device="H100", commit="b" * 40, dirty=True, date="2026-01-01 09:00 UTC")
    alone = picture(records=(mine, None, kept))._repr_html_()
    on_page = with_source(alone, lambda date: "kept" if date.startswith("2026-01") else "mine", "06")
    lines = [
        "data: 64 digits · device: CPU · commit aaaaaaaaaa · 2026-02-01 10:00 UTC",
        "data: wines &lt;3&gt; · device: H100 · commit bbbbbbbbbb with changes · 2026-01-01 09:00 UTC",
    ]
    assert re.findall(r"<span[^>]*>([^<]*)</span>", alone) == lines
    assert re.findall(r"<span[^>]*>([^<]*)</span>", on_page) == [f"mine · {lines[0]}", f"kept · {lines[1]}"]


def test_tables_of_one_run_are_one_line_of_origin_that_of_the_latest():
    early, late, own = (
        made(data_set="wines", device="CPU", commit="a" * 40, dirty=False, date=f"2026-01-{day} 09:00 UTC")
        for day in ("02", "03", "09")
    )
    other = made(data_set="wines", device="CPU", commit="b" * 40, dirty=False, date="2026-01-01 09:00 UTC")
    alone = picture(records=(early, late, late, own, other))._repr_html_()
    on_page = with_source(alone, lambda date: "mine" if date.startswith("2026-01-09") else "kept", "06")
    assert re.findall(r"<span[^>]*>([^<]*)</span>", on_page) == [
        "kept · commit aaaaaaaaaa · 2026-01-03 09:00 UTC",
        "mine · commit aaaaaaaaaa · 2026-01-09 09:00 UTC",
        "kept · commit bbbbbbbbbb · 2026-01-01 09:00 UTC",
    ]
    assert on_page.count("data-made") == 3


def test_the_numbers_of_a_three_dimensional_panel_are_those_of_its_marks():
    figure, axes = axes_grid(subplot_kw=dict(projection="3d"))
    axes.plot([1.0, 2.0], [3.0, 4.0], [5.0, 6.0], "o", label="measured")
    lines = Picture(figure, "Caption.", "Description.").data.splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert rows[1:] == [["1", "measured", "point", "1", "3", "5"], ["1", "measured", "point", "2", "4", "6"]]
    assert json.loads(plotted.places(figure)) == [None]


def test_a_table_writes_numbers_with_minus_signs_and_keeps_them_on_one_line():
    rows = (("CIFAR-10", "-2.1, 4e-02"), ("N = 16", "1 < 2 N^-1/2"), ("goal", "≥ 3 ms"))
    shown = Table(("N = 8", "gamma_0"), rows, "a caption")._repr_html_()
    assert f"−2.1, 4{NO_BREAK}×{NO_BREAK}10⁻²" in shown and "CIFAR-10" in shown and "1 &lt; 2 N<sup>−1/2</sup>" in shown
    assert ">γ<sub>0</sub></th>" in shown
    assert f"N{NO_BREAK}={NO_BREAK}16" in shown and f">≥{NO_BREAK}3{NO_BREAK}ms</td>" in shown


def test_parameterisations_are_rows_with_what_their_layers_share_once():
    mixed = replace(ntp(2.0), input=sp().input)
    made = Table.of_parameterisations(mupc_skips(), mixed)
    assert made.rows[0] == ("muPC with skips", "D^-1/2", "D^-1/2 L^-1/2", "D^-1", "1", "N", "N^-1/2 L^-1/2")
    assert made.rows[1] == ("NTP", "1", "D^-1/2", "0.5 D^-1/2", "D^-1, 1", "1", "1")


def test_a_table_with_a_cell_too_many_is_refused():
    with pytest.raises(ValueError, match="a row of 2 cells given under 1 headings"):
        Table(("one",), (("1", "2"),), "a caption")


def test_a_table_of_labelled_arrays_has_a_row_for_each_point_and_repeats_what_has_fewer_axes():
    width = xr.DataArray([0.123456, np.nan], dims="width", coords=dict(width=[2, 8], seed=0))
    count = xr.DataArray([[1, 2], [3, 4]], dims=("width", "count"), coords=dict(width=[2, 8]))
    made = Table.of({"a": width, "b": count}, "Numbers")
    assert made.headings == ("width", "a", "b")
    assert made.rows == (("2", "0.1235", "1"), ("2", "0.1235", "2"), ("8", "–", "3"), ("8", "–", "4"))


def test_a_rate_passes_through_the_mean_at_the_largest_size_that_has_one():
    axes = axes_grid()[1]
    values = xr.DataArray([[1, 3], [2, 6], [np.nan] * 2], dims=("width", "seed"), coords=dict(width=[2, 4, 8]))
    draw_rate(axes, values, "width", -2)
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[2, 16], [4, 4]])
    assert axes.lines[0].get_linestyle() == "--" and axes.lines[0].get_label() == "$N^{-2}$"


def test_trainings_are_drawn_width_by_width_with_a_script_dotted_and_published_curves_as_crosses():
    steps, widths = np.arange(3.0), np.array([2, 8])
    angle = 1 / widths[:, None] + 0 * steps
    made = {name: (("width", "step"), angle) for name in ("energy", "bp_loss", "one_minus_cosine")}
    trained = xr.Dataset(made, dict(width=widths))
    curves = [Curve(width, np.array([0, 2]), np.array([0.5, 0.6]), np.array([0.1, 0.1])) for width in (8, 32)]
    left, right = draw_trainings(trained, unit="each", script=trained.sel(width=[2]), published=curves).axes
    assert left.get_ylabel() == "energy or loss each"
    lines = [line for line in right.lines if line.get_linestyle() in ("-", ":") and len(line.get_xdata()) == 3]
    assert [(line.get_linestyle(), line.get_ydata()[0]) for line in lines] == [("-", 0.875), ("-", 0.5), (":", 0.5)]
    crosses = [line for line in right.lines if line.get_marker() == "x"]
    assert [line.get_ydata().tolist() for line in crosses] == [[0.5, 0.6]]  # no width 32 was trained


def test_a_picture_of_a_record_is_captioned_by_its_provenance():
    made = provenance(dict(depth=7), seconds=1.0, data_set="some data", seeds=(0, 1), dtype="float32")
    record = xr.Dataset(attrs=dict(provenance=made.as_json()))
    shown = Picture.of(record, axes_grid()[0], "What is seen", "A line.", sizes="L = {depth}, seeds: {seeds}")
    assert shown.caption == f"What is seen. Data: some data; L = 7, seeds: 2; {made.device}, float32."
    assert shown.records == (record,)
    with pytest.raises(KeyError):
        Picture.of(record, axes_grid()[0], "What is seen", "A line.", sizes="N = {width}")


def test_records_that_share_data_and_device_do_not_repeat_what_the_caption_says():
    one, other = (made(data_set="64 digits", device="CPU", commit=c * 40, dirty=False) for c in "ab")
    lines = re.findall(r"<span[^>]*>([^<]*)</span>", picture(records=(one, other))._repr_html_())
    assert [line.partition(" · ")[0] for line in lines] == ["commit aaaaaaaaaa", "commit bbbbbbbbbb"]


def test_numbers_without_a_label_are_named_by_what_their_panel_shows():
    figure, (left, right) = axes_grid(1, 2)
    left.plot([1, 2], color="black")
    left.set(ylabel=r"$\lambda M$", title="left")
    right.imshow([[1.0]])
    right.set(ylabel="depth", title="cosine")
    assert {(one.panel, one.series) for one in plotted.points(figure)} == {(1, "λ M"), (2, "cosine")}
    assert {one.series for one in plotted.points(axes_of_two_labels())} == {"a", "b"}


def axes_of_two_labels():
    figure, axes = axes_grid()
    for label in "ab":
        axes.plot([1, 2], label=label)
    axes.set(ylabel="both")
    return figure
