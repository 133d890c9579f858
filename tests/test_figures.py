"""Figures: one style, pictures that carry caption and description, and nothing left open."""

import re

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from pcn_lib.figures import Picture, axes_grid, caption, plot_seeds, plot_theory, styled, width_colours


def picture(**words):
    figure, axes = axes_grid()
    plot_seeds(axes, [1, 2], [[1.0, 2.0], [3.0, 6.0]], colour="#123456", label="measured")
    plot_theory(axes, [1, 2], [1, 2], label="theory")
    return Picture(figure, **{"caption": "What is seen.", "alt": 'A line "rises".', **words})


def lightness(colour):
    return float(np.dot([0.2126, 0.7152, 0.0722], to_rgb(colour)))


def test_a_picture_shows_its_drawing_description_and_caption_and_loads_nothing():
    shown = picture(caption="N < 4")._repr_html_()
    assert 'alt="A line &quot;rises&quot;."' in shown and "N &lt; 4</figcaption>" in shown
    assert re.findall(r'src="(.{26})', shown) == ["data:image/svg+xml;base64,"]


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
