"""The authors' preparation of images, each step against an independent computation."""

import colorsys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from pcn_lib.data import IMAGES, Preparation, Selection, UnknownPreparation, images, photographs, sources
from pcn_lib.data import preparation as module
from pcn_lib.data.folder import folder_images
from pcn_lib.data.sources import ImageSet, Split

LABELS = tuple("0123456789")


def image_set(pixels: np.ndarray, labels: np.ndarray) -> ImageSet:
    split = Split(pixels, labels)
    return ImageSet("made up", LABELS, 255, split, split, "test", "0")


@pytest.fixture
def coloured(monkeypatch) -> ImageSet:
    """Forty small photographs in three colours, as CIFAR-10."""
    rng = np.random.default_rng(0)
    found = image_set(rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8), np.arange(40) % 10)
    monkeypatch.setitem(IMAGES, "cifar10", lambda: found)
    return found


@pytest.fixture
def grey(monkeypatch) -> ImageSet:
    rng = np.random.default_rng(1)
    found = image_set(rng.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8), np.arange(30) % 10)
    for name in ("fashion_mnist", "mnist"):
        monkeypatch.setitem(IMAGES, name, lambda: found)
    return found


@pytest.mark.parametrize("top, left", [(0, 0), (8, 8), (4, 4), (1, 6)])
def test_a_crop_is_a_shift_into_black(top: int, left: int):
    image = np.random.default_rng(0).integers(1, 256, (8, 8, 3), dtype=np.uint8)
    shifted = ndimage.shift(image, (4 - top, 4 - left, 0), order=0, cval=0)
    np.testing.assert_array_equal(module.cropped(image, 4, top, left), shifted)


@pytest.mark.parametrize("degrees", [-10.0, -3.3, 0.0, 1.7, 7.9, 10.0])
def test_a_rotation_is_pillows(degrees: float):
    image = np.random.default_rng(2).integers(1, 256, (32, 32, 3), dtype=np.uint8)
    # Pillow's own arithmetic is in fixed point: a pixel on the border between two may come from either.
    differ = module.rotated(image, degrees) != np.asarray(Image.fromarray(image).rotate(degrees))
    assert differ.any(axis=-1).mean() < 0.01


def test_a_rotation_is_counter_clockwise():
    image = np.zeros((33, 33, 1), np.uint8)
    image[16, 30] = 255  # to the right of the middle
    row, column = np.argwhere(module.rotated(image, 90.0)[..., 0])[0]
    assert (row, column) == (2, 16)  # above it


def test_without_augmentation_an_input_is_the_pixel_on_another_scale(grey: ImageSet):
    for name, mean, deviation in (("fashion_mnist", 0.5, 0.5), ("mnist", 0.1307, 0.3081)):
        found = images(name, Selection(30, 3, flat=False), preparation=Preparation.AUTHORS)
        order = np.random.default_rng(3).permutation(30)
        expected = (grey.train.images[order].astype(float) / 255 - mean) / deviation
        np.testing.assert_allclose(found.x, expected, rtol=1e-13, atol=1e-13)


def test_second_moment_and_alignment_are_those_of_the_raw_pixels(grey: ImageSet):
    """Exact fractions of whole numbers, and no array library."""
    found = images("fashion_mnist", Selection(30), preparation=Preparation.AUTHORS)
    raw, labels = grey.train.images.reshape(30, -1).astype(int).tolist(), grey.train.labels.tolist()
    inputs = len(raw[0])
    scaled = [[Fraction(2 * p, 255) - 1 for p in row] for row in raw]
    second = sum(x * x for row in scaled for x in row) / (30 * inputs)
    assert np.mean(found.x**2) == pytest.approx(float(second), rel=1e-12)

    sums = [[sum(row[i] for row, label in zip(scaled, labels, strict=True) if label == k) for i in range(inputs)]
            for k in range(10)]  # fmt: skip
    cross = sum(value**2 for row in sums for value in row) / 30**2
    covariance = sum(Fraction(labels.count(k), 30) ** 2 for k in range(10))
    q = float(cross / inputs / covariance)
    measured = np.sum((found.y.T @ found.x / 30) ** 2) / inputs / np.sum((found.y.T @ found.y / 30) ** 2)
    assert measured == pytest.approx(q, rel=1e-12)


