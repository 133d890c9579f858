"""Convolutional networks: a certified equilibrium, and a training step with it, against the script's protocol."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.rows import Row
from benchmarks.timing import alternate, speed_up
from pcn_lib.energy import Problem, cross_entropy
from pcn_lib.inference import Sweeps, gradient_descent
from pcn_lib.network import CNN
from pcn_lib.parameterisation import mupc_convolutional
from pcn_lib.training import Adam, Schedule, train

#: Relative norm of dF/dz asked for.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class ImageSize:
    """One residual CNN under muPC and its batch.

    Attributes:
        width: N, channels.
        side: of the square images.
        colours: channels of the images.
        outputs: K.
        batch: B.
        steps: of the script's protocol.
    """

    width: int = 16
    side: int = 32
    colours: int = 3
    outputs: int = 10
    batch: int = 32
    steps: int = 200

    def __str__(self) -> str:
        images = f"{self.side} x {self.side} x {self.colours}"
        return f"N = {self.width} channels, images of {images}, K = {self.outputs}, B = {self.batch}"


def image_problem(size: ImageSize) -> Problem:
    """A network at initialisation with random images and classes."""
    cnn = CNN((size.side, size.side, size.colours), size.width, size.outputs, activation=jnp.tanh)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((size.batch, *cnn.image)), "float32")
    y = jnp.asarray(np.eye(size.outputs)[rng.integers(size.outputs, size=size.batch)], "float32")
    return Problem(cnn.init(jax.random.key(0), mupc_convolutional(), "float32"), x, y, cross_entropy)


def scripts_protocol(size: ImageSize, rounds: int, goal: float) -> tuple[Row, ...]:
    """Accelerated sweeps to a certificate against the published number of gradient steps on the activities."""
    case = image_problem(size)
    solvers = (Sweeps(TOLERANCE, accelerate=True), gradient_descent(0.3, size.steps))
    inference = [jax.jit(solver) for solver in solvers]
    ours, published = alternate([lambda side=side: side(case) for side in inference], rounds)
    schedules = [Schedule(1, solver) for solver in solvers]
    step, published_step = alternate([lambda s=s: train(case, Adam(1e-3), s).history for s in schedules], rounds)
    reached, left = (float(jnp.max(side.answer.residual)) for side in (ours, published))
    against = f"{size.steps} gradient steps on the activities"
    how = (
        f"ours: {int(jnp.max(ours.answer.steps))} sweeps reached {reached:.0e}, "
        f"converged: {bool(ours.answer.converged)}; the baseline left {left:.0e}"
    )
    return (
        speed_up(
            ours,
            published,
            title="CNN, inference: the script's protocol",
            what=f"tanh CNN, cross-entropy, equilibrium to {TOLERANCE:.0e}, {size}, float32",
            against=against,
            goal=goal,
            how=how,
        ),
        speed_up(
            step,
            published_step,
            title="CNN, training step: the script's protocol",
            what=f"tanh CNN, cross-entropy, PC + BP + comparison + Adam, {size}, float32",
            against=against,
            how="the same two solvers; what both sides share is counted on both",
        ),
    )
