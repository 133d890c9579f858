"""The record of a run of the benchmarks; ``python -m benchmarks`` makes it, the book shows it."""

from dataclasses import dataclass
from pathlib import Path

from pcn_lib.results import Provenance

#: Where the book's record lies inside the project, without suffix.
RECORDED = Path("results") / "recorded" / "benchmarks"


@dataclass(frozen=True)
class Row:
    """Two sides of one comparison, each a median over the same run.

    A speed-up is baseline over ours and should be large; a cost is ours over baseline and should be small.

    Attributes:
        name: a few words, for the picture.
        what: what ours does, with its sizes.
        against: what the baseline does.
        unit: of both sides: ms, s or MB.
        ours: measured.
        baseline: measured in the same run unless ``how`` says otherwise.
        cost: whether the ratio is a cost and not a speed-up.
        goal: the least speed-up or the greatest cost aimed at; None where there is no aim.
        processor_ratio: the same ratio in processor time, which other work disturbs less; None where not measured.
        disagreement: relative difference between the two answers; None where they are not the same quantity.
        how: what was measured, in words.

    Raises:
        ValueError: a side that is not positive.
    """

    name: str
    what: str
    against: str
    unit: str
    ours: float
    baseline: float
    cost: bool
    goal: float | None
    processor_ratio: float | None
    disagreement: float | None
    how: str

    def __post_init__(self):
        if not (self.ours > 0 and self.baseline > 0):
            raise ValueError(
                f"{self.ours} and {self.baseline} {self.unit} given for {self.what!r}; a ratio needs positive sides: "
                "measure both again"
            )

    @property
    def ratio(self) -> float:
        """The speed-up, or the cost."""
        return self.ours / self.baseline if self.cost else self.baseline / self.ours

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.cost else self.ratio >= self.goal


@dataclass(frozen=True)
class Machine:
    """What the benchmarks ran on.

    Attributes:
        processor: its model name.
        cores: those that this run could use.
        load: processes that wanted a core when the run began, the run itself not included.
    """

    processor: str
    cores: int
    load: float

    def __str__(self) -> str:
        quiet = "quiet" if self.load < 0.5 else "shared with other work, so the times are not those of a quiet machine"
        return f"{self.processor}, {self.cores} cores, {quiet} (load {self.load:.1f} at the start)"


@dataclass(frozen=True)
class Record:
    """One run of the benchmarks: every row from one process and its children, on one machine."""

    machine: Machine
    provenance: Provenance
    rows: tuple[Row, ...]
