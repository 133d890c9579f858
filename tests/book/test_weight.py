"""Pages carry what they use: drawings beside them, the icons and the alphabets that they name."""

import base64
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from pcn_lib.book import mathjax, weight
from pcn_lib.book.mathjax import ALPHABETS, FONT, with_alphabets

DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
ENCODED = base64.b64encode(DRAWING).decode()
IMAGE = f'<img alt="a" src="data:image/svg+xml;base64,{ENCODED}" data-places="[]">'
LINKS = f'<a href="data:application/pdf;base64,{ENCODED}"></a><a href="data:text/csv;base64,{ENCODED}"></a>'


def page(tmp_path: Path, builder: str) -> str:
    app = SimpleNamespace(builder=SimpleNamespace(name=builder), outdir=tmp_path)
    context = {"body": f"<p>{IMAGE}</p>{IMAGE}{LINKS}", "pathto": lambda name, resource: f"../{name}"}
    weight.drawings_apart(app, "chapters/a", "page.html", context, None)
    return context["body"]


def test_drawings_and_numbers_are_files_beside_the_pages_each_once(tmp_path):
    body = page(tmp_path, "html")
    first, second = re.findall(r'src="([^"]+)"', body)
    assert first == second and (tmp_path / "chapters" / first).resolve().read_bytes() == DRAWING
    assert body.count('alt="a"') == body.count('data-places="[]"') == body.count("loading=lazy") == 2
    for link, suffix in zip(re.findall(r'href="([^"]+)"', body), (".pdf", ".csv"), strict=True):
        assert (tmp_path / "chapters" / link).resolve().read_bytes() == DRAWING and link.endswith(suffix)
    assert {path.suffix for path in (tmp_path / weight.FIGURES).iterdir()} == {".svg", ".pdf", ".csv", ".js"}


def test_on_a_page_for_paper_drawings_stay_inside(tmp_path):
    assert page(tmp_path, "singlehtml") == f"<p>{IMAGE}</p>{IMAGE}{LINKS}"


@pytest.fixture(scope="module")
def font() -> str:
    return (mathjax._installed() / FONT).read_text()


def glyphs(font: str, part: str) -> list[int]:
    (found,) = re.findall(rf"T\.{part}=\(0,\w+\.AddPaths\)\(\w+\.{part},\{{(.*?)\}}", font, re.DOTALL)
    return [int(code) for code in re.findall(r'(\d+):"', found)]


def test_alphabets_that_no_page_names_are_left_out_and_others_are_whole(font):
    light = with_alphabets(font, {"mathcal", "mathsf"})
    assert glyphs(light, "fraktur") == glyphs(light, "monospace") == []
    for part in ("sansSerif", "texCalligraphic", "italic", "largeop", "texSize4", "texVariant"):
        assert glyphs(light, part) == glyphs(font, part) != []
    gone = set(glyphs(font, "normal")) - set(glyphs(light, "normal"))
    # The letters of TeX's own alphabets stay: bold, italic, both, double-struck, and Greek; fraktur and typewriter go.
    assert {0x1D504, 0x1D670} < gone and min(gone) >= 0x1D49C
    assert not gone & {
        *range(0x1D400, 0x1D49C),
        *range(0x1D538, 0x1D56C),
        *range(0x1D5A0, 0x1D5D4),
        *range(0x1D6A8, 0x1D756),
    }
    assert len(light) < 0.7 * len(font)


def test_with_every_command_named_the_font_is_as_it_was(font):
    assert with_alphabets(font, set().union(*(commands for commands, *_ in ALPHABETS))) == font


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_what_is_left_of_the_font_is_a_script(font, tmp_path):
    (tmp_path / "tex.js").write_text(with_alphabets(font, set()))
    subprocess.run(["node", "--check", str(tmp_path / "tex.js")], check=True)


def test_icons_stay_under_each_of_their_names_and_the_rest_goes():
    glass, bars = '"magnifying-glass":[9,9,[128269,"search"],"f002","M4"],', 'bars:[1,2,[],"f0c9",["M1","M2"]],'
    cat = 'cat:[1,2,[],"f6be","M3"]'
    assert weight.with_icons(f"{{{glass}{bars}{cat}}}", {"search"}) == f"{{{glass}}}"
    assert weight.with_icons(f"{{{glass}{bars}{cat}}}", {"cat", "bars"}) == f"{{{bars}{cat}}}"


def test_the_themes_script_is_light_and_has_what_pages_name():
    theme = pytest.importorskip("pydata_sphinx_theme")
    script = Path(theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/fontawesome.js"
    light = weight.with_icons(script.read_text(), {"sun", "moon", "bars"})
    assert len(light) < 0.1 * script.stat().st_size
    assert all(f"{name}:[" in light or f'"{name}":[' in light for name in ("sun", "moon", "bars"))


def test_headings_without_words_and_ids_given_twice_are_left_out():
    from pcn_lib.book.sphinx_ext import _without_stumbles

    empty = '<th class="head"><p></p></th><th scope="col" style="x"></th><th><p>a</p></th>'
    context = {"body": f'{empty}<div id="proof-content"></div><div id="proof-contents"></div>'}
    _without_stumbles(None, "", "", context, None)
    assert context["body"] == '<td></td><td></td><th><p>a</p></th><div></div><div id="proof-contents"></div>'
    context = {"body": '<div id="a" role="doc-biblioentry">'}
    _without_stumbles(None, "", "", context, None)
    assert context["body"] == '<div id="a" role="listitem">'
    _without_stumbles(None, "", "", without := {}, None)
    assert without == {}
