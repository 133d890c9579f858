"""Labelled records to disk and back: one netCDF file each, which every tool of that ecosystem opens."""

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pcn_lib.files import write_atomically
from pcn_lib.provenance import ResultError
from pcn_lib.study.report import RUN_FOLDER

Record = xr.Dataset | xr.DataTree
#: Inside the folder that holds the book.
FOLDER = Path("results") / "recorded"
#: What follows a file's own bytes, and is followed by their digest; HDF5 stops reading before it.
MARK = b"pcn record sha256 "
#: Kinds of array that come back as they were: bool, int, unsigned, float, text.
STORABLE = "biufU"


def save(record: Any, path: str | os.PathLike) -> Path:
    """Write a record to ``path``, whole or not at all.

    Args:
        record: a Dataset, or a DataTree where a chapter has several tables.
        path: with the suffix ``.nc``; missing folders are made.

    Raises:
        ResultError: no labelled record, or one that holds what would not come back as it was.
    """
    if not isinstance(record, Record):
        raise ResultError(
            f"a {type(record).__name__} given; an xarray.Dataset or DataTree is needed: make it with grid(...)"
        )
    record = _stored(record)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "record.nc"
        record.to_netcdf(file, engine="h5netcdf", encoding=_compressed(record))
        content = file.read_bytes()
    return write_atomically(path, content + MARK + _digest(content))


def load(path: str | os.PathLike) -> Record:
    """The record that :func:`save` wrote to ``path``, held in memory: a Dataset, or a DataTree of several tables.

    Raises:
        FileNotFoundError: nothing was saved there.
        ResultError: a file that is damaged, or that :func:`save` did not write.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; a record is written there by keep or save: make it first")
    content, mark, digest = path.read_bytes().rpartition(MARK)
    if not mark:
        raise ResultError(f"{path} was not written by save, which marks its files, or is cut short: make it again")
    if digest != _digest(content):
        raise ResultError(f"{path} is damaged: its bytes are not those that were written; make the record again")
    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as opened:
        # Read here, variable by variable: DataTree.load leaves out one that bears the name of a group.
        return _stored(opened if opened.children else opened.to_dataset())


def keep(record: Record, stem: str) -> None:
    """Hand a chapter's record over to the machinery: what is kept is what `pcn record` records.

    Outside a run of the machinery (a notebook opened by hand) this does nothing.

    Args:
        record: of the chapter.
        stem: the chapter's words without its number.
    """
    if folder := os.environ.get(RUN_FOLDER):
        save(record, Path(folder) / f"{stem}.nc")


def recorded(stem: str) -> Record | None:
    """The record kept with the book for the chapter of this stem, or None where there is none.

    It is looked for from the present folder upwards, so that a chapter finds it wherever it is opened
    inside the book; a notebook taken elsewhere shows its own numbers alone.

    Raises:
        ResultError: the file there is damaged.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (path := folder / FOLDER / f"{stem}.nc").is_file():
            return load(path)
    return None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _tables(record: Record) -> Mapping[str, xr.Dataset]:
    if isinstance(record, xr.Dataset):
        return {"/": record}
    return {node.path: node.to_dataset(inherit=False) for node in record.subtree}


def _stored(record: Record) -> Record:
    """A copy with plain arrays and attributes, or a ResultError that names what has no place in a file."""
    tables = {path: _stored_table(table, path) for path, table in _tables(record).items()}
    return tables["/"] if isinstance(record, xr.Dataset) else xr.DataTree.from_dict(tables)


def _stored_table(table: xr.Dataset, path: str) -> xr.Dataset:
    parts = {}
    for name, variable in table.variables.items():
        values = np.asarray(variable.to_numpy())
        if values.dtype == object and all(isinstance(item, str) for item in values.ravel()):
            values = values.astype(str)
        if values.dtype.kind not in STORABLE:
            raise ResultError(
                f"{path}{name} holds {values.dtype}; a record holds bool, int, float and text: convert it before saving"
            )
        parts[name] = (variable.dims, values, _plain(variable.attrs))
    made = xr.Dataset(
        {name: part for name, part in parts.items() if name not in table.coords},
        {name: part for name, part in parts.items() if name in table.coords},
    )
    return made.assign_attrs(_plain(table.attrs))


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as Python's own numbers and words."""
    return {str(name): value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}


def _compressed(record: Record) -> dict:
    """How variables are written: numbers compressed and without a fill value, which would change their type."""
    encodings = {
        path: {name: _encoding(variable) for name, variable in table.variables.items()}
        for path, table in _tables(record).items()
    }
    return encodings["/"] if isinstance(record, xr.Dataset) else encodings


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    if variable.dtype.kind == "U":
        return {}
    return {"_FillValue": None} | ({"zlib": True} if variable.ndim and variable.dtype.kind != "b" else {})
