"""How to choose a solver: what each reached and cost, from the records, and what rounding allows."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import xarray as xr
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pcn_lib.book.explorer import Records, kept
from pcn_lib.book.tables import table
from pcn_lib.numerics import TOLERANCES
from pcn_lib.provenance import provenance_of
from pcn_lib.study.records import FOLDER
from pcn_lib.tables import with_minus_signs

#: The relative norm of dF/dz to which solvers are compared: the library's default.
RESIDUAL = 1e-6
NETWORK = re.compile(r"equilibrium, (?P<loss>.+), N = (?P<width>\d+), L = (?P<depth>\d+)")


class Solvers(SphinxDirective):
    """```{pcn-solvers} reached | cost | rounding```: one of the three tables."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = TABLES[directives.choice(self.arguments[0], tuple(TABLES))]
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / FOLDER))
        lines, container = StringList(shown(kept(root))), nodes.container()
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children


def reached(records: Records) -> list[str]:
    """Iterations and cost of every solver until ``RESIDUAL``, by shape; where it was not reached, what was."""
    record = records("reaching_the_equilibrium")
    curves, settings = record["curves"].to_dataset().sel(activation="tanh"), dict(provenance_of(record).settings)
    sizes = {shape: ast.literal_eval(settings[shape]) for shape in curves["shape"].values.tolist()}
    header = ("solver", *("{}: $N = {}$, $L = {}$".format(shape, *size) for shape, size in sizes.items()))
    rows = [
        (solver, *(_until(curves.sel(solver=solver, shape=shape)) for shape in sizes))
        for solver in curves.solver.values.tolist()
    ]
    return table(header, rows)


def _until(curve: xr.Dataset) -> str:
    """The first of growing budgets whose residual is small enough, or the last one and its residual."""
    curve = curve.dropna("stop")
    enough = curve.isel(stop=curve.residual.values <= RESIDUAL)
    one = enough.isel(stop=0) if enough.sizes["stop"] else curve.isel(stop=-1)
    if enough.sizes["stop"]:
        return f"**{float(one.cost):.3g}** BP steps ({int(one.steps)} iterations)"
    return with_minus_signs(f"not after {int(one.steps)} iterations (residual {float(one.residual):.2g})")


def cost(records: Records) -> list[str]:
    """What the default solver cost over one BP step, by loss and size, in the benchmarks."""
    record = records("benchmarks")
    found: dict[tuple[int, int], dict[str, float]] = {}
    for title, ours, baseline in zip(record.title.values, record.ours.values, record.baseline.values, strict=True):
        if match := NETWORK.fullmatch(str(title)):
            found.setdefault((int(match["width"]), int(match["depth"])), {})[match["loss"]] = ours / baseline
    losses = list(dict.fromkeys(loss for row in found.values() for loss in row))
    rows = [
        (f"{width / depth:g}", str(width), str(depth), *(f"{row[loss]:.3g}" for loss in losses))
        for (width, depth), row in sorted(found.items(), key=lambda item: item[0][0] / item[0][1])
    ]
    return table(("$N/L$", "$N$", "$L$", *losses), rows)


def rounding(records: Records) -> list[str]:
    """The tightest residual to ask for, and how good a gradient is at it, in every number type."""
    rows = [
        (f"`{name}`", platform.upper(), *(with_minus_signs(f"{value:.0e}") for value in (one.solve, one.gradient)))
        for (name, platform), one in TOLERANCES.items()
    ]
    return table(("number type", "device", "residual to ask for", "gradient's relative error there"), rows)


TABLES: dict[str, Callable[[Records], list[str]]] = {"reached": reached, "cost": cost, "rounding": rounding}
