"""Predictive coding networks and their infinite width and depth limits.

The executable companion to "On the Infinite Width and Depth Limits of Predictive Coding
Networks" (Innocenti, Achour & Bogacz, ICML 2026, arXiv:2602.07697).  Imports run one way,
in the order of the mathematics: parameterisation, layers, network, energy, inference and
rescaling, gradients, training, experiments, claims and figures, book.
"""

__version__ = "0.1.0"
