"""Where the book's repository is: one setting, from which every address that leads out of the pages is made."""

import os
import re
import subprocess
from pathlib import Path

from pcn_lib.book.project import UsageError

#: Names the repository where the git remote `origin` is not the one to lead to; empty, the pages lead to none.
VARIABLE = "PCN_REPOSITORY"
#: What opens notebooks (Colab) and serves pages below a known address does so for repositories on GitHub.
GITHUB = re.compile(
    r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?"
)


def repository(root: Path) -> str | None:
    """``https://github.com/OWNER/NAME`` of the book in this folder; None where it is in no such repository.

    Raises:
        UsageError: the environment names something else.
    """
    given = os.environ.get(VARIABLE)
    found = GITHUB.fullmatch(_remote(root) if given is None else given)
    if given and not found:
        raise UsageError(f"{VARIABLE}={given} given; https://github.com/OWNER/NAME is needed: correct it or unset it.")
    return f"https://github.com/{found['owner']}/{found['name']}" if found else None


def pages(repository: str | None) -> str | None:
    """Where GitHub serves the pages of a repository."""
    if repository is None:
        return None
    owner, name = repository.split("/")[-2:]
    return f"https://{owner.lower()}.github.io/{name}"


def _remote(root: Path) -> str:
    """The address of `origin`, if git tracks the book in this folder."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "_config.yml")
        return git("remote", "get-url", "origin")
    except (OSError, subprocess.SubprocessError):
        return ""
