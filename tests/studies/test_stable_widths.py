"""Stability in width: exponents are fitted and counted rightly, and the theorem's conditions are needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import toy_task
from pcn_lib.network import MLP
from pcn_lib.parameterisation import Exponents, abcd, ntp
from pcn_lib.study import SettingsError, Sizes
from tests.studies.chapters import defined


@pytest.fixture
def names() -> dict:
    found = defined("stable_widths", profile="smoke")
    task = toy_task(0, inputs=4, samples=4)
    draw = jax.jit(lambda key, mlp, table: mlp.init(key, table, float), static_argnums=(1, 2))
    return found | dict(x=jnp.asarray(task.x), y=jnp.asarray(task.y), drawn=draw)


def resized(names: dict, **sizes) -> dict:
    """The chapter's functions with other sizes, and the small data set."""
    made = names | dict(sizes=Sizes("test", dict(names["sizes"]) | sizes))
    names["predicted"].__globals__.update(made)
    return made


def test_stable_is_less_than_not_exploding_and_a_frozen_prediction_is_not_stable(names):
    """By hand on four values of c: (1, -3/2) keeps features of order one and lets the prediction freeze."""
    d, c = (xr.DataArray(values, [(axis, values)]) for axis, values in (("d", [0, 0.5, 1]), ("c", [-2, -1.5, -1, 0])))
    theory = names["predicted"](d, c)
    so = {
        name: np.argwhere(one.transpose("d", "c").to_numpy()).tolist() for name, one in names["classes"](theory).items()
    }
    assert so["non-exploding"] == [[0, 3], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    assert so["stable"] == [[0, 3], [1, 2]]
    assert so["stable and non-lazy"] == [[1, 2]]


def test_an_exponent_is_that_of_the_geometric_mean_and_an_overflow_explodes(names):
    width, seed = dict(dims="width", coords={"width": [10, 100]}), dict(dims="seed")
    values = xr.DataArray([1.0, 50.0], **width) * xr.DataArray([1.0, 4.0], **seed)
    assert float(names["fitted"](values)) == pytest.approx(np.log10(50))
    overflowed = xr.Dataset(dict(features=names["fitted"](values * np.nan), prediction=names["fitted"](values**0)))
    assert not names["classes"](overflowed)["non-exploding"]


def moves(names: dict, table, widths, depth=3):
    """Movements after each step, and F*/Loss at the start; [width, seed, rule, step] and [width, seed]."""
    found = [[names["moved"]([table], MLP(4, width, depth), seed) for seed in range(names["sizes"].seeds)]
             for width in widths]  # fmt: skip
    get = lambda name: np.array([[one[name][1] for one in row] for row in found])  # noqa: E731
    return get("features")[:, :, :, 0], get("prediction")[:, :, :, 0], get("ratio")[..., 0]


def test_without_bounded_features_another_rate_moves_the_prediction_by_order_one(names):
    """(ii) alone does not fix c: at d = 5/2 and c = -4, where features explode, products of three changes take over."""
    widths = (64, 1024)
    small = resized(names, rate=1.0, steps=1, seeds=40)
    features, prediction, _ = moves(small, abcd(Exponents(d=2.5, c=-4.0)), widths)
    slope = lambda one: np.diff(np.log(one).mean(axis=1)[..., 0], axis=0)[0] / np.log(widths[1] / widths[0])  # noqa: E731
    # N^1 in the first layer, and in h_2 the product of two changes: another factor N^(1/2).
    np.testing.assert_allclose(slope(features), 1.5, atol=0.2)
    # To first order it would be -c - 2d = -1.
    np.testing.assert_allclose(slope(prediction), 0.0, atol=0.25)


@pytest.mark.parametrize("gamma_0", [1.0, 2.0])
def test_a_lazy_wide_network_has_the_energy_of_the_remark(gamma_0: float, names):
    """F*/Loss -> 1 / (1 + (L - 1) / gamma_0^2) as N grows."""
    *_, ratio = moves(resized(names, steps=1), ntp(gamma_0), (1024,))
    assert ratio.mean() == pytest.approx(1 / (1 + 2 / gamma_0**2), rel=0.1)


@pytest.mark.parametrize("ds", [(0.0, 1.0), (0.375, 0.5)], ids=["without muPC", "finer than fits can tell"])
def test_a_diagram_that_cannot_be_read_is_refused(ds):
    with pytest.raises(SettingsError, match=r"let d = 0\.5 and c = -1\.0 be among them, and give multiples of 0\.25"):
        defined("stable_widths", ds=ds)
