"""Convolutional networks: certified trainings, the closed form, both protocols, and one's own folder of images."""

from dataclasses import fields, replace
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from pcn_lib.claims import convolutional_networks as claims
from pcn_lib.data import Selection
from pcn_lib.data.folder import FolderError, folder_images
from pcn_lib.experiments import convolutional_networks as study
from pcn_lib.experiments.convolutional_networks import PUBLISHED_STEPS, Record, Settings
from pcn_lib.experiments.linear_cnn import ClosedForm
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.trainings import Curves
from pcn_lib.figures import convolutional_networks as figures
from pcn_lib.results import provenance

SMALL = Settings(
    widths=(2, 16), wide=(64,), published=(16,), counts=(20, PUBLISHED_STEPS), enlarged=(1, 2), enlarged_width=2,
    linear=(2,), draws=4, samples=3, steps=2,
)  # fmt: skip


def curves_of(gaps: tuple[float, ...], steps: int) -> Curves:
    """Trainings just as theory has them: one minus the cosine is half the square of the gap."""
    ones = np.ones((1, len(gaps), steps))
    gap = ones * np.array(gaps)[None, :, None]
    angle = gap**2 / 2
    layers = np.repeat(angle[..., None], SMALL.depth, axis=-1)
    return Curves(1 - gap, ones, ones, angle, ones, layers, 1e-5 * ones, ones > 0, 3 * ones.astype(int))


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    made = provenance(SMALL, seconds=1.0, data_set="images made for a test (nowhere)", dtype="float32")
    linear = ClosedForm(np.array([[0.9], [1.0], [1.1], [1.0]]), np.array([1.01]), 1e-12, 1e-15)
    return Record(
        SMALL,
        made,
        (8, 8, 1),
        trained=curves_of((1 / 2, 1 / 16), SMALL.steps),
        wide=curves_of((1 / 64,), 1),
        predicted_gap=np.array([[1 / 64]]),
        stopped=curves_of((1 / 16,), 2),
        published=None,
        enlarged=curves_of((1 / 2, 1 / 8), 1),
        enlarged_rescaling=np.array([0.8, 0.2]),
        linear=linear,
    )


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()
    assert len(claims.claims(ideal)) == 11


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("certified equilibria", dict(wide=dict(converged=np.zeros((1, 1, 1), bool)))),
        ("the energy's gap to the loss", dict(wide=dict(energy=np.full((1, 1, 1), 0.97)))),
        ("gradients align as 1/N²", dict(wide=dict(one_minus_cosine=np.full((1, 1, 1), 1e-3)))),
        ("a narrow network: one gradient", dict(trained=dict(one_minus_cosine=np.full((1, 2, 2), 1e-4)))),
        ("a few sweeps are enough", dict(wide=dict(inference_steps=np.full((1, 1, 1), 6)))),
        ("200 steps come close in a shallow network", dict(stopped=dict(energy=np.full((1, 1, 2), 0.7)))),
        ("the closed form is the equilibrium", dict(linear=dict(difference=1e-8))),
        ("rescaling of a linear CNN", dict(linear=dict(expected=np.array([1.3])))),
        (
            "larger images bring predictive coding closer to backpropagation",
            dict(enlarged=dict(energy=np.full((1, 2, 1), 0.5))),
        ),
    ],
)
def test_a_measurement_that_contradicts_a_claim_fails_it(ideal: Record, name: str, change: dict):
    parts = {part: replace(getattr(ideal, part), **values) for part, values in change.items()}
    assert name in failing(replace(ideal, **parts))


def test_a_wider_network_with_a_smaller_cosine_fails_the_order(ideal: Record):
    upside_down = replace(ideal.trained, one_minus_cosine=ideal.trained.one_minus_cosine[:, ::-1])
    assert "the cosine rises with width" in failing(replace(ideal, trained=upside_down))


@pytest.mark.parametrize("draw", [figures.training, figures.limit, figures.layers, figures.closed_form])
def test_a_figure_names_the_data_set_really_used(ideal: Record, draw):
    assert "images made for a test" in draw(ideal).caption


