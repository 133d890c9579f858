"""Runs of one chapter with several values of a parameter, in one table and one labelled file."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from pcn_lib.book.project import Chapter, Project
from pcn_lib.book.records import Run, RunRecord, run_of
from pcn_lib.files import write_atomically
from pcn_lib.study import load, save
from pcn_lib.study.records import Record
from pcn_lib.tables import aligned

HEADER = ("claim", "predicted", "measured", "tolerance", "verdict")


@dataclass(frozen=True)
class Together:
    """The runs of a grid: `table` as rows of text under their header, and the files that hold them."""

    chapter: Chapter
    table: tuple[tuple[str, ...], ...]
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return "\n".join([*aligned(self.table), f"As files: {', '.join(map(str, self.files))}"])


def together(project: Project, records: Iterable[RunRecord]) -> tuple[Together, ...]:
    """Gather the runs of every chapter that was run with several values of a parameter.

    Beside the runs' folders this writes ``NN_STEM@NAME.csv``, with a row for each claim of each run, and, where the
    chapter keeps a record, ``NN_STEM@NAME.nc``: that record with an axis for every parameter of the grid.
    """
    made = []
    for name, group in itertools.groupby(records, lambda record: record.chapter):
        runs, chapter = [(_values(record), record) for record in group], project.chapter(name)
        if names := [one for one in runs[0][0] if len({values[one] for values, _ in runs}) > 1]:
            made.append(_gathered(project, chapter, names, runs))
    return tuple(made)


def _values(record: RunRecord) -> dict[str, Any]:
    """A run's parameters; as read from a file, tuples are lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.parameters.items()}


def _gathered(project: Project, chapter: Chapter, names: list[str], runs: list[tuple[dict, RunRecord]]) -> Together:
    profile, rows, kept = runs[0][1].profile, [], {}
    for values, record in runs:
        run, point = run_of(project, chapter, profile, values), tuple(values[name] for name in names)
        rows += [(*map(str, point), *cells) for cells in _cells(record, run)]
        if not record.crashed and run.kept:
            kept[point] = load(run.kept[0])
    table = ((*names, *HEADER), *rows)
    stem, text = project.runs / profile / f"{chapter.name}@{','.join(names)}", io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    files = [write_atomically(f"{stem}.csv", text.getvalue().encode())]
    files += [save(stacked(names, kept), f"{stem}.nc")] if kept else []
    return Together(chapter, table, tuple(files))


def _cells(record: RunRecord, run: Run) -> list[tuple[str, ...]]:
    """A run's claims as rows of the table; one row that says how it ended, if it came to none."""
    if record.crashed or not run.claims:
        return [("–",) * 4 + (record.error or "done",)]
    claims = (made.claim for made in run.claims)
    return [
        (one.name, f"{one.predicted:.6g}", f"{one.measured:.6g}", f"{one.tolerance:.3g}", one.verdict) for one in claims
    ]


def stacked(names: Sequence[str], records: Mapping[tuple, Record]) -> Record:
    """Records as one, with an axis in front for each parameter in which they differ.

    Where a run is missing, and where its own axes were shorter, numbers are NaN and texts empty.

    Args:
        names: of the parameters. One that a record has itself, as axis or quantity, is called ``given_NAME`` here.
        records: by the values of the parameters, in the order of `names`; all of one chapter.
    """
    trees = {point: xr.DataTree(one) if isinstance(one, xr.Dataset) else one for point, one in records.items()}
    places = list(zip(*(_coordinates(values) for values in zip(*trees, strict=True)), strict=True))
    joined, every = {}, [tuple(dict.fromkeys(values)) for values in zip(*places, strict=True)]
    for path in dict.fromkeys(node.path for tree in trees.values() for node in tree.subtree if node.has_data):
        found = [(place, tree[path]) for place, tree in zip(places, trees.values(), strict=True) if path in tree.groups]
        joined[path] = _joined(dict(zip(names, every, strict=True)), [(at, node.to_dataset()) for at, node in found])
    return joined["/"] if set(joined) == {"/"} else xr.DataTree.from_dict(joined)


def _coordinates(values: Sequence[Any]) -> Sequence[Any]:
    """Values of a parameter as places along an axis: numbers, or else all of them in words."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return values if numbers else tuple(map(str, values))


def _joined(every: Mapping[str, tuple], tables: list[tuple[tuple, xr.Dataset]]) -> xr.Dataset:
    """Tables at their places along axes that have every value, in the order in which they were given."""
    taken = {str(name) for _, table in tables for name in (*table.dims, *table.variables)}
    axes = {f"given_{name}" if name in taken else name: values for name, values in every.items()}
    placed = [
        _counted(table).reset_coords().expand_dims({axis: [value] for axis, value in zip(axes, place, strict=True)})
        for place, table in tables
    ]
    merged = xr.merge(placed, join="outer", compat="no_conflicts", combine_attrs="drop_conflicts").reindex(axes)
    made = [table.attrs.get("provenance", "") for _, table in tables]
    return merged.map(_filled, keep_attrs=True).assign_attrs(provenance=made[0], provenance_of_runs=json.dumps(made))


def _counted(table: xr.Dataset) -> xr.Dataset:
    """The table with places 0, 1, ... along axes that have none of their own, which may be longer in other runs."""
    return table.assign_coords({name: range(size) for name, size in table.sizes.items() if name not in table.coords})


def _filled(values: xr.DataArray) -> xr.DataArray:
    """Truths with gaps as numbers, texts with gaps as texts."""
    if values.dtype != object:
        return values
    return values.astype(float) if any(isinstance(one, bool) for one in values.values.ravel()) else values.fillna("")
