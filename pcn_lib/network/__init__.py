"""A network: a sequence of layers, with runs of equal layers stacked and scanned.

Every function of activities serves backpropagation and predictive coding alike: the feedforward
pass with prediction errors added is BP's forward pass when the errors are zero.

Axes.  Activities and prediction errors are tuples with one entry per block below the readout:
[batch, ...] for a layer, [batch, layers, ...] for a stack.  The batch comes first everywhere, so
that one ``vmap`` turns any one-sample function of them into a batched one.
"""

from pcn_lib.network.cnn import CNN
from pcn_lib.network.mlp import MLP
from pcn_lib.network.network import (
    Activities,
    Network,
    Pass,
    check_activities,
    check_input,
    feedforward,
    predictions,
    zero_errors,
)
from pcn_lib.network.stack import Stack
from pcn_lib.network.transformer import Transformer, sharpness

__all__ = [
    "CNN",
    "MLP",
    "Activities",
    "Network",
    "Pass",
    "Stack",
    "Transformer",
    "check_activities",
    "check_input",
    "feedforward",
    "predictions",
    "sharpness",
    "zero_errors",
]
