"""Gains of activation functions: against integrals by hand, and in every way of drawing a layer."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pcn_lib.gains import GAINS, gaussian_gain, usual_gain
from pcn_lib.layers import draw_convolution, draw_dense, draw_wrapped
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Role, mupc_convolutional, mupc_skips

#: E[phi(u)^2] of a standard normal u in closed form.
SQUARES = {
    identity: 1.0,
    jax.nn.relu: 1 / 2,
    lambda u: jnp.where(u > 0, u, u / 10): (1 + 0.01) / 2,
    jnp.sin: (1 - math.exp(-2)) / 2,
    jnp.square: 3.0,
    # 1 - 2 phi(1): a Gaussian cut off at +-1 has this, and the tails count as 1.
    lambda u: jnp.clip(u, -1, 1): 1 - 2 * math.exp(-1 / 2) / math.sqrt(2 * math.pi),
    jnp.exp: math.exp(2),
    np.sign: 1.0,
}


@pytest.mark.parametrize(("activation", "square"), SQUARES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_gain_is_one_over_the_root_mean_square_of_the_activation_of_a_gaussian(activation, square):
    assert gaussian_gain(activation) == pytest.approx(square**-0.5, rel=1e-10)


def gelu_gain_by_midpoints() -> float:
    u = (np.arange(100_000) + 0.5) * 24 / 100_000 - 12
    gelu = u / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
    return (np.sum(gelu**2 * np.exp(-(u**2) / 2)) * 24 / 100_000 / math.sqrt(2 * math.pi)) ** -0.5


def test_gains_that_initialisations_have_go_before_quadrature():
    assert [usual_gain(phi) for phi in GAINS] == [1, 5 / 3, 2**0.5]
    assert usual_gain(jax.nn.gelu) == gaussian_gain(jax.nn.gelu) != 1


@pytest.mark.parametrize("activation", [jnp.zeros_like, jnp.sum, jnp.log])
def test_an_activation_without_a_gain_is_refused(activation):
    with pytest.raises(ValueError, match="whose mean square over a Gaussian input is"):
        gaussian_gain(activation)


def multipliers(parameterisation, activation) -> list[float]:
    """Of one layer of 64 inputs, drawn in every way there is, inside compiled code as well."""
    kind = dict(activation=activation)
    given = (jax.random.key(0), parameterisation, Role.HIDDEN)
    module = nnx.Linear(64, 64, use_bias=False, rngs=nnx.Rngs(0))
    drawn = [
        lambda: draw_dense(*given, (64, 64), (64, 4), **kind),
        lambda: draw_convolution(*given, (1, 64, 64), (64, 4), **kind),
        lambda: draw_wrapped(given[0], module, *given[1:], (64, 4), **kind),
    ]
    return [layer.scales.multiplier for draw in drawn for layer in (draw(), jax.jit(draw)())]


@pytest.mark.parametrize(
    ("activation", "gain"),
    [(jax.nn.relu, 2**0.5), (jax.nn.gelu, gelu_gain_by_midpoints()), (lambda u: jnp.maximum(u, 0), 2**0.5)],
)
def test_every_way_of_drawing_a_layer_has_the_gain_of_its_activation(activation, gain):
    with_gain, without = (multipliers(table, activation) for table in (mupc_convolutional(), mupc_skips()))
    np.testing.assert_allclose(with_gain, np.array(without) * gain, rtol=1e-8)


def test_the_table_shows_the_gain_of_an_activation():
    assert mupc_convolutional().table(jax.nn.gelu).endswith("multipliers of weights behind gelu times its gain, 1.534")
    assert str(mupc_convolutional()).endswith("multipliers of weights behind the activation function times its gain")
    assert "gain" not in mupc_skips().table(jax.nn.gelu)
