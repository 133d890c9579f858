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
from pcn_lib.experiments.large_images import LargeImages
from pcn_lib.experiments.linear_cnn import ClosedForm
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.trainings import Curves
from pcn_lib.figures import convolutional_networks as figures
from pcn_lib.results import provenance

SMALL = Settings(
    widths=(2, 16), wide=(64,), published=(16,), counts=(20, PUBLISHED_STEPS), enlarged=(1, 2), enlarged_width=2,
    linear=(2,), draws=4, samples=3, steps=2, large_widths=(2, 16),
)  # fmt: skip


def curves_of(gaps: tuple[float, ...], steps: int) -> Curves:
    """Trainings just as theory has them: one minus the cosine is half the square of the gap."""
    ones = np.ones((1, len(gaps), steps))
    gap = ones * np.array(gaps)[None, :, None]
    angle = gap**2 / 2
    layers = np.repeat(angle[..., None], SMALL.depth, axis=-1)
    return Curves(1 - gap, ones, ones, angle, ones, layers, 1e-5 * ones, ones > 0, 3 * ones.astype(int))


def draws_of(cosines: list[list[float]], residuals: list[list[float]]) -> Curves:
    """First steps with given cosines and residuals, axes [draws, widths]."""
    angles = 1 - np.array(cosines)[..., None]
    ones, layers = np.ones_like(angles), np.repeat(angles[..., None], SMALL.depth, axis=-1)
    residual = np.array(residuals)[..., None]
    return Curves(ones, ones, ones, angles, ones, layers, residual, ones > 0, 3 * ones.astype(int))


def large_of(side: int = 16) -> LargeImages:
    certified = draws_of([[0.9999, 0.99999]] * 4, [[1e-5, 1e-5]] * 4)
    stopped = draws_of(
        [[-0.15, 0.998], [-0.2, 0.997], [0.999, 0.996], [-0.22, 0.997]],
        [[99, 0.02], [150, 0.02], [0.02, 0.02], [88, 0.02]],
    )
    trained = curves_of((0.01,), SMALL.large_steps)
    return LargeImages(side, certified, stopped, trained, trained)


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
        large=large_of(),
        linear=linear,
    )


@pytest.fixture
def figure(ideal: Record) -> Record:
    """The same with images of the published size."""
    settings = replace(SMALL, large_widths=(2, 16), large_draws=4)
    return replace(ideal, settings=settings, large=large_of(224))


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


LARGE = {
    "large images: one gradient at any width",
    "a descent that diverges has no gradient to show",
    "the published curve of two channels",
    "in wide networks on large images the count is what shows",
}


def test_what_the_published_picture_shows_is_claimed_of_images_of_its_size_only(ideal: Record, figure: Record):
    names = {claim.name for claim in claims.claims(figure)}
    assert names >= LARGE and failing(figure) == set()
    assert not LARGE & {claim.name for claim in claims.claims(ideal)} and study.comparison(ideal) == ()


@pytest.mark.parametrize(
    ("part", "cosines", "broken"),
    [
        ("certified", [[0.9, 0.99999]] * 4, {"large images: one gradient at any width"}),
        # One draw that diverges and still has the gradient: the others alone are near the published value.
        ("stopped", [[0.99, 0.99], [-0.2, 0.99], [0.99, 0.99], [-0.19, 0.99]],
         {"a descent that diverges has no gradient to show"}),
        ("stopped", [[0.2, 0.99], [0.21, 0.99], [0.99, 0.99], [0.19, 0.99]], {"the published curve of two channels"}),
        ("stopped", [[-0.19, 0.99999]] * 4, {"in wide networks on large images the count is what shows"}),
    ],
)  # fmt: skip
def test_large_images_that_show_something_else_fail_their_claim(figure: Record, part, cosines, broken):
    curves = getattr(figure.large, part)
    changed = replace(curves, one_minus_cosine=1 - np.array(cosines)[..., None])
    assert failing(replace(figure, large=replace(figure.large, **{part: changed}))) == broken


def test_the_comparison_sets_both_protocols_beside_the_published_values(figure: Record):
    rows = {(row.protocol, row.width, row.step): row for row in study.comparison(figure)}
    start = rows["200 steps", 2, 0]
    assert (start.figure, start.published, start.runs) == ("4b", -0.19, 4)
    assert start.mean == pytest.approx((-0.15 - 0.2 + 0.999 - 0.22) / 4)
    band = rows["certified", 16, 0]
    assert (band.published, band.reading_error) == pytest.approx((0.985, 0.015))
    assert ("200 steps, trained", 2, 0) in rows and np.isnan(rows["200 steps, trained", 2, 0].scatter)
    assert (
        len(figures.against_figure(figure).rows) == 6
        and len(figures.against_figure(replace(figure, large=large_of())).rows) == 1
    )
    assert (
        "crosses" in figures.large(figure).caption
        and "crosses" not in figures.large(replace(figure, large=large_of())).caption
    )


def test_each_draw_of_large_images_has_its_own_images_and_weights_and_the_authors_preparation(monkeypatch):
    made = {}

    def measured(problem, widths, draws, solvers, training):
        made.update({draw: problem(2, draw) for draw in range(draws)})
        return large_of()

    monkeypatch.setattr(study, "measure_large", measured)
    settings = replace(SMALL, large=3, large_draws=2, large_samples=5)
    study._large(settings, study.Adam(1e-3))
    assert [made[draw].x.shape for draw in (0, 1)] == [(5, 24, 24, 1)] * 2
    assert not np.array_equal(made[0].x, made[1].x)
    assert not np.array_equal(*(made[draw].network.readout.weight[...] for draw in (0, 1)))
    # In [-1, 1], and each pixel stands for three by three.
    x = np.asarray(made[0].x)
    assert -1 <= x.min() < x.max() <= 1
    np.testing.assert_array_equal(x[:, ::3, ::3], x[:, 2::3, 1::3])


def test_a_wider_network_with_a_smaller_cosine_fails_the_order(ideal: Record):
    upside_down = replace(ideal.trained, one_minus_cosine=ideal.trained.one_minus_cosine[:, ::-1])
    assert "the cosine rises with width" in failing(replace(ideal, trained=upside_down))


@pytest.mark.parametrize("draw", [figures.training, figures.limit, figures.layers, figures.closed_form, figures.large])
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
    with pytest.raises(ValueError, match="did you mean 'authors'"):
        study.preset("quick", preparation="author")
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
    # After enough steps gradient descent ends where certified inference does.
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
