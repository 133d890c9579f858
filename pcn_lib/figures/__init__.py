"""Pictures of records, in one style: colour by width, dashed = theory, shaded = seeds.

A figure starts no computation.  The figures of one chapter live in the module of its stem,
``pcn_lib.figures.<stem>``.
"""

from pcn_lib.study.picture import Picture, caption
from pcn_lib.study.style import axes_grid, plot_seeds, plot_theory, styled, width_colours

__all__ = ["Picture", "axes_grid", "caption", "plot_seeds", "plot_theory", "styled", "width_colours"]
