"""Inference of the authors' public script: a number of gradient-descent steps on the activities, fixed in advance.

It stops by count, not by what is left; :func:`pcn_lib.spectrum.skip_chain_residual` says how much to expect.
"""

import optax

from pcn_lib.inference import ActivityDescent, gradient_descent

#: Rate of gradient descent on the activities, and its steps for each hidden layer.
ACTIVITY_RATE, STEPS_PER_LAYER = 0.3, 100


def descent(rate: float) -> optax.GradientTransformation:
    """Gradient descent at a rate."""
    return gradient_descent(rate, 0).optimiser


def published_inference(hidden: int) -> ActivityDescent:
    """The script's solver for a network of H hidden layers: 100 H steps at rate 0.3."""
    return gradient_descent(ACTIVITY_RATE, STEPS_PER_LAYER * hidden)
