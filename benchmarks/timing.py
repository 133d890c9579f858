"""Measuring two or more sides of a comparison in turn, and functions in a process of their own."""

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any, NamedTuple

import jax

from benchmarks.rows import Row

#: Seconds that a side runs in each round at least; a shorter one is called several times.
TURN = 0.05


class Measured(NamedTuple):
    """One side: its answer, and the medians over the rounds of its seconds on the clock and on the processor."""

    answer: Any
    wall: float
    processor: float


class Cost(NamedTuple):
    """Seconds of one call."""

    wall: float
    processor: float


def seconds(call: Callable[[], Any]) -> Cost:
    """What one call costs, until its answer is there; processor time counts every thread."""
    wall, processor = time.perf_counter(), time.process_time()
    jax.block_until_ready(call())
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def alternate(sides: Sequence[Callable[[], Any]], rounds: int) -> tuple[Measured, ...]:
    """Measure the sides in turn, A B A B, after each has run once to compile.

    Args:
        sides: functions without arguments, which return arrays.
        rounds: turns of each side.
    """
    answers = [jax.block_until_ready(side()) for side in sides]
    calls = [max(1, math.ceil(TURN / seconds(side).wall)) for side in sides]
    costs = [[_turn(*turn) for turn in zip(sides, calls, strict=True)] for _ in range(rounds)]
    walls, processors = zip(*(middle(column) for column in zip(*costs, strict=True)), strict=True)
    return tuple(map(Measured, answers, walls, processors))


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each kind of time."""
    return Cost(*(median(column) for column in zip(*costs, strict=True)))


def _turn(side: Callable[[], Any], calls: int) -> Cost:
    total = seconds(lambda: [side() for _ in range(calls)])
    return Cost(total.wall / calls, total.processor / calls)


def isolated(function: Callable, *arguments) -> Any:
    """The function's value in a fresh interpreter: nothing compiled, nothing cached, no memory taken yet."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _without_cache) as pool:
        return pool.submit(function, *arguments).result()


def _without_cache() -> None:
    """Compile everything here, whatever a cache on disk holds."""
    jax.config.update("jax_enable_compilation_cache", False)


def speed_up(ours: Cost | Measured, baseline: Cost | Measured, **words) -> Row:
    """A row that says how many times faster ours is; ``words`` are the row's other fields."""
    return _row(ours, baseline, cost=False, processor_ratio=_positive_ratio(baseline, ours), **words)


def cost(ours: Cost | Measured, baseline: Cost | Measured, **words) -> Row:
    """A row that says how many baselines ours costs; ``words`` are the row's other fields."""
    return _row(ours, baseline, cost=True, processor_ratio=_positive_ratio(ours, baseline), **words)


def _positive_ratio(above: Cost | Measured, below: Cost | Measured) -> float | None:
    return above.processor / below.processor if below.processor > 0 else None


def _row(ours, baseline, *, disagreement: float | None = None, goal: float | None = None, **words) -> Row:
    return Row(
        unit="ms", ours=1e3 * ours.wall, baseline=1e3 * baseline.wall, goal=goal, disagreement=disagreement, **words
    )
