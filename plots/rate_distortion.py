"""Distortion D and the sum D + R against rate R, a column for each data set.

No code can have D + R < H(X). What is known of H(X) is only a bound from
above, so a better model than has been published might cross the line.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plots import label_distortion, style, table
from plots.table import Panel, Row

MAGNIFIED = 40  # Nats above the bound that the lower row shows.
FRONTIER = {'color': style.BLACK, 'linewidth': 0.9}


def panels(rows: Sequence[Row]) -> list[Panel]:
  """The β-VAEs of each data set, once each and not once for each task."""
  found = []
  for subject in dict.fromkeys(subject for subject, _ in table.PANELS):
    once = {}
    for row in rows:
      if row.subject == subject and row.method == 'vae':
        # Tasks differ in these, which are not drawn here.
        row = dataclasses.replace(row, label_entropy=None, classifier='')
        once[row.run, row.beta] = row
    if once:
      found.append(table.panel(subject, list(once.values())))
  return found


@style.styled
def rate_distortion(panels: Sequence[Panel]) -> Figure:
  """D against R, and below it D + R, magnified."""
  figure = Figure((style.WIDTH, 5), layout='constrained')
  grid = figure.subplots(2, len(panels), sharex='col', squeeze=False)
  for (above, below), panel in zip(grid.T, panels, strict=True):
    _draw_plane(above, panel)
    _draw_sum(below, panel)
    below.set_xlim(0, 1.05 * max(*(row.rate for row in panel.rows), 1.0))
    below.set_xlabel('rate R (nats)')
    style.title(above, panel.title, True)
    style.bits_above(above)
  for axes, name in zip(grid[:, 0], ('distortion D', 'D + R'), strict=True):
    axes.set_ylabel(f'{name} (nats)')
  for axes in grid[:, -1]:
    style.bits_right(axes)
  rows = [row for panel in panels for row in panel.rows]
  style.key(
    figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)', 2
  )
  lines = [
    Line2D([], [], label='D + R = H(X), published', **FRONTIER),
    Patch(label='D + R < H(X)', **label_distortion.FLOOR),
  ]
  style.key(figure, lines, 'right', 'Bound')
  return figure


def _draw_plane(axes, panel):
  distortions = [row.distortion for row in panel.rows]
  known = panel.input_entropy
  if known is not None:
    ends = np.array([0, known])
    axes.fill_between(ends, known - ends, **label_distortion.FLOOR)
    axes.plot(ends, known - ends, label='frontier', **FRONTIER)
  style.draw_runs(axes, panel.rows, 'rate', 'distortion')
  axes.set_ylim(0.8 * min(distortions), 1.05 * max(distortions))


def _draw_sum(axes, panel):
  least = min(row.rate_plus_distortion for row in panel.rows)
  known = panel.input_entropy
  if known is not None:
    axes.axhspan(0, known, **label_distortion.FLOOR)
    axes.axhline(known, label='frontier', **FRONTIER)
    least = min(least, known)
  style.draw_runs(axes, panel.rows, 'rate', 'rate_plus_distortion')
  axes.set_ylim(least - 2, least + MAGNIFIED)
