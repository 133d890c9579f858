"""The processes that this one has started, a chapter's kernel among them: what they take, and their end."""

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

#: Seconds between two looks.
INTERVAL = 0.5
#: Seconds to tidy up.
PATIENCE = 3


def kill_children() -> None:
    """End them at once, whatever they are doing."""
    _each_child(lambda child: child.kill())


def end_with_parent() -> None:
    """Ask this process to end when the one that started it has, however that came."""

    def follow() -> None:
        multiprocessing.parent_process().join()
        # The first one stops what is running, and the next one a worker that waits for more.
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(PATIENCE)

    threading.Thread(target=follow, daemon=True).start()


class Usage:
    """While entered, looks at this process's children, the kernels: the largest memory seen, and their cores' time."""

    def __init__(self):
        self._largest = 0
        self._spent: dict[int, float] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    @property
    def mebibytes(self) -> int | None:
        """The largest resident memory seen, or None where none could be seen."""
        return round(self._largest / 2**20) or None

    @property
    def core_seconds(self) -> float | None:
        """The time that the cores worked for them, added up, up to the last look; None where none could be seen."""
        return round(sum(self._spent.values()), 1) or None

    def __enter__(self) -> "Usage":
        self._watcher.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            self._largest = max(self._largest, sum(_each_child(lambda child: child.memory_info().rss)))
            self._spent |= dict(_each_child(lambda child: (child.pid, sum(child.cpu_times()[:2]))))


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