def test_the_second_moment_of_crops_is_the_mean_over_all_81_of_them(coloured: ImageSet):
    """Flips move no pixel out of the picture; rotations are left out, which have no such closed form."""
    chosen = module.Recipe("crops", (0.5,) * 3, (0.5,) * 3, padding=4, flip=True)
    pixels = coloured.train.images
    every = [(2 * module.cropped(image, 4, top, left) / 255 - 1) ** 2
             for image in pixels for top in range(9) for left in range(9)]  # fmt: skip
    batches = [np.mean(module.prepare(pixels, 255, chosen, np.random.default_rng(s)) ** 2) for s in range(60)]
    error = np.std(batches, ddof=1) / 60**0.5
    assert np.mean(batches) == pytest.approx(np.mean(every), abs=4 * error)
    assert error < 0.01


def test_half_are_mirrored_and_angles_are_uniform(coloured: ImageSet, monkeypatch):
    angles = []
    monkeypatch.setattr(module, "rotated", lambda image, degrees: angles.append(degrees) or image)
    chosen = module.Recipe("flips", (0.0,) * 3, (1.0,) * 3, flip=True, degrees=10.0)
    pixels = np.repeat(coloured.train.images[:1], 2000, axis=0)
    made = module.prepare(pixels, 255, chosen, np.random.default_rng(0)) * 255
    mirrored = np.mean([np.array_equal(image, pixels[0][:, ::-1]) for image in np.rint(made)])
    assert mirrored == pytest.approx(0.5, abs=4 * 0.5 / 2000**0.5)
    assert -10 <= min(angles) < -9.5 and 9.5 < max(angles) < 10
    assert np.mean(angles) == pytest.approx(0, abs=4 * 10 / 3**0.5 / 2000**0.5)


def test_a_larger_batch_begins_with_the_smaller_one_and_a_seed_is_another_batch(coloured: ImageSet):
    few, more, other = (
        images("cifar10", Selection(n, seed), preparation=Preparation.AUTHORS).x
        for n, seed in ((5, 0), (12, 0), (5, 1))
    )
    np.testing.assert_array_equal(few, more[:5])
    assert not np.array_equal(few, other)


def test_images_for_testing_are_not_augmented(coloured: ImageSet):
    found = images("cifar10", Selection(40, 2, test=True, flat=False), preparation=Preparation.AUTHORS)
    order = np.random.default_rng(2).permutation(40)
    np.testing.assert_allclose(found.x, coloured.test.images[order] / 255 * 2 - 1, atol=1e-12)


def test_the_authors_recipe_is_the_one_of_the_same_name(coloured: ImageSet):
    by_author, by_name = (
        images("cifar10", Selection(6), preparation=p).x for p in (Preparation.AUTHORS, Preparation.CIFAR10)
    )
    np.testing.assert_array_equal(by_author, by_name)


def test_wrong_preparations_get_one_sentence(grey: ImageSet):
    with pytest.raises(UnknownPreparation, match="did you mean 'authors'"):
        Preparation.named("author")
    with pytest.raises(UnknownPreparation, match="1 channel; it is made for 3"):
        images("fashion_mnist", Selection(4), preparation=Preparation.CIFAR10)


def test_every_set_of_the_data_room_has_a_recipe_of_the_authors():
    assert set(module.OF_AUTHORS) == set(IMAGES)
    assert sources.digits().train.images.shape[-1] == 1


# Photographs, with Pillow.


@pytest.fixture
def photograph() -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8))


