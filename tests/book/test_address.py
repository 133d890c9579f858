"""Where the repository is: told by the environment or by git, and nothing leads out of the pages where neither does."""

import subprocess

import pytest

from pcn_lib.book.address import VARIABLE, pages, repository
from pcn_lib.book.project import Project, UsageError

HERE = "https://github.com/Some-One/my.book"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def git(book: Project, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(book.root), *arguments], check=True, capture_output=True)


@pytest.mark.parametrize(
    "remote",
    [HERE, f"{HERE}.git", f"{HERE}/", "git@github.com:Some-One/my.book.git", "ssh://git@github.com/Some-One/my.book.git",
     "https://user:secret@github.com/Some-One/my.book.git"],
)  # fmt: skip
def test_the_remote_tells_where_the_repository_is_and_no_password(book: Project, remote):
    git(book, "init")
    git(book, "remote", "add", "origin", remote)
    assert repository(book.root) is None  # somebody else's repository, which does not track the book
    git(book, "add", "_config.yml")
    assert repository(book.root) == HERE
    assert pages(repository(book.root)) == "https://some-one.github.io/my.book"


def test_the_environment_comes_first_and_may_say_that_there_is_none(book: Project, monkeypatch):
    git(book, "init")
    git(book, "add", "_config.yml")
    git(book, "remote", "add", "origin", HERE)
    monkeypatch.setenv(VARIABLE, "https://github.com/other/fork")
    assert repository(book.root) == "https://github.com/other/fork"
    monkeypatch.setenv(VARIABLE, "")
    assert repository(book.root) is None and pages(None) is None
    monkeypatch.setenv(VARIABLE, "my book")
    with pytest.raises(UsageError, match="PCN_REPOSITORY=my book given; https://github.com/OWNER/NAME is needed"):
        repository(book.root)


@pytest.mark.parametrize("remote", [None, "/srv/git/book.git", "https://example.org/someone/book.git"])
def test_without_a_repository_on_github_there_is_no_address(book: Project, remote):
    git(book, "init")
    git(book, "add", "_config.yml")
    if remote:
        git(book, "remote", "add", "origin", remote)
    assert repository(book.root) is None
