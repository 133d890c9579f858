"""One comparison, and a run of them as a labelled record."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import xarray as xr

from pcn_lib.provenance import Provenance


@dataclass(frozen=True)
class Row:
    """Two sides of one comparison, each a median over the same run.

    A speed-up is baseline over ours and should be large; a cost is ours over baseline and should be small.

    Attributes:
        title: a few words, for the picture.
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

    title: str
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


def labelled(rows: Sequence[Row], machine: Machine, provenance: Provenance) -> xr.Dataset:
    """One run of the benchmarks, every row from one process and its children: axis ``row``, a variable for each field.

    What a row does not have is NaN.
    """
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(Row)}
    arrays = {
        name: np.array([np.nan if value is None else value for value in values]) for name, values in columns.items()
    }
    made = xr.Dataset({name: ("row", values) for name, values in arrays.items()})
    return made.assign_attrs(machine=str(machine), provenance=provenance.as_json())
