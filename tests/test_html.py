"""The pages that `make book` renders: complete, self-contained, with working links."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from pcn_lib.book.address import repository
from pcn_lib.book.build import build_book
from pcn_lib.book.doctor import browser
from pcn_lib.book.mathjax import COMPONENTS, FONT
from pcn_lib.book.project import Project
from pcn_lib.book.records import run_of
from pcn_lib.book.runner import Request, run_chapters
from pcn_lib.provenance import Provenance
from pcn_lib.study import load, provenance_of
from pcn_lib.study.records import FOLDER

PROFILE = "quick"
#: Bytes of a page with the scripts and styles that it names.
LIGHT = 2.5e6
pytestmark = pytest.mark.slow

# Elements that fetch what they name as the page opens, and the attribute that names it.
LOADING = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "link": "href",
}  # fmt: skip
HEADLESS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip

#: Where there is a package that brings axe-core; its own dependencies are not needed here.
AXE = find_spec("axe_playwright_python")
#: Reads a page as axe-core does and leaves what it finds. Headings that are a formula have MathML, which it overlooks.
AUDIT = """
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  await new Promise((then) => setTimeout(then, 500));
  const found = await axe.run({ exclude: ["th:has(mjx-container)"] }, { resultTypes: ["violations"] });
  const said = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(", ")}`);
  document.body.innerHTML = "<pre id=axe></pre>";
  document.querySelector("#axe").textContent = said.join("\\n");
});
"""
#: One page of each kind: findings, figures, sliders, tables, claims, theory, an experiment, the library.
KINDS = (
    "intro", "gallery", "explorer", "notation", "paper_map", "statistics", "published_numbers", "09_moreau_envelope",
    "19_inference_convergence", "api/inference", "references",
)  # fmt: skip


@pytest.fixture(scope="module")
def book() -> Project:
    """The book as `make book` makes it; what is up to date is neither run nor built again."""
    project = Project(Path(__file__).parents[1])
    with pytest.MonkeyPatch.context() as environment:
        # The tests' own flags are part of a run's key: with them every chapter would be run anew.
        environment.delenv("XLA_FLAGS", raising=False)
        run_chapters(project, project.chapters(), Request(profile=PROFILE))
        build_book(project, PROFILE)
    return project


@pytest.fixture(scope="module")
def pages(book: Project) -> dict[Path, BeautifulSoup]:
    return {path: BeautifulSoup(path.read_text(), "html.parser") for path in sorted(book.pages.rglob("*.html"))}


def page_of(book: Project, document: Path) -> Path:
    return book.pages / document.relative_to(book.root).with_suffix(".html")


def test_every_entry_of_the_table_of_contents_has_a_page(book: Project, pages):
    assert [document for document in book.documents() if page_of(book, document) not in pages] == []


def test_every_chapter_has_a_figure_with_a_caption_and_a_text_for_those_who_cannot_see_it(book: Project, pages):
    for chapter in book.chapters():
        figures = pages[page_of(book, chapter.path)].select("figure.pcn-figure")
        assert figures, f"{chapter.name} has no figure"
        for figure in figures:
            assert figure.figcaption and figure.figcaption.text.strip()
            assert figure.select_one("img[alt], svg[aria-label], svg title"), (
                f"{chapter.name}: a figure without alt text"
            )


def test_every_figure_says_where_it_is_from_and_offers_its_data_and_its_drawing(book: Project, pages):
    for chapter in book.chapters():
        for figure in pages[page_of(book, chapter.path)].select("figure.pcn-figure"):
            lines = [line.text for line in figure.select("p.pcn-source span[data-made]")]
            # What all records share is in the caption.
            more = "(data: .+ · device: .+ · )?" if len(lines) > 1 else ""
            said = rf"{chapter.name}, (profile quick|recorded run) · {more}commit"
            assert lines and all(re.match(said, line) for line in lines), f"{chapter.name}: {lines}"
            assert ". Data: " in figure.figcaption.text
            assert re.match(rf"{chapter.figure(1)[:-1]}\d", figure.figcaption.b.text)
            links = {link["download"].rsplit(".")[-1]: link["href"] for link in figure.select("a[download]")}
            files = {kind: (book.pages / "chapters" / link).resolve() for kind, link in links.items()}
            assert set(files) == {"csv", "pdf"} and files["pdf"].read_bytes().startswith(b"%PDF")
            numbers = files["csv"].read_text()
            assert "panel,series,kind,x,y,value\n1," in numbers, f"{chapter.name}: a figure without numbers"


def kept_with_the_book(book: Project, stem: str) -> list[Provenance]:
    """How the recorded results that a chapter may draw came about."""
    if not (path := book.root / FOLDER / f"{stem}.nc").is_file():
        return []
    record = load(path)
    # Tables of one record may come from several runs.
    tables = [record, *(node for node in getattr(record, "subtree", ()) if "provenance" in node.attrs)]
    return [provenance_of(table) for table in tables]


#: Chapters whose pictures hold a recorded run against the paper, and no run of their own at this size.
OF_RECORDS = ("figure_1", "figure_4b")


def test_numbers_of_a_recorded_run_are_said_to_be_that_runs(book: Project, pages):
    """Told apart by the date: that of the file kept with the book, or later than the chapter's own start."""
    recorded = 0
    for chapter in book.chapters():
        began = run_of(book, chapter, PROFILE).record.started[:16].replace("T", " ")
        kept = kept_with_the_book(book, chapter.stem)
        lines = pages[page_of(book, chapter.path)].select("p.pcn-source span[data-made]")
        for line in lines:
            if "recorded run" in line.text:
                made = [one for one in kept if one.date == line["data-made"]]
                assert made and f"commit {made[0].commit[:10]}" in line.text
                recorded += 1
            else:
                assert line["data-made"] >= began, line.text
        own = any("profile quick" in line.text for line in lines)
        assert own == (chapter.stem not in OF_RECORDS), f"{chapter.name}: numbers of its own are shown: {own}"
    assert recorded > 10


def test_the_download_is_the_notebook_in_plain_markdown_and_buttons_open_it_where_there_is_a_repository(
    book: Project, pages
):
    here = repository(book.root)
    for chapter in book.chapters():
        page = page_of(book, chapter.path)
        links = [link["href"] for link in pages[page].select("a[href]")]
        (notebook,) = {link for link in links if link.endswith(".ipynb") and "://" not in link}
        copy = (page.parent / notebook).resolve().read_text()
        assert copy == (book.pages / "colab" / f"{chapter.name}.ipynb").read_text() and "{prf:" not in copy
        assert (f"git+{here}" in copy) == (here is not None)
        colab = {link for link in links if "colab.research" in link}
        assert [link.partition("/github/")[2] for link in colab] == (
            [f"{here.removeprefix('https://github.com/')}/blob/colab/{chapter.name}.ipynb"] if here else []
        )
        assert any("mybinder.org" in link for link in links) == (here is not None)


@pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")
@pytest.mark.parametrize("word, where", [("certificate", "glossary"), ("ICML", "paper_map"), ("alignment", "explorer")])
def test_search_works_from_a_file(book: Project, pages, tmp_path, word, where):
    address = f"{(book.pages / 'search.html').as_uri()}?q={word}"
    command = [browser(), *HEADLESS, f"--user-data-dir={tmp_path}", address]
    shown = BeautifulSoup(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "html.parser")
    found = {urlsplit(link["href"]).path for link in shown.select("#search-results a[href]")}
    assert any(link.endswith(f"chapters/{where}.html") for link in found)


def test_every_object_on_the_notation_page_is_a_link_to_its_documentation(book: Project, pages):
    rows = pages[book.pages / "chapters" / "notation.html"].select("article table tbody tr")
    objects = [row.select("td")[-1] for row in rows]
    assert len(objects) > 30 and [cell.text for cell in objects if not cell.select("a[href*='api/']")] == []


def test_the_gallery_has_every_figure_and_the_findings_have_their_pictures(book: Project, pages):
    folder = book.pages / "chapters"
    cards = pages[folder / "gallery.html"].select(".pcn-gallery > a")
    drawn = [one for each in book.chapters() for one in pages[page_of(book, each.path)].select("figure.pcn-figure")]
    assert len(cards) == sum(one.find_parent("details") is None for one in drawn) > 60
    found = pages[folder / "intro.html"].select(".pcn-finding")
    assert len(found) == 10
    assert [one.img["src"] for one in (*cards, *found) if not (folder / one.img["src"]).resolve().is_file()] == []


def test_the_paper_map_takes_its_verdicts_from_the_runs(book: Project, pages):
    page = pages[book.pages / "chapters" / "paper_map.html"]
    verdicts = [row.select("td")[2].strong.text for row in page.select("article table tbody tr")]
    assert verdicts and not [verdict for verdict in verdicts if verdict in ("not run", "nothing claimed")]


def test_every_claim_is_on_the_report_page(book: Project, pages):
    tables = pages[book.pages / "chapters" / "report.html"].select("article table:not(#certificates table)")
    rows = [row for table in tables for row in table.select("tbody tr")]
    assert len(rows) == sum(len(run_of(book, chapter, PROFILE).claims) for chapter in book.chapters())


def test_no_page_loads_anything_remote(book: Project, pages):
    for path, page in pages.items():
        named = [
            tag.get(LOADING[tag.name], "")
            for tag in page.find_all(list(LOADING))
            if "canonical" not in tag.get("rel", ())
        ]
        styles = [tag.text for tag in page.find_all("style")]
        remote = [name for name in named if urlsplit(name).netloc] + [
            url for style in styles for url in remote_urls(style)
        ]
        assert remote == [], path
        scripts = " ".join(tag.text for tag in page.find_all("script") if not tag.get("src"))
        assert "http" not in re.sub(r"https?://localhost\S*", "", scripts), path
    for sheet in book.pages.rglob("*.css"):
        assert remote_urls(sheet.read_text()) == [], sheet


def remote_urls(style: str) -> list[str]:
    """Addresses elsewhere that a style sheet fetches."""
    return re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", style)


def test_internal_links_lead_somewhere(book: Project, pages):
    for path, page in pages.items():
        for link in page.select("a[href]"):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            assert target.exists(), f"{path.name} links to {link['href']}"
            if address.fragment and target in pages:
                anchors = pages[target].find_all(attrs={"id": unquote(address.fragment)})
                assert anchors, f"{path.name} links to {link['href']}, where there is no such place"


@pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")
def test_formulae_are_rendered_by_the_books_own_mathjax(book: Project, pages, tmp_path):
    with_formulae = [path for path, page in pages.items() if page.select("article .math")]
    assert with_formulae
    for path in with_formulae:
        command = [browser(), *HEADLESS, f"--user-data-dir={tmp_path / path.stem}", path.as_uri()]
        drawn = BeautifulSoup(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "html.parser")
        assert drawn.select("article mjx-container"), f"{path.name}: no formula was rendered"
        assert not drawn.select("article [data-mjx-error]"), f"{path.name}: a formula is not TeX that MathJax knows"


def test_a_page_with_all_that_it_loads_at_once_is_light(book: Project, pages):
    """Drawings come as they come into sight; MathJax brings its parts by itself."""
    brought = [book.pages / "_static" / "mathjax" / f"{part}.js" for part in (*COMPONENTS, FONT.with_suffix(""))]
    for path in (page_of(book, document) for document in book.documents()):
        parts = [tag.get("src", tag.get("href")) for tag in pages[path].select("script[src], link[rel=stylesheet]")]
        files = {path, *brought, *((path.parent / urlsplit(part).path).resolve() for part in parts)}
        total = sum(file.stat().st_size for file in files)
        assert total < LIGHT, f"{path.name}: {total / 1e6:.2f} MB"


@pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")
@pytest.mark.skipif(AXE is None, reason="no axe-core here: `pip install --no-deps axe-playwright-python` brings it")
@pytest.mark.parametrize("mode, width", [("light", 1280), ("dark", 500)])
@pytest.mark.parametrize("name", KINDS)
def test_pages_are_accessible(book: Project, tmp_path, name, mode, width):
    assert violations(book.pages / "chapters" / f"{name}.html", mode, width, tmp_path) == ""


def violations(page: Path, mode: str, width: int, folder: Path) -> str:
    """What axe-core objects to on a page, a rule and its places in each line."""
    script = Path(AXE.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
    first = f'<base href="{page.as_uri()}"><script>localStorage.setItem("mode", "{mode}")</script>'
    copy, text = folder / page.name, page.read_text(encoding="utf-8")
    last = f"<script>{script}</script><script>{AUDIT}</script></body>"
    copy.write_text(text.replace("<head>", f"<head>{first}", 1).replace("</body>", last), encoding="utf-8")
    flags = [
        *HEADLESS,
        "--virtual-time-budget=60000",
        f"--window-size={width},900",
        f"--user-data-dir={folder}/profile",
    ]
    drawn = subprocess.run([browser(), *flags, copy.as_uri()], capture_output=True, text=True, check=True).stdout
    found = BeautifulSoup(drawn, "html.parser").select_one("#axe")
    assert found is not None, "axe-core did not come to an end"
    return found.text
