"""Labelled records to disk and back: one netCDF file each, which every tool of that ecosystem opens."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from pcn_lib.files import write_atomically
from pcn_lib.results.provenance import Provenance
from pcn_lib.results.records import ResultError
from pcn_lib.study.report import RUN_FOLDER

Record = xr.Dataset | xr.DataTree
#: Inside the folder that holds the book.
FOLDER = Path("results") / "recorded"
#: Set by the machinery: the profile a chapter is run at.
RUN_PROFILE = "PCN_RUN_PROFILE"
#: The root's attributes that say which file this is and that it is whole.
DIGEST = "pcn_record_sha256"
#: Kinds of array that come back as they were: bool, int, unsigned, float, text.
STORABLE = "biufU"


def save(record: Record, path: str | os.PathLike) -> Path:
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
    record.attrs[DIGEST] = _digest(record)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "record.nc"
        record.to_netcdf(file, engine="h5netcdf", encoding=_compressed(record))
        return write_atomically(path, file.read_bytes())


def load(path: str | os.PathLike) -> Record:
    """The record that :func:`save` wrote to ``path``, held in memory: a Dataset, or a DataTree of several tables.

    Raises:
        FileNotFoundError: nothing was saved there.
        ResultError: a file that is damaged, or that :func:`save` did not write.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; a record is written there by keep or save: make it first")
    try:
        # The first to see damage must be the one that can close the file again.
        h5py.File(path, "r").close()
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
            record = tree if tree.children else tree.to_dataset()
    # What HDF5 raises at damage depends on which byte is hit.
    except Exception as error:
        raise ResultError(f"{path} is damaged ({error}); a record written by save is needed: make it again") from error
    digest = record.attrs.pop(DIGEST, None)
    if digest is None:
        raise ResultError(f"{path} was not written by save, which knows a record by its digest: make the record again")
    record = _stored(record)
    if digest != _digest(record):
        raise ResultError(f"{path} is damaged (its numbers have another digest than it says): make the record again")
    return record


def keep(record: Record, stem: str) -> None:
    """Hand a chapter's record over to the machinery: what is kept is what `pcn record` records.

    Outside a run of the machinery (a notebook opened by hand) this does nothing.

    Args:
        record: of the chapter.
        stem: the chapter's words without its number.
    """
    if folder := os.environ.get(RUN_FOLDER):
        record = record.copy()
        record.attrs = record.attrs | {"profile": os.environ.get(RUN_PROFILE, "")}
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


def provenance_of(record: Record) -> Provenance:
    """How a record came about, as :func:`pcn_lib.study.grid` noted it.

    Raises:
        ResultError: a record that says nothing of it.
    """
    text = record.attrs.get("provenance")
    if text is None and isinstance(record, xr.DataTree):
        text = next((node.attrs["provenance"] for node in record.subtree if "provenance" in node.attrs), None)
    if text is None:
        raise ResultError("this record has no attribute 'provenance'; grid(...) notes it: keep a record's attributes")
    return Provenance.from_json(text)


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


def _digest(record: Record) -> str:
    """Of every name, axis, number and attribute of a record."""
    found = hashlib.sha256()
    for path, table in sorted(_tables(record).items()):
        for name, variable in sorted(table.variables.items()):
            values = variable.to_numpy()
            words = [path, name, variable.dims, values.shape, values.dtype.kind, sorted(variable.attrs.items())]
            found.update(json.dumps(words, default=str).encode())
            content = json.dumps(values.tolist()) if values.dtype.kind == "U" else np.ascontiguousarray(values)
            found.update(content.encode() if isinstance(content, str) else content.tobytes())
        attributes = sorted((name, value) for name, value in table.attrs.items() if name != DIGEST)
        found.update(json.dumps(attributes, default=str).encode())
    return found.hexdigest()


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
