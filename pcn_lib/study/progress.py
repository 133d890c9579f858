"""How far a measurement is: on a terminal or in an open notebook, and silent everywhere else."""

import os
import sys
import time
from typing import Any

from pcn_lib.study.report import RUN_FOLDER

#: Set by the machinery while it records: a folder for finished points, so that a recording goes on where it stopped.
POINTS_FOLDER = "PCN_POINTS_FOLDER"
WIDTH = 24


class Bar:
    """``with Bar(12) as bar: ... bar.step("width=8")``; nothing is shown where nobody would see it move."""

    def __init__(self, total: int):
        self.total, self.done, self.start = total, 0, time.monotonic()
        self._shown: Any = None

    def __enter__(self) -> "Bar":
        if self.total and (_terminal() or _open_notebook()):
            self._show("")
        return self

    def step(self, words: str) -> None:
        """One more is done: the one of these words."""
        self.done += 1
        if self.total and (_terminal() or _open_notebook()):
            self._show(words)

    def __exit__(self, *failure: object) -> None:
        if self._shown == "terminal":
            print(file=sys.stderr)

    def _show(self, words: str) -> None:
        filled = WIDTH * self.done // self.total
        line = f"{'█' * filled}{'·' * (WIDTH - filled)} {self.done}/{self.total}  {self._seconds:.0f} s  {words}"
        if _terminal():
            self._shown = "terminal"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif self._shown is None:
            self._shown = sys.modules["IPython"].display.display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._shown.update({"text/plain": line}, raw=True)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.start


def _terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _open_notebook() -> bool:
    """A notebook that somebody reads; a run of the machinery has its folder."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and not os.environ.get(RUN_FOLDER)
