"""C and D of codes that cost a few nats, against rate.

The paper's decoders stand beside those that marginalise small transformations,
and beside clusters: of images by k-means, or of codes.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from plots import baseline_lines, label_distortion, style
from plots.panels import Panel
from plots.representatives import LOW_RATE
from plots.table import Row, column
from vae_info import references

LARGEST = 10.0  # Nats: no larger rate is shown.


def special(row: Row) -> bool:
  """Whether a row is of clusters, or of a decoder for low rates."""
  return row.method in baseline_lines.CLUSTERS or row.decoder in LOW_RATE


def with_low_rates(panels: Sequence[Panel], rows: Sequence[Row]) -> list[Panel]:
  """The panels that have such rows.

  Args:
    panels: The panels of figure 1.
    rows: Rows of all decoders, checked and averaged over seeds. Those of
      decoders for low rates are added to the panel of their data set and task.
  """
  result = []
  for panel in panels:
    first = panel.rows[0]
    added = [
      row
      for row in rows
      if row.decoder in LOW_RATE
      and (row.dataset, row.task) == (first.dataset, first.task)
    ]
    drawn = [*panel.rows, *(row for row in added if row not in panel.rows)]
    if any(map(special, drawn)):
      result.append(dataclasses.replace(panel, rows=drawn))
  return result


@style.styled
def low_rate(panels: Sequence[Panel]) -> Figure:
  """The figure, with a row of two plots for each panel.

  Args:
    panels: From `with_low_rates`.
  """
  figure = Figure((style.WIDTH, 1.3 + 2.0 * len(panels)), layout='constrained')
  grid = figure.subplots(len(panels), 2, sharex=True, squeeze=False)
  shown = []
  for (left, right), panel in zip(grid, panels, strict=True):
    vaes = [r for r in panel.of('vae') if r.number('rate') <= LARGEST]
    shown += [*vaes, *(row for row in panel.rows if row.method != 'vae')]
    _draw(left, panel, vaes, 'label_distortion')
    _draw(right, panel, vaes, 'distortion')
    corner = np.array([0, panel.label_entropy])
    floor = references.hard_floor(corner, panel.label_entropy)
    left.fill_between(corner, floor, **label_distortion.FLOOR)
    left.set_ylim(0, 1.06 * panel.label_entropy)
    left.set_ylabel('label distortion C (nats)')
    right.set_ylabel('distortion D (nats)')
    style.title(left, panel.title, left is grid[0, 0])
  for axes in grid[0]:
    style.bits_above(axes)
  for axes in grid[-1]:
    axes.set_xlim(0, LARGEST)
    axes.set_xlabel('rate R (nats)')
  style.key(figure, style.run_key(shown), 'left', 'β-VAEs (decoder, marginal)')
  style.key(figure, baseline_lines.key(shown), 'right', 'Baselines')
  return figure


def _draw(axes, panel, vaes, name):
  """Draws a column against the rate, up to `LARGEST`."""
  baseline_lines.draw(axes, panel, 'rate', name)
  style.draw_runs(axes, vaes, 'rate', name)
  if name == 'distortion' and vaes:
    values = column(vaes, name)
    axes.set_ylim(0.9 * min(values), 1.1 * max(values))
