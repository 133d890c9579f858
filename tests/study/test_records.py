"""Labelled records come back from disk as they were, and damage is refused in one sentence."""

import numpy as np
import pytest
import xarray as xr

from pcn_lib.study import ResultError, grid, keep, load, provenance_of, recorded, save


@pytest.fixture
def record() -> xr.Dataset:
    def measure(width):
        return dict(a=np.nan if width == 2 else 1.5, flag=width > 2, word=f"w{width}", count=width, b=(("k",), [1, 2]))

    return grid(measure, width=(2, 4), coords=dict(k=["one", "two"])).assign_attrs(note="kept")


def test_a_record_comes_back_with_its_types_labels_and_attributes(record, tmp_path):
    again = load(save(record, tmp_path / "folder" / "record.nc"))
    assert again.identical(record)
    assert {name: again[name].dtype for name in again.variables} == {n: record[n].dtype for n in record.variables}
    assert provenance_of(again) == provenance_of(record)


def test_numbers_that_repeat_take_no_room(tmp_path):
    path = save(xr.Dataset({"a": ("x", np.zeros(100_000)), "b": ("x", np.zeros(100_000, int))}), tmp_path / "zeros.nc")
    assert path.stat().st_size < 50_000


def test_several_tables_come_back_as_a_tree(record, tmp_path):
    tree = xr.DataTree.from_dict({"one": record, "two": record[["a"]], "a": record})  # a table named as a variable is
    assert load(save(tree, tmp_path / "tree.nc")).identical(tree)
    assert provenance_of(tree) == provenance_of(record)


def test_any_changed_or_missing_byte_is_noticed(record, tmp_path):
    path = save(record, tmp_path / "record.nc")
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ResultError, match="make (it|the record) again"):
            load(path)
        path.write_bytes(content[:place])
        with pytest.raises(ResultError, match="again"):
            load(path)


def test_a_file_of_somebody_else_and_none_at_all_are_told_apart(record, tmp_path):
    record.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf")
    with pytest.raises(ResultError, match="was not written by save"):
        load(tmp_path / "theirs.nc")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "none.nc")


@pytest.mark.parametrize("wrong", [{"a": 1}, xr.Dataset({"a": 1j}), xr.Dataset({"a": ("x", [object()])})])
def test_what_would_not_come_back_is_not_written(wrong, tmp_path):
    with pytest.raises(ResultError):
        save(wrong, tmp_path / "wrong.nc")
    assert list(tmp_path.iterdir()) == []


def test_keep_writes_into_a_run_and_nowhere_else(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PCN_RUN_FOLDER", raising=False)
    keep(record, "study")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("PCN_RUN_FOLDER", str(tmp_path / "run"))
    keep(record, "study")
    assert load(tmp_path / "run" / "study.nc").identical(record)


def test_a_recorded_result_is_found_from_below_and_none_is_none(record, tmp_path, monkeypatch):
    save(record, tmp_path / "results" / "recorded" / "study.nc")
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path / "chapters")
    assert recorded("study").identical(record) and recorded("other") is None
