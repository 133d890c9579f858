"""Progress of a run: one moving line on a terminal, one line per event anywhere else."""

import sys
import time
from typing import TextIO

BAR = 24


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a watch."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Says how many of the chapters are done, which are running and how long it has taken."""

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total = total
        self.done = 0
        self.stream = stream or sys.stdout
        self.start = time.monotonic()
        self.moving = self.stream.isatty()

    def tick(self, running: list[str]) -> None:
        """Redraw the moving line."""
        if self.moving:
            filled = BAR * self.done // max(self.total, 1)
            bar = "█" * filled + "░" * (BAR - filled)
            self._line(f"{bar} {self.done}/{self.total}  {clock(time.monotonic() - self.start)}  {', '.join(running)}")

    def event(self, text: str, finished: bool = False) -> None:
        """A line that stays, such as the end of a chapter."""
        self.done += finished
        if self.moving:
            self.stream.write("\r\033[K")
        self.stream.write(f"[{self.done}/{self.total}] {text}\n" if finished else f"{text}\n")
        self.stream.flush()

    def close(self) -> None:
        if self.moving:
            self.stream.write("\r\033[K")
            self.stream.flush()

    def _line(self, text: str) -> None:
        self.stream.write(f"\r\033[K{text}")
        self.stream.flush()
