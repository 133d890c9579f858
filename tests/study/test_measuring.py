"""A grid measures every point once, names its axes, says which point failed, and goes on where it stopped."""

from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.study import PointFailed, grid, provenance_of


def measure(depth, width, seed):
    """A number that tells its point, an axis as long as the network is deep, and words."""
    return dict(
        place=100 * depth + width + seed / 10, layers=(("layer",), jnp.arange(depth, dtype=float)), name=f"L{depth}"
    )


SIZES = dict(depth=(2, 4), width=(8, 16, 32), seed=range(2))


def test_every_point_stands_at_its_labels_with_the_axes_in_the_order_given():
    record = grid(measure, **SIZES)
    assert record.place.dims == ("depth", "width", "seed")
    for depth, width, seed in ((2, 8, 0), (4, 16, 1), (2, 32, 1)):
        point = record.sel(depth=depth, width=width, seed=seed)
        assert float(point.place) == 100 * depth + width + seed / 10 and str(point.name.item()) == f"L{depth}"
    assert record.layers.dims == ("depth", "width", "seed", "layer")
    np.testing.assert_array_equal(record.layers.sel(depth=2)[0, 0], [0, 1, np.nan, np.nan])


def test_what_is_not_measured_is_nan_whether_left_out_or_declined():
    left_out = grid(measure, **SIZES, where=lambda depth, width, seed: width != 16)
    declined = grid(lambda **point: None if point["width"] == 16 else measure(**point), **SIZES)
    for record in (left_out, declined):
        assert np.isnan(record.place.sel(width=16)).all() and not np.isnan(record.place.sel(width=8)).any()
        assert (record.name.sel(width=16) == "").all()


def test_an_axis_of_the_measurement_gets_its_coordinates_and_attributes():
    values = lambda width: dict(loss=(("step",), width * np.ones(3), {"units": "nats"}))  # noqa: E731
    record = grid(values, width=(2, 3), coords=dict(step=[0, 50, 100]))
    assert float(record.loss.sel(width=3, step=50)) == 3 and record.loss.attrs == {"units": "nats"}


def test_a_mapping_labels_what_is_no_size_and_a_dataset_brings_its_own_coordinates():
    rows = {"double": lambda x: 2 * x, "square": lambda x: x**2}
    record = grid(lambda row: xr.Dataset(dict(y=("x", row(np.array([1, 3])))), dict(x=[1, 3])), row=rows)
    assert int(record.y.sel(row="square", x=3)) == 9 and int(record.y.sel(row="double", x=3)) == 6
    with pytest.raises(ValueError, match="give a mapping from words"):
        grid(lambda row: dict(y=1), row=rows.values())


@pytest.mark.parametrize(
    "axes, sentence", [({}, "no axes"), ({"width": ()}, "one size or more"), ({"width": (2, 2)}, "once")]
)
def test_axes_that_are_none_are_refused(axes, sentence):
    with pytest.raises(ValueError, match=sentence):
        grid(lambda width: dict(a=1), **axes)


def test_points_that_do_not_fit_together_are_refused_by_the_variables_name():
    with pytest.raises(ValueError, match="a has the axes"):
        grid(lambda width: dict(a=(("x",), np.ones(2)) if width > 2 else 1.0), width=(2, 3))


@pytest.mark.parametrize("workers", [None, 2])
def test_a_failure_names_its_point_and_has_its_cause(workers):
    def fails(width, seed):
        if (width, seed) == (3, 1):
            raise ZeroDivisionError("no")
        return dict(a=width)

    executor = ThreadPoolExecutor(workers) if workers else None
    with pytest.raises(PointFailed, match="width=3, seed=1: ZeroDivisionError: no") as failure:
        grid(fails, width=(2, 3), seed=(0, 1), executor=executor)
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_an_executor_changes_nothing_but_who_computes():
    with ThreadPoolExecutor(3) as executor:
        there = grid(measure, **SIZES, executor=executor)
    assert there.drop_attrs().identical(grid(measure, **SIZES).drop_attrs())


def test_finished_points_are_used_again_until_the_record_is_whole(tmp_path):
    done, broken = [], [True]

    def counted(width):
        if width == 4 and broken:
            raise RuntimeError
        done.append(width)
        return dict(a=width)

    # `broken` must not count as code: it is a list, known by its type.
    for _ in range(2):
        with pytest.raises(PointFailed):
            grid(counted, width=(2, 3, 4), points_folder=tmp_path)
    assert done == [2, 3]
    broken.clear()
    assert grid(counted, width=(2, 3, 4), points_folder=tmp_path).a.to_numpy().tolist() == [2, 3, 4]
    assert done == [2, 3, 4] and list(tmp_path.iterdir()) == []


def test_a_point_of_another_function_or_with_other_settings_is_not_used(tmp_path):
    def made(factor):
        def scaled(width):
            if width == 9:
                raise RuntimeError
            return dict(a=factor * width)

        return scaled

    for factor, settings in ((2, {}), (3, {}), (3, {"rate": 0.5})):
        with pytest.raises(PointFailed):
            grid(made(factor), width=(1, 9), points_folder=tmp_path, settings=settings)
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(PointFailed):
        grid(made(2), width=(1, 9), points_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_record_says_how_it_came_about():
    made = provenance_of(grid(measure, **SIZES, data="Gaussian noise", settings={"rate": 0.1}))
    assert made.data_set == "Gaussian noise" and made.seeds == (0, 1) and made.dtype == "float64"
    assert dict(made.settings) == {"depth": "2, 4", "width": "8, 16, 32", "seed": "0, 1", "rate": "0.1"}
    together = grid(lambda width: dict(loss=("seed", np.zeros(3))), width=(8,), coords=dict(seed=range(4, 7)))
    assert provenance_of(together).seeds == (4, 5, 6)
