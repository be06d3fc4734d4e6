"""Figures with a row of two plots for each panel: C and D against rate."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from plots import style
from plots.panels import Panel


def make(panels: Sequence[Panel], largest: float) -> tuple[Figure, np.ndarray]:
  """A figure without results, and its axes `[len(panels), 2]`.

  Args:
    panels: One for each row.
    largest: The largest rate that is shown, nats.
  """
  figure = Figure((style.WIDTH, 1.3 + 2.0 * len(panels)), layout='constrained')
  grid = figure.subplots(len(panels), 2, sharex=True, squeeze=False)
  for (left, right), panel in zip(grid, panels, strict=True):
    left.set_ylabel('label distortion C (nats)')
    right.set_ylabel('distortion D (nats)')
    style.title(left, panel.title, left is grid[0, 0])
  for axes in grid[0]:
    style.bits_above(axes)
  for axes in grid[-1]:
    axes.set_xlim(0, largest)
    axes.set_xlabel('rate R (nats)')
  return figure, grid
