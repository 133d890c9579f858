"""The style is :mod:`pcn_lib.study`'s; figures of the first form's chapters find it here."""

from pcn_lib.study.style import axes_grid, plot_seeds, plot_theory, styled, width_colours

__all__ = ["axes_grid", "plot_seeds", "plot_theory", "styled", "width_colours"]
