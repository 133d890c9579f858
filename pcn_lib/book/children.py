"""The processes that this one has started, a chapter's kernel among them: how much memory they take, and their end."""

import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

#: Seconds between two looks.
INTERVAL = 0.5


def kill_children() -> None:
    """End them at once, whatever they are doing."""
    _each_child(lambda child: child.kill())


class PeakMemory:
    """While entered, looks at the memory of this process's children, the kernels, and keeps the largest sum seen."""

    def __init__(self):
        self._largest = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    @property
    def mebibytes(self) -> int | None:
        """The largest resident memory seen, or None where none could be seen."""
        return round(self._largest / 2**20) or None

    def __enter__(self) -> "PeakMemory":
        self._watcher.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            self._largest = max(self._largest, sum(_each_child(lambda child: child.memory_info().rss)))


def _each_child(look: Callable) -> list:
    """What is seen of every process that has not ended meanwhile."""
    try:
        # Comes with ipykernel, without which there is no kernel to look at.
        psutil = importlib.import_module("psutil")
    except ModuleNotFoundError:
        return []
    seen = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            seen.append(look(child))
    return seen
