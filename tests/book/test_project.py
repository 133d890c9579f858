import pytest

from pcn_lib.book.project import BookError, Chapter, Project, UsageError, book_module, find_project


def test_chapters_are_the_notebooks_of_the_table_of_contents_in_its_order(book: Project):
    assert [chapter.name for chapter in book.chapters()] == ["01_halves", "02_thirds"]
    assert [path.name for path in book.documents()][0] == "index.md"


def test_a_table_of_contents_may_nest_parts_chapters_and_sections(book: Project):
    nested = """
root: chapters/index
parts:
  - caption: Theory
    chapters:
      - file: chapters/01_halves
        sections:
          - file: chapters/02_thirds
"""
    (book.root / "_toc.yml").write_text(nested)
    assert [chapter.name for chapter in book.chapters()] == ["01_halves", "02_thirds"]


@pytest.mark.parametrize("name", ["01_halves", "halves", "chapters/01_halves.ipynb"])
def test_a_chapter_is_found_by_name_by_words_and_by_path(book: Project, name: str):
    assert book.chapter(name).name == "01_halves"


def test_an_unknown_chapter_is_refused_with_the_nearest_names(book: Project):
    with pytest.raises(UsageError, match="no chapter 'halfs'; the nearest names are: 01_halves"):
        book.chapter("halfs")


def test_a_table_of_contents_that_names_a_missing_page_is_refused_by_name(book: Project):
    (book.root / "chapters" / "01_halves.ipynb").unlink()
    with pytest.raises(BookError, match="names 'chapters/01_halves', but there is no such"):
        book.chapters()


def test_the_book_is_found_from_any_folder_inside_it_and_from_none_outside(book: Project, tmp_path):
    assert find_project(book.root / "chapters") == book
    with pytest.raises(BookError, match="is not inside the book"):
        find_project(tmp_path)


def test_a_missing_extra_is_one_sentence_that_says_how_to_install_it():
    with pytest.raises(BookError, match="'no_such_module' is not installed.*book extra"):
        book_module("no_such_module")


def test_a_stem_is_a_name_without_its_number(book: Project):
    assert book.chapter("01_halves").stem == "halves"
    assert Chapter("landing_page", book.root).stem == "landing_page"
