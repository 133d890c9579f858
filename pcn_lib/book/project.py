"""The book on disk: where its root is, which chapters its table of contents names, which files they read."""

import difflib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

PROFILES = ("smoke", "quick", "full", "paper")


class BookError(Exception):
    """Something the user can put right: what was given, what is needed, what to do next, in one sentence."""

    exit_code = 1


class UsageError(BookError):
    """The command asks for something that does not exist here: a chapter, a parameter, a device."""

    exit_code = 2


def book_module(name: str) -> ModuleType:
    """Import a module of the `book` extra, or say in one sentence how to get it."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise BookError(
            f"The Python package '{missing.name}' is not installed, which running and building the book needs: "
            "install the book extra with `make book` or, in the book's folder, `pip install --editable '.[book]'`."
        ) from missing
    origin, here = getattr(module, "__file__", None), Path.cwd()
    if origin in (str(here / f"{name}.py"), str(here / name / "__init__.py")):
        raise BookError(f"{origin} hides the Python package '{name}', which the book needs: rename it.")
    return module


@dataclass(frozen=True)
class Chapter:
    """One notebook of the table of contents."""

    name: str
    path: Path

    @property
    def stem(self) -> str:
        """The chapter's words without its number: the stem of its record."""
        number, _, words = self.name.partition("_")
        return words if number.isdigit() else self.name

    @property
    def number(self) -> str:
        """The number in its name, which pages show; "" where it has none."""
        number = self.name.partition("_")[0]
        return str(int(number)) if number.isdigit() else ""

    def numbered(self, title: str) -> str:
        return f"{self.number}\N{NO-BREAK SPACE}· {title}" if self.number else title

    def figure(self, place: int) -> str:
        """What its figure of this number is called; never as a figure of the paper is."""
        return f"Figure {self.number}.{place}" if self.number else f"Picture {place}"


@dataclass(frozen=True)
class Project:
    """A checkout of the book: the folder that holds _config.yml and _toc.yml."""

    root: Path

    @property
    def runs(self) -> Path:
        """Where executed chapters are kept; git ignores it, and `jupyter-book clean` does not empty it."""
        return self.root / "_run"

    @property
    def pages(self) -> Path:
        return self.root / "_build" / "html"

    @property
    def cache(self) -> Path:
        return self.root / ".cache"

    def documents(self) -> tuple[Path, ...]:
        """Every page of the table of contents, in reading order."""
        return tuple(self._document(name) for name in _files(self._contents()))

    def chapters(self) -> tuple[Chapter, ...]:
        """The pages that are notebooks: these are run."""
        return tuple(Chapter(path.stem, path) for path in self.documents() if path.suffix == ".ipynb")

    def chapter(self, name: str) -> Chapter:
        """The chapter of this name, with or without its number, or a sentence offering the nearest names."""
        chapters = self.chapters()
        wanted = Path(name).stem
        for chapter in chapters:
            if wanted in (chapter.name, chapter.stem):
                return chapter
        names = [chapter.name for chapter in chapters]
        stems = {chapter.stem: chapter.name for chapter in chapters}
        near = difflib.get_close_matches(wanted, [*names, *stems], n=5, cutoff=0.4)
        nearest = list(dict.fromkeys(stems.get(match, match) for match in near)) or names
        raise UsageError(f"There is no chapter '{name}'; the nearest names are: {', '.join(nearest[:3])}.")

    def part(self, chapter: Chapter) -> str:
        """The caption of the part that a chapter stands in; "" for the first page."""
        parts = self._contents().get("parts", ())
        return next((one["caption"] for one in parts if self._holds(one, chapter)), "")

    def _holds(self, part: dict, chapter: Chapter) -> bool:
        return any(Path(name).stem == chapter.name for name in _files(part))

    def _contents(self) -> dict:
        contents = self._mapping("_toc.yml")
        if not isinstance(contents.get("root"), str):
            raise BookError(f"{self.root / '_toc.yml'} names no first page: it needs `root:`, as git's copy has.")
        return contents

    def settings(self) -> dict:
        """What _config.yml says."""
        return self._mapping("_config.yml")

    def citation(self) -> dict:
        """What CITATION.cff says."""
        return self._mapping("CITATION.cff")

    def _mapping(self, name: str) -> dict:
        path, yaml = self.root / name, book_module("yaml")
        text = path.read_text(encoding="utf-8")
        try:
            found, reason = yaml.safe_load(text), "it is empty, or no mapping of `key: value`"
        except yaml.YAMLError as broken:
            mark = getattr(broken, "problem_mark", None)
            found, reason = None, f"it is not YAML in line {mark.line + 1}" if mark else "it is not YAML"
        if not isinstance(found, dict):
            raise BookError(f"{path} cannot be read ({conflict(text) or reason}): correct it, or restore it from git.")
        return found

    def _document(self, name: str) -> Path:
        for suffix in ("", ".ipynb", ".md"):
            path = self.root / f"{name}{suffix}"
            if path.is_file():
                return path
        raise BookError(
            f"_toc.yml names '{name}', but there is no such .ipynb or .md file: write it or remove the entry."
        )


def conflict(text: str) -> str | None:
    """Where a text holds a conflict that git left, in words."""
    marks = (number for number, line in enumerate(text.splitlines(), 1) if line.startswith(("<<<<<<< ", ">>>>>>> ")))
    return next((f"line {number} is of a conflict that git left" for number in marks), None)


def find_project(start: Path | None = None) -> Project:
    """The book that contains a folder (the present one unless told)."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "_config.yml").is_file():
            return Project(folder)
    raise BookError(f"{here} is not inside the book, which this command needs: go to the folder that holds _toc.yml.")


def _files(entry: dict | list) -> Iterator[str]:
    """The documents that a table of contents names, depth first."""
    if isinstance(entry, list):
        for item in entry:
            yield from _files(item)
        return
    for key in ("root", "file"):
        if key in entry:
            yield entry[key]
    for key in ("parts", "chapters", "sections"):
        yield from _files(entry.get(key, []))
