"""How much memory a chapter takes."""

import importlib
import threading
from types import TracebackType

#: Seconds between two looks.
INTERVAL = 0.5


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
        try:
            # Comes with ipykernel, without which there is no kernel to look at.
            psutil = importlib.import_module("psutil")
        except ModuleNotFoundError:
            return
        here = psutil.Process()
        while not self._over.wait(INTERVAL):
            total = 0
            for child in here.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:
                    continue  # it ended meanwhile
            self._largest = max(self._largest, total)
