"""What a compiled call costs."""

import time
from collections.abc import Callable
from typing import Any

import jax

#: A call is timed again until it has taken this many seconds, or this many times; the fastest counts.
LONG_ENOUGH, REPEATS = 0.02, 5


def cpu_seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the CPU time of this process that it takes once compiled (the least of several)."""
    answer = jax.block_until_ready(call())
    seconds: list[float] = []
    while sum(seconds) < LONG_ENOUGH and len(seconds) < REPEATS:
        start = time.process_time()
        jax.block_until_ready(call())
        seconds.append(time.process_time() - start)
    return answer, min(seconds)
