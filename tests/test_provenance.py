"""How a record came about: collected, written on one line, read again, and shown."""

import json
import os
from dataclasses import dataclass, fields, replace

import pytest

from pcn_lib.files import write_atomically
from pcn_lib.provenance import Provenance, ResultError, provenance, provenance_of


@dataclass(frozen=True)
class Settings:
    seed: int = 3
    widths: tuple[int, ...] = (8, 16)
    rate: float | None = None


HOW = provenance(Settings(), seconds=2.5, data_set="noise")


def test_provenance_says_where_the_numbers_come_from():
    assert (HOW.dtype, HOW.seeds, HOW.data_set, HOW.seconds) == ("float64", (3,), "noise", 2.5)
    assert {"python", "jax", "jaxlib", "flax", "optax", "numpy", "pcn_lib"} == {name for name, _ in HOW.versions}
    assert ("widths", "(8, 16)") in HOW.settings


def test_a_footer_shows_the_provenance_with_its_words_escaped():
    shown = replace(HOW, data_set="a < b")._repr_html_()
    assert "data: a &lt; b" in shown and "float64" in shown and "2.5 s" in shown


def test_settings_that_are_no_record_have_no_provenance():
    with pytest.raises(TypeError, match="pass the run's settings"):
        provenance([("seed", 1)], seconds=1.0)


def test_provenance_comes_back_from_a_line_of_text_and_another_text_is_refused():
    assert Provenance.from_json(HOW.as_json()) == HOW
    assert set(json.loads(HOW.as_json())) == {field.name for field in fields(HOW)}
    with pytest.raises(ValueError, match="a provenance with .* is needed"):
        Provenance.from_json('{"seeds": [1]}')


def test_a_record_without_provenance_is_refused():
    with pytest.raises(ResultError, match="a Settings without provenance given"):
        provenance_of(Settings())


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "sub" / "a", b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_with_the_next_write_and_nothing_else_does(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    for name in ("a", "a", "b"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("os.replace", killed)
            patched.setattr("os.unlink", killed)
            write_atomically(tmp_path / name, b"half")
    abandoned, under_way, of_another = sorted(tmp_path.iterdir(), key=lambda path: path.name[:3])
    for path in (abandoned, of_another):
        os.utime(path, (0, 0))
    path = write_atomically(tmp_path / "a", b"whole")
    assert set(tmp_path.iterdir()) == {path, under_way, of_another} and path.read_bytes() == b"whole"


@pytest.mark.parametrize(
    "origin, commit",
    [
        ({"vcs_info": {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "main"}}, "c0ffee"),
        ({"dir_info": {"editable": True}}, ""),
        (None, ""),
    ],
)
def test_code_that_pip_installed_from_a_repository_knows_its_commit(tmp_path, monkeypatch, origin, commit):
    made, package = tmp_path / "pcn_lib-9.dist-info", tmp_path / "pcn_lib"
    made.mkdir()
    package.mkdir()
    (made / "METADATA").write_text("Name: pcn-lib\nVersion: 9\n")
    if origin is not None:
        (made / "direct_url.json").write_text(json.dumps({"url": "https://x.org/y"} | origin))
    monkeypatch.syspath_prepend(tmp_path)
    # Where another copy runs than the one that is installed, nothing is known of it.
    for running, known in ((tmp_path / "elsewhere" / "pcn_lib", ""), (package, commit)):
        monkeypatch.setattr("pcn_lib.provenance.PACKAGE", running)
        how = provenance(Settings(), seconds=1.0)
        assert (how.commit, how.dirty) == (known, False)
