"""Numbers of other libraries, recorded with their versions, against this one's; weights that come and go."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.peers.__main__ import RECORDED, rows
from benchmarks.peers.ours import Setting, closed_form, predictive_coding
from benchmarks.peers.weights import LIBRARIES, layers_of, network_of, there_and_back
from pcn_lib.layers import Convolution
from pcn_lib.network import feedforward
from pcn_lib.parameterisation import Scales, mupc, ntp, sp


def recorded(name: str) -> list[list[str]]:
    with open(RECORDED / f"{name}.csv", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def here() -> dict[str, jax.Array]:
    return predictive_coding(Setting()) | closed_form(Setting())


@pytest.mark.parametrize("name", ["jpc", "pcx"])
def test_the_library_gives_the_numbers_that_others_gave(name, here):
    *numbers, versions = recorded(name)[1:]
    ours = {words: float(norm) for words, norm, *_ in rows(here, here)}
    assert name in versions[2] and len(numbers) >= 6
    for words, _, theirs, apart in numbers:
        np.testing.assert_allclose(ours[words], float(theirs), rtol=1e-12)
        assert float(apart) < 1e-13


def test_arrays_are_held_against_each_other_by_norm_and_by_direction():
    ((words, *norms, apart),) = rows({"gradient_1": np.array([3.0, 4.0])}, {"gradient_1": np.array([5.0, 0.0])})
    # |(2, -4)| / 5: of one length, and far apart.
    assert (words, norms, apart) == ("gradient of the weights of layer 2, its norm", ["5", "5"], "9e-01")


@pytest.mark.parametrize("parameterisation", [sp(), mupc(0.5), ntp()], ids=lambda table: table.name)
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_weights_given_are_those_of_the_function_whatever_the_multipliers(depth, parameterisation):
    rng = np.random.default_rng(0)
    sizes = [3, *[4] * (depth - 1), 2]
    shapes = [((above, below), (above,)) for below, above in zip(sizes[:-1], sizes[1:], strict=True)]
    layers = [tuple(jnp.asarray(rng.normal(size=shape)) for shape in pair) for pair in shapes]
    x = rng.normal(size=(5, 3))
    network = network_of(layers, jnp.tanh, parameterisation)
    h = x
    for place, (W, b) in enumerate(layers):
        h = (np.tanh(h) if place else h) @ np.asarray(W).T + np.asarray(b)
    np.testing.assert_allclose(feedforward(network, jnp.asarray(x)).output, h, rtol=1e-12)
    for given, back in zip(layers, layers_of(network), strict=True):
        for one, other in zip(given, back, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-14)


def library(name: str):
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[peers]'")


@pytest.mark.slow
@pytest.mark.parametrize("parameterisation", [sp(), mupc(0.5)], ids=lambda table: table.name)
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_model_comes_learns_and_goes_back(name, parameterisation):
    library(LIBRARIES[name][-1])
    before, after = there_and_back(name, parameterisation)
    assert before < 1e-13 and after < 1e-13


def test_the_recorded_weights_were_those_of_the_models():
    assert [row[0] for row in recorded("weights")[1:]] == list(LIBRARIES)
    assert all(float(apart) < 1e-13 for row in recorded("weights")[1:] for apart in row[1:3])


@pytest.mark.slow
def test_pytorchs_convolutions_and_gelu_are_these_with_other_axes_and_without_approximation():
    torch = library("torch")
    theirs = torch.nn.Conv2d(2, 3, 3, padding=1, bias=False).double()
    image = torch.randn(2, 5, 4, dtype=torch.float64)
    kernel = jnp.asarray(theirs.weight.detach().numpy().transpose(2, 3, 1, 0))
    ours = Convolution(kernel, Scales(1.0, 1.0, 1.0, 1.0))(jnp.asarray(image.numpy().transpose(1, 2, 0)))
    np.testing.assert_allclose(ours, theirs(image).detach().numpy().transpose(1, 2, 0), rtol=1e-12, atol=1e-14)
    h = np.linspace(-3, 3, 7)
    gelu = torch.nn.functional.gelu(torch.from_numpy(h)).numpy()
    np.testing.assert_allclose(jax.nn.gelu(jnp.asarray(h), approximate=False), gelu, rtol=1e-12)
    assert np.max(np.abs(jax.nn.gelu(jnp.asarray(h)) - gelu)) > 1e-5
