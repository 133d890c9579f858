"""All comparisons at the sizes that are recorded, with the goals they are held to."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from benchmarks import authors, convolution, linear, nonlinear, scaling, transformer
from benchmarks.authors import Grid
from benchmarks.cases import DATA, Size
from benchmarks.convolution import ImageSize
from benchmarks.rows import Machine, Row, labelled
from benchmarks.transformer import TextSize
from pcn_lib.energy import cross_entropy, squared_error
from pcn_lib.provenance import provenance

#: N / L from which an equilibrium should cost at most ``EQUILIBRIUM_GOAL`` BP steps.
WIDE, EQUILIBRIUM_GOAL = 16, 3.0


@dataclass(frozen=True)
class Settings:
    """Sizes of a run; the defaults are those of the record.

    Attributes:
        rounds: turns of each side.
        processes: turns of each side where a turn is a process of its own.
        full: time the script's protocol with all its steps.
        one_output, ten_outputs: of the linear closed form.
        hessian: of the dense activity Hessian.
        training: of the training step.
        equilibria: solved to the default tolerance, with either loss.
        images: of the convolutional network.
        text: of the transformer.
        memory, memory_steps: of the training whose memory is measured, fewest steps first.
        shallow, deep: of the step that is compiled.
        grid: trained in one process.
        jpc: a Python that has the authors' library, for the comparisons with it; None leaves them out.
        seed: of weights and data.
    """

    rounds: int = 5
    processes: int = 3
    full: bool = False
    one_output: Size = Size(512, 32, outputs=1)
    ten_outputs: Size = Size(256, 32)
    hessian: Size = Size(64, 32)
    training: Size = Size(512, 32, inputs=3072)
    equilibria: tuple[Size, ...] = (
        Size(32, 32), Size(128, 32), Size(512, 32), Size(128, 8), Size(512, 8), Size(1024, 16),
    )  # fmt: skip
    images: ImageSize = ImageSize()
    text: TextSize = TextSize()
    memory: Size = Size(128, 8)
    memory_steps: tuple[int, ...] = (10, 100, 1000)
    shallow: Size = Size(64, 8)
    deep: Size = Size(64, 128)
    grid: Grid = Grid(widths=(8, 32, 128), depths=(4, 16), steps=100)
    jpc: str | None = None
    seed: int = 0


def _linear(s: Settings) -> Iterator[Row]:
    yield from linear.closed_form(s.one_output, s.rounds, goal=50.0, cost_goal=2.0)
    yield from linear.closed_form(s.ten_outputs, s.rounds, goal=20.0)


def _hessian(s: Settings) -> Iterator[Row]:
    yield from linear.dense_hessian(s.hessian, s.rounds)


def _training(s: Settings) -> Iterator[Row]:
    yield from nonlinear.training_step(s.training, 1 if s.full else s.rounds, goal=200.0, full=s.full)


def _equilibrium(s: Settings) -> Iterator[Row]:
    for loss in (squared_error, cross_entropy):
        for size in s.equilibria:
            goal = EQUILIBRIUM_GOAL if size.width >= WIDE * size.depth else None
            yield from nonlinear.equilibrium(size, loss, s.rounds, goal)


def _convolution(s: Settings) -> Iterator[Row]:
    yield from convolution.scripts_protocol(s.images, s.rounds, goal=50.0)


def _transformer(s: Settings) -> Iterator[Row]:
    yield from transformer.scripts_protocol(s.text, s.rounds, goal=100.0)


def _memory(s: Settings) -> Iterator[Row]:
    yield from scaling.memory(s.memory, s.memory_steps, goal=1.05)


def _compilation(s: Settings) -> Iterator[Row]:
    yield from scaling.compilation(s.shallow, s.deep, s.processes, goal=1.2)


def _authors(s: Settings) -> Iterator[Row]:
    if s.jpc is not None:
        yield from authors.whole_grid(s.jpc, s.grid, s.processes, goal=4.0)
        yield from authors.training_step(s.jpc, s.training, s.processes)


#: Every comparison by the name that the command line knows.
GROUPS: dict[str, Callable[[Settings], Iterable[Row]]] = {
    "linear": _linear,
    "hessian": _hessian,
    "training": _training,
    "equilibrium": _equilibrium,
    "convolution": _convolution,
    "transformer": _transformer,
    "memory": _memory,
    "compilation": _compilation,
    "authors": _authors,
}


def run(settings: Settings, groups: Iterable[str], say: Callable[[str], None]) -> xr.Dataset:
    """Run some comparisons.

    Args:
        settings: sizes.
        groups: names in :data:`GROUPS`.
        say: told the name of each comparison as it begins.
    """
    on, start, rows = machine(), time.perf_counter(), []
    for group in groups:
        say(f"{group} ...")
        rows += GROUPS[group](settings)
    # Where a Python lies is not what the numbers came from; which library it has, their rows say.
    made = provenance(
        replace(settings, jpc=None), seconds=time.perf_counter() - start, data_set=DATA, dtype="float64 and float32"
    )
    return labelled(rows, on, made)


def machine() -> Machine:
    """This machine, as it is before anything is measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(processor=_processor(), cores=cores, load=os.getloadavg()[0])


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