def test_a_recorded_run_is_drawn_beside_this_one(ideal: Record):
    shown = {text.get_text() for axes in figures.limit(ideal, ideal).figure.axes for text in axes.get_legend().texts}
    assert "recorded: full size, images made for a test" in shown


def test_the_table_sets_every_count_beside_the_certified_equilibrium(ideal: Record):
    names = [row[0] for row in figures.protocols(ideal).rows]
    assert names == ["N = 16, 20 steps", "N = 16, 200 steps", "N = 16, certified, 3 sweeps"]
    assert len(figures.layer_names(ideal)) == SMALL.depth


def test_settings_that_make_no_study_are_refused():
    with pytest.raises(SettingsError, match="add 200"):
        Settings(counts=(10,))
    with pytest.raises(SettingsError, match="tanh, relu"):
        study.preset("quick", activation="gelu")
    with pytest.raises(SettingsError, match="choose one not in widths"):
        replace(SMALL, wide=SMALL.widths)


def test_a_rate_is_not_claimed_from_a_single_width(ideal: Record):
    alone = replace(ideal, settings=replace(SMALL, widths=(2, 4), published=(2,)))
    names = {claim.name for claim in claims.claims(alone)}
    assert "the energy's gap to the loss" in names and "energies become losses as 1/N" not in names


@pytest.mark.slow
def test_every_quantity_is_certified_and_both_trainings_start_alike():
    # Optax's Adam raises a Python float to an integer power, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        record = study.run(SMALL)
    np.testing.assert_array_equal(record.trained.pc_loss[..., 0], record.trained.bp_loss[..., 0])
    assert record.trained.converged.all() and record.wide.converged.all()
    assert np.all(record.trained.gap > 0) and record.trained.layers.shape == (1, 2, 2, 7)
    assert record.linear.difference < 1e-10
    # After enough steps the published protocol ends where certified inference does.
    np.testing.assert_allclose(record.stopped.gap[0, 0, -1], record.trained.gap[0, 1, 0], rtol=0.1)
    assert {getattr(record.start, field.name).shape[1] for field in fields(Curves)} == {3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of plain images of different sizes: red is class b, grey ramps are class a."""
    for name, count in (("a", 3), ("b", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = np.zeros((20 + 4 * i, 30, 3), np.uint8)
            pixels[:, 10:20] = 255 if name == "a" else (255, 0, 0)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    return tmp_path


def test_a_folder_of_images_is_cut_standardised_and_labelled_by_its_sub_folders(folder: Path):
    data = folder_images(folder, Selection(5, flat=False), pixels=16)
    assert data.x.shape == (5, 16, 16, 3) and data.labels == ("a", "b")
    np.testing.assert_allclose(data.x.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(data.x.std(axis=(0, 1, 2)), 1, rtol=1e-12)
    assert data.y.sum(axis=0).tolist() == [3, 2]
    # The middle of every image is bright in red; blue is bright where the class is a.
    middle = data.x[:, 8, 8]
    assert np.all(middle[:, 0] > 0) and np.array_equal(middle[:, 2] > 0, data.y[:, 0] == 1)
    assert "5 images" in data.note and "2 classes" in data.note
    few = folder_images(folder, Selection(2), pixels=16)
    assert few.x.shape == (2, 16 * 16 * 3) and few.sha256 != data.sha256


def test_a_folder_that_holds_no_classes_is_refused_with_what_to_do(folder: Path, tmp_path: Path):
    with pytest.raises(FolderError, match="no folder"):
        folder_images(tmp_path / "nowhere", Selection(1))
    with pytest.raises(FolderError, match="in 0 sub-folders"):
        folder_images(folder / "a", Selection(1))
    with pytest.raises(FolderError, match="holds 5 images"):
        folder_images(folder, Selection(6))
    with pytest.raises(FolderError, match="no test split"):
        folder_images(folder, Selection(1, test=True))
    (folder / "b" / "0.png").write_bytes(b"broken")
    with pytest.raises(FolderError, match="cannot be read"):
        folder_images(folder, Selection(5), pixels=16)
    with pytest.raises(FolderError, match="no folder"):
        study.load(replace(SMALL, folder=str(tmp_path / "nowhere")))
