"""Networks on disk and between processes: what comes back is the network that went."""

import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import cloudpickle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pcn_lib.layers import LayerNorm, draw_wrapped
from pcn_lib.network import CNN, MLP, Network, Transformer, feedforward
from pcn_lib.parameterisation import Role, complete_p, mupc_convolutional, mupc_skips, ntp
from pcn_lib.saving import load, save

pytest.importorskip("safetensors", reason="this environment is older than the dependency: run make again")

KEY, TABLE = jax.random.key(0), mupc_skips()
SMALL = MLP(3, 4, 4, 2, jnp.tanh, skips=True, bias=True, norm=LayerNorm)


def wrapped(dtype):
    kind, size = dict(param_dtype=dtype, rngs=nnx.Rngs(0)), (4, 3)
    first = draw_wrapped(KEY, nnx.Linear(3, 4, **kind), TABLE, Role.INPUT, size)
    readout = draw_wrapped(KEY, nnx.Linear(4, 2, **kind), TABLE, Role.OUTPUT, size, activation=jax.nn.silu)
    return Network((first,), readout, (3,))


MADE = {
    "mlp": lambda dtype: SMALL.init(KEY, TABLE, dtype),
    "cnn": lambda dtype: CNN((4, 4, 1), 2, 2, 2, 2, jax.nn.relu, bias=True).init(KEY, mupc_convolutional(), dtype),
    "transformer": lambda dtype: Transformer(5, 3, 4, 2, 2, layer_norm=True).init(KEY, complete_p(), dtype),
    "wrapped": wrapped,
}


def drawn(kind, seed=0, dtype="float64"):
    """A network of random numbers, vectors included."""
    rng, shapes = np.random.default_rng(seed), jax.eval_shape(lambda: MADE[kind](dtype))
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), shapes)


def assert_equal(given, expected):
    # Equal structures have equal multipliers and rates, and the same functions.
    assert jax.tree.structure(given) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(given), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", MADE)
def test_what_is_loaded_is_what_was_saved(kind, tmp_path):
    network = drawn(kind)
    path = save(tmp_path / "kept" / "network.safetensors", network)
    assert_equal(load(path, drawn(kind, seed=1)), network)


def test_others_read_the_file_by_the_names_of_the_parameters(tmp_path):
    from safetensors.numpy import load_file

    network = drawn("mlp")
    tensors = load_file(save(tmp_path / "network", network))
    assert len(tensors) == len(jax.tree.leaves(network))
    np.testing.assert_array_equal(tensors["blocks.0.bias.shift"], network.blocks[0].bias.shift[...])
    np.testing.assert_array_equal(tensors["readout.reader.weight"], network.readout.reader.weight[...])


OTHERS = {
    "width": (replace(SMALL, width=5), TABLE, "blocks.0.bias.shift is float64 [4] where this network's is float64 [5]"),
    "depth": (replace(SMALL, depth=5), TABLE, "is float64 [2, 4] where this network's is float64 [3, 4]"),
    "bias": (replace(SMALL, bias=False), TABLE, "blocks.0.bias is Bias where this network's is Unchanged"),
    "skips": (replace(SMALL, skips=False), TABLE, "blocks.1.layers.skip is True where this network's is False"),
    "activation": (replace(SMALL, activation=jax.nn.relu), TABLE, "activation is tanh where this network's is relu"),
    "parameterisation": (SMALL, ntp(), "blocks.0.bias.scales.gd_rate is 4.0 where this network's is 1.0"),
    "output scale": (SMALL, mupc_skips(0.5), "blocks.0.bias.scales.gd_rate is 4.0 where this network's is 1.0"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_of_another_network_is_refused_with_what_differs(other, tmp_path):
    path = save(tmp_path / "network", drawn("mlp"))
    mlp, table, message = OTHERS[other]
    network = jax.eval_shape(lambda: mlp.init(KEY, table, "float64"))
    with pytest.raises(ValueError, match=f"{re.escape(message)}.*: build the network as it was when it was saved"):
        load(path, network)


def test_a_file_in_another_number_type_is_refused(tmp_path):
    path = save(tmp_path / "network", drawn("mlp", dtype="float32"))
    with pytest.raises(ValueError, match=r"is float32 \[4\] where this network's is float64 \[4\]"):
        load(path, drawn("mlp"))


def test_files_of_others_are_refused_in_a_sentence(tmp_path):
    from safetensors.numpy import save_file

    save_file({"weight": np.ones((2, 2))}, tmp_path / "foreign")
    (tmp_path / "text").write_text("no tensors here, but some text")
    for name, message in (("foreign", "put weights from elsewhere in by network.with_parameters"), ("text", "is read")):
        with pytest.raises(ValueError, match=message):
            load(tmp_path / name, drawn("mlp"))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing", drawn("mlp"))


@pytest.mark.parametrize("pickler", [pickle, cloudpickle], ids=lambda module: module.__name__)
@pytest.mark.parametrize("kind", MADE)
def test_networks_are_pickled(kind, pickler):
    network = drawn(kind)
    assert_equal(pickle.loads(pickler.dumps(network)), network)


def test_functions_without_a_name_are_pickled_as_jax_has_it():
    factor = jnp.asarray(3.0)
    doubled = pickle.loads(cloudpickle.dumps(jax.jit(lambda h: factor * h)))
    assert doubled(jnp.asarray(2.0)) == 6


@pytest.mark.slow
def test_networks_travel_to_other_processes_and_back():
    # In single precision, which is what a fresh process has.
    networks = [drawn(kind, dtype="float32") for kind in MADE]
    types = ["int32" if kind == "transformer" else "float32" for kind in MADE]
    inputs = [jnp.ones((2, *net.input_shape), dtype) for net, dtype in zip(networks, types, strict=True)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        passes = list(executor.map(feedforward, networks, inputs))
    for network, x, made in zip(networks, inputs, passes, strict=True):
        np.testing.assert_allclose(made.output, feedforward(network, x).output, rtol=1e-5)
