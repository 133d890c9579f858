"""Transformers: a certified equilibrium against the script's protocol."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.rows import Row
from benchmarks.timing import alternate, speed_up
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.inference import Sweeps, gradient_descent
from pcn_lib.network import Transformer
from pcn_lib.parameterisation import complete_p

#: Relative norm of dF/dz asked for.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class TextSize:
    """One transformer under CompleteP and its batch.

    Attributes:
        width: N.
        blocks, heads: of the transformer.
        vocabulary: V.
        length: T.
        batch: B.
        steps: of the script's protocol.
    """

    width: int = 64
    blocks: int = 4
    heads: int = 8
    vocabulary: int = 65
    length: int = 32
    batch: int = 32
    steps: int = 800

    def __str__(self) -> str:
        return f"{self.blocks} blocks, N = {self.width}, T = {self.length}, V = {self.vocabulary}, B = {self.batch}"


def text_problem(size: TextSize) -> Problem:
    """A network at initialisation with random tokens."""
    transformer = Transformer(size.vocabulary, size.length, size.width, size.heads, size.blocks)
    tokens = np.random.default_rng(0).integers(size.vocabulary, size=(size.batch, size.length + 1))
    x, y = jnp.asarray(tokens[:, :-1], "int32"), jnp.asarray(np.eye(size.vocabulary)[tokens[:, 1:]], "float32")
    network = transformer.init(jax.random.key(0), complete_p(), "float32")
    return Problem(network, x, y, cross_entropy, output_precision=float(size.length))


def scripts_protocol(size: TextSize, rounds: int, goal: float) -> tuple[Row, ...]:
    """Accelerated sweeps to a certificate against the published number of gradient steps on the activities."""
    case = text_problem(size)
    solvers = (Sweeps(TOLERANCE, accelerate=True), gradient_descent(0.45, size.steps))
    inference = [jax.jit(solver) for solver in solvers]
    ours, published = alternate([lambda side=side: side(case) for side in inference], rounds)
    reached, left = (float(jnp.max(side.answer.residual)) for side in (ours, published))
    row = speed_up(
        ours,
        published,
        title="transformer, inference: the script's protocol",
        what=f"GELU transformer, cross-entropy, equilibrium to {TOLERANCE:.0e}, {size}, float32",
        against=f"{size.steps} gradient steps on the activities",
        goal=goal,
        how=f"ours: {int(jnp.max(ours.answer.steps))} sweeps reached {reached:.0e}, "
        f"converged: {bool(ours.answer.converged)}; the baseline left {left:.0e}",
    )
    return (row,)
