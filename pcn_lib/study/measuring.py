"""A measurement over named sizes, as one labelled record."""

import hashlib
import inspect
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import xarray as xr

from pcn_lib.provenance import PACKAGE, provenance, versions
from pcn_lib.study.progress import POINTS_FOLDER, Bar
from pcn_lib.study.records import load, save

NOTHING: Mapping = MappingProxyType({})


class PointFailed(RuntimeError):
    """A measurement failed at one point of a grid; the message says at which, and its cause is chained to it."""


@dataclass(frozen=True)
class Point:
    """One point of a grid: its place, its labels by axis, and what is measured there is called with."""

    place: tuple[int, ...]
    labels: tuple[tuple[str, Any], ...]
    given: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return ", ".join(f"{axis}={label}" for axis, label in self.labels)


def grid(
    measure: Callable[..., Any],
    *,
    coords: Mapping[str, Sequence] = NOTHING,
    where: Callable[..., bool] | None = None,
    data: str = "none",
    settings: Mapping[str, Any] = NOTHING,
    executor: Executor | None = None,
    points_folder: str | os.PathLike | None = None,
    **axes: Iterable | Mapping[str, Any],
) -> xr.Dataset:
    """What is measured at every point of a grid, with named axes.

        record = grid(measure, depth=(2, 4), width=(8, 16, 32), seed=range(3))
        record.energy.sel(depth=2).mean("seed")

    Args:
        measure: called as ``measure(depth=2, width=8, seed=0)``; returns a mapping from names to numbers,
            ``(axes, array)`` or ``(axes, array, attributes)``, or an xarray.Dataset; None where nothing is measured.
            Arrays of JAX will do. An axis that is longer at some points than at others is filled up with NaN.
        coords: coordinates of the axes that ``measure`` adds, by name.
        where: ``where(depth=2, width=8, seed=0)`` says whether a point is measured; the others are NaN.
        data: the data set really used, in words (``dataset.note``).
        settings: what else the numbers depend on, by name, for the provenance; ``sizes`` of a chapter will do.
        executor: whose workers measure, several points at once; with processes ``measure`` must be importable there.
        points_folder: where finished points are kept until the record is whole, so that an interrupted grid goes on
            where it stopped; by default the machinery's while it records. What ``measure`` computes must depend on
            its point and on the code alone.
        axes: the sizes along each axis, in the order of the record's axes; a mapping gives each size a label.

    Returns:
        A Dataset with the grid's axes first, their coordinates the sizes themselves. What was not measured is NaN
        (text: empty). The attribute ``provenance`` says how it came about.

    Raises:
        ValueError: no axes, one without sizes or with one twice, or measurements that do not fit together.
        PointFailed: ``measure`` raised; the message names the point.
    """
    labelled = {axis: _labelled(axis, sizes) for axis, sizes in axes.items()}
    if not labelled:
        raise ValueError("no axes given; a grid needs one or more: name sizes, such as width=(8, 16)")
    start = time.monotonic()
    chosen = [point for point in _points(labelled) if where is None or where(**dict(point.given))]
    folder = points_folder or os.environ.get(POINTS_FOLDER)
    words = {axis: ", ".join(map(str, sizes)) for axis, sizes in labelled.items()}
    code = _code(measure, {**settings, "data": data}) if folder else ""
    kept = {point: Path(folder) / f"{_digest(code, str(point))}.nc" for point in chosen} if folder else {}
    found = {point: load(path) for point, path in kept.items() if path.is_file()}
    waiting = [point for point in chosen if point not in found]
    with Bar(len(waiting)) as bar:
        for point, measured in _measured(measure, waiting, executor):
            found[point] = measured
            if point in kept:
                save(measured, kept[point])
            bar.step(str(point))
    record = _joined(labelled, {point: found[point] for point in chosen}, coords)
    # Kept points tell what they took when they were measured.
    seconds = time.monotonic() - start + sum(found[point].attrs["seconds"] for point in set(chosen) - set(waiting))
    seeded = labelled.get("seed", coords.get("seed", ()))  # an axis of the grid, or of what is measured at once
    seeds = tuple(int(seed) for seed in seeded if isinstance(seed, int | np.integer))
    origin = provenance({**words, **settings}, seconds=seconds, data_set=data, seeds=seeds)
    # The machinery removes its own folder when the chapter is done: a chapter may have several grids.
    for path in kept.values() if points_folder else ():
        path.unlink(missing_ok=True)
    return record.assign_attrs(provenance=origin.as_json())


def _labelled(axis: str, sizes: Iterable | Mapping[str, Any]) -> dict[Any, Any]:
    """What is measured at each label of an axis."""
    labels = list(sizes.keys()) if isinstance(sizes, Mapping) else [_scalar(axis, size) for size in sizes]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"{axis} = {labels} given; an axis has one size or more, each once: change it")
    return dict(sizes) if isinstance(sizes, Mapping) else dict(zip(labels, labels, strict=True))


def _scalar(axis: str, size: Any) -> Any:
    size = size.item() if isinstance(size, np.generic) else size
    if not isinstance(size, bool | int | float | str):
        raise ValueError(
            f"{axis} has {size!r}; a size is a number or a word: give a mapping from words to what is measured there"
        )
    return size


def _points(labelled: Mapping[str, Mapping[Any, Any]]) -> Iterable[Point]:
    for places in itertools.product(*(range(len(sizes)) for sizes in labelled.values())):
        chosen = [(axis, list(sizes.items())[i]) for (axis, sizes), i in zip(labelled.items(), places, strict=True)]
        labels = tuple((axis, label) for axis, (label, _) in chosen)
        yield Point(places, labels, tuple((axis, value) for axis, (_, value) in chosen))


