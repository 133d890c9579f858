"""What a user may hand to the library by mistake is refused in one sentence, before anything is compiled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MADE = "mlp = MLP(3, 8, 2); network = mlp.init(key, mupc_skips()); x = jnp.ones((2, 3)); y = jnp.ones((2, 1))"
#: What is typed, and the sentence that answers it.
WRONG = {
    "MLP(3, 8.5, 2)": "width = 8.5 given; a whole number is needed: write one, such as width = 8",
    "MLP(3, '8', 2)": "width = '8' given; a whole number is needed: write one, such as width = 8",
    "MLP(3, 8, True)": "depth = True given; a whole number is needed: write one, such as depth = 8",
    "MLP(3, 0, 2)": "width = 0 given; a network needs at least 1: choose width >= 1",
    "CNN((8, 8, 1), 4.0, 2)": "width = 4.0 given; a whole number is needed: write one, such as width = 8",
    "CNN((28, 28), 4, 2)": "image = (28, 28) given; 3 stages of pooling need (height, width, channels) with sides of",
    "CNN((8, 8, 1, 1), 4, 2)": "image = (8, 8, 1, 1) given; 3 stages of pooling need (height, width, channels)",
    "Transformer(9, 4, '16')": "width = '16' given; a whole number is needed: write one, such as width = 8",
    "MLP(3, 8, 2, activation='tanh')": "activation = 'tanh' given; a function of arrays is needed: pass jnp.tanh",
    "MLP(3, 8, 2, activation=np.tanh)": "does not take JAX's arrays; inference differentiates it: write it",
    "Dense(jnp.ones((2, 3)), network.readout.scales, activation=math.tanh)": "function tanh> given, which does not",
    "compare(network, {'a': x})": "gradients are needed: compare other pytrees as a whole, with similarity(a, b)",
    "MLP(3, 8, 2, activation=nnx.PReLU)": "a function of arrays is needed: pass jnp.tanh, jax.nn.relu or another",
    "Problem(network, x, y, output_precision=0)": "output precision lambda = 0 given; it must be positive: try 1",
    "Problem(network, x, y, output_precision=np.ones(2))": "lambda of shape (2,) given; one number is needed: map",
    "rescaling(network, -2.0)": "output precision lambda = -2.0 given; it must be positive: try 1",
    "proximal_point(squared_error, y[0], y[0], jnp.eye(1), 0)": "output precision lambda = 0 given; it must be",
    "mlp.init(key, mupc_skips)": "parameterisation = mupc_skips given; a Parameterisation is needed: call it",
    "mlp.init(0, mupc_skips())": "key = 0 given; a random key is needed: pass jax.random.key(0)",
    "shuffled_batches(0, 4, 2, 1)": "key = 0 given; a random key is needed: pass jax.random.key(0)",
    "Problem(network, [[1.0, 2.0, 3.0]], y)": "x given as a list; an array is needed: pass jnp.asarray(x)",
    "Problem(network, x, [[1.0], [2.0]])": "y given as a list; an array is needed: pass jnp.asarray(y)",
    "feedforward(network, [[1.0, 2.0, 3.0]])": "x given as a list; an array is needed: pass jnp.asarray(x)",
    "equilibrate(Problem(network, x, y), None)": "solver = None given; a solver is needed: pass SweepsThenNewton()",
    "equilibrate(Problem(network, x, y), NewtonCG)": "solver = NewtonCG given; a solver is needed: pass Sweeps",
    "Schedule(3, None)": "solver = None given; a solver is needed: pass SweepsThenNewton()",
    "GradientDescent(-0.1)": "rate = -0.1 given; descent needs one that is not negative: choose rate > 0",
    "Adam(float('nan'))": "rate = nan given; descent needs one that is not negative: choose rate > 0",
    "gradient_descent(-1.0, 5)": "rate = -1.0 given; descent needs one that is not negative: choose rate > 0",
    "train(Problem(network, x, y), 0.1, once)": "optimiser = 0.1 given; a transformation of gradients is needed: pass",
    "train(Problem(network, x, y), optax.adamw, once)": "optimiser = adamw given; a transformation of gradients is",
    "train(Problem(network, x, y), optax.lbfgs(), once)": "choose one without a line search or a value, such as optax",
    "toy_task(-1)": "seed = -1 given; draws need one of 32 bits: choose 0 <= seed < 2**32",
    "toy_task(10**20)": "seed = 100000000000000000000 given; draws need one of 32 bits",
    "choose('smoke', given=dict(seed=10**20), smoke=dict(seed=0))": "at most 2**32 - 1 is possible: choose a smaller",
}
SCRIPT = f"""
import json, math, sys, jax, jax.numpy as jnp, numpy as np, optax
from flax import nnx
from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, squared_error
from pcn_lib.gradients import compare
from pcn_lib.inference import NewtonCG, equilibrate, gradient_descent
from pcn_lib.layers import Dense
from pcn_lib.moreau import proximal_point
from pcn_lib.network import CNN, MLP, Transformer, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import rescaling
from pcn_lib.study import choose
from pcn_lib.training import Adam, GradientDescent, Schedule, shuffled_batches, train
key = jax.random.key(0)
{MADE}
once = Schedule(1, NewtonCG())
for typed in json.loads(sys.argv[1]):
    try:
        eval(typed)
    except ValueError as error:
        print(error)
    else:
        print("accepted")
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What each line is answered, in a process without the tests' checks of types."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(list(WRONG))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return dict(zip(WRONG, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("typed", WRONG)
def test_a_mistake_is_answered_in_a_sentence(typed: str, answers: dict[str, str]):
    assert WRONG[typed] in answers[typed]
