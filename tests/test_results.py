"""Records: what is written comes back, of the same types, or is refused in a sentence."""

import json
import math
from dataclasses import dataclass, fields, replace

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Float

from pcn_lib.files import write_atomically
from pcn_lib.results import Provenance, ResultError, load, load_provenance, provenance, save


@dataclass(frozen=True)
class Settings:
    seed: int = 3
    widths: tuple[int, ...] = (8, 16)
    rate: float | None = None


@dataclass(frozen=True)
class Curve:
    settings: Settings
    loss: Float[np.ndarray, "steps"]
    final: float
    word: str
    converged: bool
    parts: tuple[Settings, ...]
    pair: tuple[str, float]


def curve(**changed):
    plain = Curve(
        Settings(), np.array([1.0, np.nan, np.inf]), math.nan, "ü", True, (Settings(1), Settings(2)), ("a", 1.5)
    )
    return replace(plain, **changed)


HOW = provenance(Settings(), seconds=2.5, data_set="noise")


def test_a_record_comes_back_as_it_was_nan_and_nested_records_included(tmp_path):
    save(curve(), tmp_path / "width_0.5", HOW)
    found = load(Curve, tmp_path / "width_0.5")
    np.testing.assert_array_equal(found.loss, [1.0, np.nan, np.inf])
    assert math.isnan(found.final)
    assert replace(found, loss=0, final=0) == replace(curve(), loss=0, final=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["width_0.5.json", "width_0.5.npz"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_an_array_keeps_its_number_type(tmp_path, dtype):
    @dataclass(frozen=True)
    class One:
        array: np.ndarray

    save(One(jnp.ones((2, 3), dtype=dtype)), tmp_path / "one", HOW)
    found = load(One, tmp_path / "one").array
    assert found.dtype == dtype and found.shape == (2, 3) and isinstance(found, np.ndarray)


def test_provenance_comes_back_and_says_where_the_numbers_come_from(tmp_path):
    save(curve(), tmp_path / "a", HOW)
    found = load_provenance(tmp_path / "a")
    assert found == HOW
    assert (found.dtype, found.seeds, found.data_set, found.seconds) == ("float64", (3,), "noise", 2.5)
    assert {"python", "jax", "jaxlib", "flax", "optax", "numpy", "pcn_lib"} == {name for name, _ in found.versions}
    assert ("widths", "(8, 16)") in found.settings


def test_a_footer_shows_the_provenance_with_its_words_escaped():
    shown = replace(HOW, data_set="a < b")._repr_html_()
    assert "data: a &lt; b" in shown and "float64" in shown and "2.5 s" in shown


def test_settings_that_are_no_record_have_no_provenance():
    with pytest.raises(TypeError, match="pass the run's settings"):
        provenance([("seed", 1)], seconds=1.0)


def test_provenance_comes_back_from_a_line_of_text_and_another_text_is_refused():
    assert Provenance.from_json(HOW.as_json()) == HOW
    with pytest.raises(ValueError, match="a provenance with .* is needed"):
        Provenance.from_json('{"seeds": [1]}')


@pytest.mark.parametrize("unstorable", [{"a": 1}, [1, 2], print, np.array([None]), jnp.ones(2, jnp.bfloat16)])
def test_a_field_that_would_not_come_back_is_refused_by_its_place(tmp_path, unstorable):
    @dataclass(frozen=True)
    class One:
        inner: tuple

    with pytest.raises(ResultError, match=r"One\.inner\.0 holds"):
        save(One((unstorable,)), tmp_path / "one", HOW)
    assert not list(tmp_path.iterdir())


def test_a_record_that_can_change_is_refused(tmp_path):
    @dataclass
    class Loose:
        a: int = 1

    with pytest.raises(ResultError, match="frozen dataclass"):
        save(Loose(), tmp_path / "a", HOW)


def edited(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c.update(record="Other"), "holds a Other"),
        (lambda c: c["fields"].update(extra=1), "differs in extra"),
        (lambda c: c["fields"].pop("word"), "differs in word"),
        (lambda c: c["fields"].update(word=3), r"Curve\.word is stored as int; str is needed"),
        (lambda c: c["fields"]["settings"].update(seed="3"), r"Curve\.settings\.seed is stored as str"),
        (lambda c: c["fields"].update(pair=["a"]), "1 items; 2 are needed"),
        (lambda c: c.pop("fields"), "lacks fields"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_what_differs(tmp_path, change, words):
    edited(save(curve(), tmp_path / "a", HOW), change)
    with pytest.raises(ResultError, match=words):
        load(Curve, tmp_path / "a")


def test_a_half_written_file_is_refused_by_name(tmp_path):
    path = save(curve(), tmp_path / "a", HOW)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ResultError, match=r"a\.json is damaged"):
        load(Curve, tmp_path / "a")


def test_arrays_of_another_run_are_refused(tmp_path):
    save(curve(), tmp_path / "a", HOW)
    save(curve(loss=np.zeros(3)), tmp_path / "b", HOW)
    (tmp_path / "b.npz").replace(tmp_path / "a.npz")
    with pytest.raises(ResultError, match="two must come from one run"):
        load(Curve, tmp_path / "a")


def test_nothing_saved_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(Curve, tmp_path / "none")


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "sub" / "a", b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_every_field_of_a_provenance_is_written(tmp_path):
    stored = json.loads(save(curve(), tmp_path / "a", HOW).read_text())["provenance"]
    assert set(stored) == {field.name for field in fields(HOW)}
