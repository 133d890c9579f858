"""Inference: the activities that minimise the energy, with a certificate.

A solve keeps three things apart: the :class:`~pcn_lib.energy.Problem`, the solver (a frozen
dataclass with its own tolerances) and the answer, an :class:`Equilibrium` that says how good it is.
:func:`equilibrate` is the verb; inside ``jit`` call the solver itself.
"""

from pcn_lib.inference.descent import ActivityDescent, gradient_descent
from pcn_lib.inference.equilibrium import Criterion, Equilibrium, NotAtEquilibrium, Solver, check_solver, displacement
from pcn_lib.inference.kinks import KinkNewton
from pcn_lib.inference.multipliers import Constrained, MethodOfMultipliers
from pcn_lib.inference.newton import NewtonCG, SweepsThenNewton
from pcn_lib.inference.solve import equilibrate
from pcn_lib.inference.sweeps import Sweeps

__all__ = [
    "ActivityDescent",
    "Constrained",
    "Criterion",
    "Equilibrium",
    "KinkNewton",
    "MethodOfMultipliers",
    "NewtonCG",
    "NotAtEquilibrium",
    "Solver",
    "Sweeps",
    "SweepsThenNewton",
    "check_solver",
    "displacement",
    "equilibrate",
    "gradient_descent",
]
