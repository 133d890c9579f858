"""What must not grow: memory with training steps, compile time with depth."""

import resource
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks.cases import Size, problem
from benchmarks.rows import Row
from benchmarks.timing import Cost, cost, isolated, middle, seconds
from pcn_lib.inference import SweepsThenNewton
from pcn_lib.training import Adam, Schedule, Training, train


def memory(size: Size, counts: tuple[int, ...], goal: float) -> tuple[Row, ...]:
    """Peak memory of training, many steps against few."""
    peaks = [isolated(training_peak, size, count) for count in counts]
    seen = ", ".join(f"{count} steps {peak:.0f} MB" for count, peak in zip(counts, peaks, strict=True))
    row = Row(
        title=f"memory, {counts[-1]} steps over {counts[0]}",
        what=f"tanh, PC + BP training, {counts[-1]} steps, {size}, float32",
        against=f"{counts[0]} steps",
        unit="MB",
        ours=peaks[-1],
        baseline=peaks[0],
        cost=True,
        goal=goal,
        processor_ratio=None,
        disagreement=None,
        how=f"peak memory, each in a process of its own: {seen}",
    )
    return (row,)


def training_peak(size: Size, steps: int) -> float:
    """Peak memory in MB of a process that trains; to be run :func:`isolated`."""
    jax.block_until_ready(_train(size, steps))
    return peak_memory()


def _train(size: Size, steps: int) -> Training:
    return train(problem(size, jnp.tanh, dtype="float32"), Adam(1e-3), Schedule(steps, SweepsThenNewton(1e-5)))


def peak_memory() -> float:
    """Most MB that this process has held at once."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: on Linux a child starts with its parent's.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def compilation(shallow: Size, deep: Size, rounds: int, goal: float) -> tuple[Row, ...]:
    """Tracing and compiling the training step of a deep network against a shallow one."""
    costs = [(isolated(compile_seconds, deep), isolated(compile_seconds, shallow)) for _ in range(rounds)]
    ours, baseline = (middle(column) for column in zip(*costs, strict=True))
    row = cost(
        ours,
        baseline,
        title=f"compile time, L = {deep.depth} over L = {shallow.depth}",
        what=f"tanh training step, PC + BP, {deep}, float32",
        against=f"L = {shallow.depth}",
        goal=goal,
        how="tracing and compiling, each time in a process of its own, no cache",
    )
    return (row,)


def compile_seconds(size: Size) -> Cost:
    """What tracing and compiling one training step takes; to be run :func:`isolated`."""
    case, schedule = problem(size, jnp.tanh, dtype="float32"), Schedule(1, SweepsThenNewton(1e-5))

    def compiled() -> None:
        jax.jit(lambda given: train(given, Adam(1e-3), schedule)).lower(case).compile()

    return seconds(compiled)
