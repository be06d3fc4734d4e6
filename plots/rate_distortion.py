"""Distortion D and the sum D + R against rate R, for each data set.

No model can have D + R < H(X). But only an upper bound on H(X) is known, so a
model better than all published ones might cross the line.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plots import label_distortion, style
from plots.panels import Panel, data_panel, places
from plots.table import MODEL, Row, column, rows_of_methods, with_errors

COLUMNS = 3  # Data sets side by side; further ones come below.
MAGNIFIED = 40  # Nats above the bound that the lower row shows.
FRONTIER: style.Keywords = {'color': style.BLACK, 'linewidth': 0.9}


# The methods that are drawn, and the columns that their rows must have.
METHODS = {
  'vae': (
    *MODEL,
    *with_errors('rate', 'distortion', 'rate_plus_distortion'),
  ),
}


def make_panels(rows: Sequence[Row]) -> list[Panel]:
  """A panel of β-VAEs for each data set.

  They have a row for each task with the same R and D; only one is kept.

  Raises:
    UserError: A row of a panel is damaged, or a panel would mix two data sets.
  """
  panels, wanted = [], places(rows)
  for subject in dict.fromkeys(subject for subject, _ in wanted):
    drawn = rows_of_methods(
      [
        row
        for row in rows
        if row.subject == subject and (subject, row.task) in wanted
      ],
      METHODS,
    )
    # Seeds may have been evaluated on different tasks.
    once = {
      (row.run, row.beta): dataclasses.replace(row, task='') for row in drawn
    }
    if once:
      panels.append(data_panel(subject, list(once.values())))
  return panels


@style.styled
def rate_distortion(panels: Sequence[Panel]) -> Figure:
  """D against R, and below it D + R, magnified.

  Args:
    panels: From `make_panels`.
  """
  bands = [
    panels[first : first + COLUMNS] for first in range(0, len(panels), COLUMNS)
  ]
  columns = len(bands[0])
  figure = Figure((style.WIDTH, 1 + 4 * len(bands)), layout='constrained')
  grid = figure.subplots(2 * len(bands), columns, squeeze=False)
  for band, pair in zip(bands, grid.reshape(-1, 2, columns), strict=True):
    _draw_band(pair, band)
  rows = [row for panel in panels for row in panel.rows]
  style.key(
    figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)', 2
  )
  if any(panel.input_entropy is not None for panel in panels):
    lines = [
      Line2D([], [], label='D + R = H(X)', **FRONTIER),
      Patch(label='D + R < H(X)', **label_distortion.FLOOR),
    ]
    style.key(figure, lines, 'right', 'Bound')
  return figure


def _draw_band(pair, panels):
  """Draws up to `COLUMNS` panels side by side, each in two plots."""
  for (above, below), panel in zip(pair.T, panels, strict=False):
    _draw_plane(above, panel)
    _draw_sum(below, panel)
    above.sharex(below)
    above.tick_params(labelbottom=False)
    end = 1.05 * max(*column(panel.of('vae'), 'rate'), 1.0)
    below.set_xlim(0, min(end, panel.largest_rate))
    below.set_xlabel('rate R (nats)')
    style.title(above, panel.title, True)
    style.bits_above(above)
  for axes, name in zip(pair[:, 0], ('distortion D', 'D + R'), strict=True):
    axes.set_ylabel(f'{name} (nats)')
  for axes in pair[:, len(panels) - 1]:
    style.bits_right(axes)
  for axes in pair[:, len(panels) :].flat:
    axes.remove()


def notes(panels: Sequence[Panel]) -> list[str]:
  """Counts the results beyond the axes, a line for each panel and axis."""
  lines = []
  for panel in panels:
    rows = panel.of('vae')
    _, top = _ends_of_sums(panel)
    sums = column(rows, 'rate_plus_distortion')
    above = sum(both > top for both in sums)
    if above:
      lines.append(
        f'rate and distortion of {panel.title}: {above} results have D + R '
        f'above {top:.1f} nats and are not in the lower row'
      )
    largest = panel.largest_rate
    count = sum(rate > largest for rate in column(rows, 'rate'))
    if count:
      lines.append(
        f'rate and distortion of {panel.title}: {count} results have R above '
        f'{largest:g} nats and are not drawn'
      )
  return lines


def _draw_plane(axes, panel):
  distortions = column(panel.of('vae'), 'distortion')
  known = panel.input_entropy
  if known is not None:
    ends = np.array([0, known])
    axes.fill_between(ends, known - ends, **label_distortion.FLOOR)
    axes.plot(ends, known - ends, label='frontier', **FRONTIER)
  style.draw_runs(axes, panel.rows, 'rate', 'distortion')
  axes.set_ylim(0.8 * min(distortions), 1.05 * max(distortions))


def _draw_sum(axes, panel):
  known = panel.input_entropy
  if known is not None:
    axes.axhspan(0, known, **label_distortion.FLOOR)
    axes.axhline(known, label='frontier', **FRONTIER)
  style.draw_runs(axes, panel.rows, 'rate', 'rate_plus_distortion')
  axes.set_ylim(_ends_of_sums(panel))


def _ends_of_sums(panel):
  """The ends of the axis of D + R, nats; the least D + R is between them."""
  best = min(column(panel.of('vae'), 'rate_plus_distortion'))
  least = min(best, panel.input_entropy or math.inf)
  return least - 2, max(least + MAGNIFIED, best + 2)