def test_a_random_part_lies_inside_and_has_the_areas_and_ratios_of_imagenet():
    rng = np.random.default_rng(0)
    parts = np.array([photographs.random_part((400, 400), rng) for _ in range(3000)])
    width, height = parts[:, 2] - parts[:, 0], parts[:, 3] - parts[:, 1]
    assert (parts[:, :2] >= 0).all() and (parts[:, 2] <= 400).all() and (parts[:, 3] <= 400).all()
    share, ratio = width * height / 160_000, width / height
    assert 0.075 < share.min() < 0.09 and share.max() <= 1.0
    assert 0.73 < ratio.min() < 0.77 and 1.30 < ratio.max() < 1.37
    # The logarithm of the ratio is uniform: as many upright as lying.
    assert np.mean(ratio > 1) == pytest.approx(0.5, abs=0.06)


def test_a_photograph_too_narrow_for_any_part_gives_its_middle(monkeypatch):
    monkeypatch.setattr(photographs, "TRIES", 0)
    assert photographs.random_part((100, 1000), np.random.default_rng(0)) == (0, 433, 100, 566)


def test_colours_change_as_their_definitions_say(photograph: Image.Image):
    """Blends of the photograph with black, with its mean grey, and with its own grey."""
    pixels = np.asarray(photograph).astype(float)
    luma = np.asarray(photograph.convert("L")).astype(float)
    for enhancer, other in (
        (ImageEnhance.Brightness, 0.0),
        (ImageEnhance.Contrast, np.floor(luma.mean() + 0.5)),
        (ImageEnhance.Color, luma[..., None]),
    ):
        expected = np.clip(other + 0.7 * (pixels - other), 0, 255)
        assert np.abs(np.asarray(enhancer(photograph).enhance(0.7)) - expected).max() <= 1.01


def test_a_hue_is_turned_by_a_share_of_its_circle():
    image = Image.fromarray(np.full((2, 2, 3), (200, 40, 40), np.uint8))
    turned = np.asarray(photographs.with_hue_turned(image, 0.1))[0, 0] / 255
    hue, saturation, value = colorsys.rgb_to_hsv(*(np.array((200, 40, 40)) / 255))
    np.testing.assert_allclose(turned, colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, value), atol=0.02)


def test_jitter_turns_the_hue_by_a_tenth_at_most_and_scales_by_four_tenths(photograph: Image.Image, monkeypatch):
    turns, factors = [], []
    monkeypatch.setattr(photographs, "with_hue_turned", lambda image, turn: turns.append(turn) or image)
    monkeypatch.setattr(ImageEnhance._Enhance, "enhance", lambda self, factor: factors.append(factor) or self.image)
    rng = np.random.default_rng(0)
    for _ in range(500):
        photographs.jittered(photograph, rng)
    assert -0.1 <= min(turns) < -0.095 and 0.095 < max(turns) <= 0.1 and len(turns) == 500
    assert 0.6 <= min(factors) < 0.61 and 1.39 < max(factors) <= 1.4 and len(factors) == 1500


def test_a_folder_prepared_as_the_authors_do_is_scaled_by_imagenets_numbers(tmp_path, photograph: Image.Image):
    for kind, colour in (("a", 255), ("b", 0)):
        (tmp_path / kind).mkdir()
        for i in range(2):
            Image.new("RGB", (50, 40), (colour,) * 3).save(tmp_path / kind / f"{i}.png")
    found = folder_images(tmp_path, Selection(4, flat=False), 16, Preparation.AUTHORS)
    assert found.x.shape == (4, 16, 16, 3)
    black = found.x[found.y[:, 1] == 1]
    np.testing.assert_allclose(black, np.broadcast_to(-np.array((0.485 / 0.229, 0.456 / 0.224, 0.406 / 0.225)),
                                                      black.shape))  # fmt: skip
    few = folder_images(tmp_path, Selection(2, flat=False), 16, Preparation.AUTHORS)
    np.testing.assert_array_equal(few.x, found.x[:2])
    with pytest.raises(UnknownPreparation, match="folder of photographs"):
        folder_images(tmp_path, Selection(2), 16, Preparation.MNIST)
