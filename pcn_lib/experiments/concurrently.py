"""Measurements of many sizes, several at once where a machine has cores for it."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Point, Result = TypeVar("Point"), TypeVar("Result")
#: Cores that one measurement keeps busy, and most measurements at once: each holds its networks in memory.
CORES_EACH, MOST = 2, 8


def at_once(measure: Callable[[Point], Result], points: Iterable[Point]) -> list[Result]:
    """``measure`` of every point, in their order.

    Programs for many shapes take longer to compile than to run, and small networks leave most cores idle: threads
    help with both, since JAX lets go of the interpreter while it compiles and computes.  On two cores it is a loop.
    """
    threads = min(MOST, max(1, (os.cpu_count() or 1) // CORES_EACH))
    if threads == 1:
        return list(map(measure, points))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(measure, points))