def _measured(
    measure: Callable[..., Any], points: Sequence[Point], executor: Executor | None
) -> Iterable[tuple[Point, xr.Dataset]]:
    """Each point with what is measured there, as it is done."""
    if executor is None:
        for point in points:
            try:
                measured = _at(measure, dict(point.given))
            except Exception as error:
                raise PointFailed(f"{point}: {type(error).__name__}: {error}") from error
            yield point, measured
        return
    futures = {executor.submit(_at, measure, dict(point.given)): point for point in points}
    try:
        for future in as_completed(futures):
            try:
                measured = future.result()
            except Exception as error:
                raise PointFailed(f"{futures[future]}: {type(error).__name__}: {error}") from error
            yield futures[future], measured
    finally:
        for future in futures:
            future.cancel()


def _at(measure: Callable[..., Any], given: Mapping[str, Any]) -> xr.Dataset:
    """What is measured at a point, in this process's memory, with the seconds it took."""
    start = time.monotonic()
    measured = measure(**given)
    if measured is None:
        measured = xr.Dataset()
    elif not isinstance(measured, xr.Dataset):
        measured = xr.Dataset({name: _variable(name, value) for name, value in measured.items()})
    return measured.assign_attrs(seconds=time.monotonic() - start)


def _variable(name: str, value: Any) -> tuple:
    axes, array, *attributes = value if isinstance(value, tuple) else (None, value)
    array = np.asarray(array)
    if array.dtype.kind not in "biufU":
        # JAX's short floating-point types are not NumPy's own, and every float32 holds them.
        array = array.astype(np.float32)
    if axes is None:
        axes = tuple(f"{name}_{i}" for i in range(array.ndim))
    return (axes, array, *attributes)


def _joined(labelled: Mapping[str, Any], found: Mapping[Point, xr.Dataset], coords: Mapping[str, Sequence]):
    """One Dataset of those of all points."""
    points = [point for point, measured in found.items() if measured.variables]
    if not points:
        raise ValueError("nothing was measured at any point: change `where`, or the sizes")
    # Axes with sizes of their own meet at equal sizes; the others at their first entry.
    bare = {dim for point in points for dim in found[point].dims if dim not in found[point].indexes}
    outer = xr.align(*(found[point] for point in points), join="outer", exclude=bare)
    aligned = dict(zip(points, outer, strict=True))
    variables = {name: None for measured in aligned.values() for name in measured.data_vars}
    parts = {name: _filled(name, labelled, aligned) for name in variables}
    inner = {name: one.coords[name] for one in aligned.values() for name in one.coords}
    sizes = {axis: list(sizes) for axis, sizes in labelled.items()}
    return xr.Dataset(parts, {**inner, **sizes, **coords})


def _filled(name: str, labelled: Mapping[str, Any], aligned: Mapping[Point, xr.Dataset]) -> tuple:
    """A variable on the whole grid: NaN, or no text, where it was not measured."""
    found = {point: measured[name] for point, measured in aligned.items() if name in measured}
    one, kinds = next(iter(found.values())), {variable.dims for variable in found.values()}
    if len(kinds) > 1 or set(one.dims) & set(labelled):
        raise ValueError(
            f"{name} has the axes {' and '.join(str(list(dims)) for dims in kinds)} at a point of the axes "
            f"{list(labelled)}; every point needs the same, with names of their own: rename them"
        )
    inner = np.max([variable.shape for variable in found.values()], axis=0).astype(int)
    outer = tuple(len(sizes) for sizes in labelled.values())
    whole = len(found) == np.prod(outer) and all(variable.shape == tuple(inner) for variable in found.values())
    dtype = np.result_type(*(variable.dtype for variable in found.values()))
    if not whole and dtype.kind not in "fU":
        dtype = np.dtype(float)
    values = np.full((*outer, *inner), "" if dtype.kind == "U" else np.nan if dtype.kind == "f" else 0, dtype)
    for point, variable in found.items():
        values[(*point.place, *(slice(length) for length in variable.shape))] = variable.to_numpy()
    return ((*labelled, *one.dims), values, one.attrs)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


def _code(measure: Callable[..., Any], settings: Mapping[str, Any]) -> str:
    """Changes with the code that leads to a measurement, with what it captures, and with what it runs on."""
    state = [jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision, str(jax.devices()[0])]
    name = getattr(measure, "__qualname__", str(measure))
    settings = {name: _captured(value) for name, value in settings.items()}
    return _digest(name, _source(measure), _closure(measure), settings, _library(), versions(), state)


def _source(measure: Callable[..., Any]) -> str:
    """The code before a measurement: a notebook's cells so far, each once, or the file that defines it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        return "\0".join(dict.fromkeys(shell.user_ns.get("In", ())))
    try:
        return Path(inspect.getsourcefile(inspect.unwrap(measure)) or "").read_text(encoding="utf-8")
    except (OSError, TypeError):
        return ""


def _closure(measure: Callable[..., Any]) -> dict[str, str]:
    """The values from outside that a function reads: two functions may share their code and not these."""
    function = inspect.unwrap(measure)
    if not inspect.isfunction(function):
        return {}
    outside = inspect.getclosurevars(function)
    return {name: _captured(value) for name, value in {**outside.globals, **outside.nonlocals}.items()}


def _captured(value: Any) -> str:
    """A value in words; arrays by their numbers, code by its name."""
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    if isinstance(value, np.ndarray | jax.Array) and np.dtype(value.dtype).kind in "biufc":
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    plain = isinstance(value, bool | int | float | str | tuple | None)
    return repr(value) if plain else getattr(value, "__qualname__", type(value).__qualname__)


@cache
def _library() -> str:
    """The digest of pcn_lib's sources."""
    files = sorted(PACKAGE.rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
