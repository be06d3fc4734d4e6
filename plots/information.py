"""Bounds on I(X;Z) and I(Z;Y) against rate.

On the left, a bar for each result spans the bounds on I(X;Z), below the line
I(X;Z) = R. On the right are C, the least C, and the floor. No classifier of the
same codes has a C below the floor, H(Y) less the upper bound on I(Z;Y). On
MNIST, random discarding is drawn twice: of all H(X) nats, and of H(X) -
H(X|grey), which leaves out the noise of the binarisation. Seeds without bounds
are not drawn.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots import label_distortion, style
from plots.panels import Panel
from plots.table import Row, column
from vae_info import references

NEEDED = (
  'information_lower',
  'information_upper',
  'label_distortion_least',
  'label_information_upper',
)
NOISELESS: style.Keywords = {
  'color': style.BLACK,
  'linestyle': (0, (1, 1.5)),
  'linewidth': 0.9,
}


def drawable(row: Row) -> bool:
  """Whether the row is a β-VAE that has all bounds."""
  return row.method == 'vae' and all(
    getattr(row, name) is not None for name in NEEDED
  )


def with_bounds(panels: Sequence[Panel]) -> list[Panel]:
  """The panels that have results with bounds, with these results alone.

  Args:
    panels: Panels of figure 1, before seeds are averaged.
  """
  return [
    dataclasses.replace(panel, rows=rows)
    for panel in panels
    if (rows := [row for row in panel.rows if drawable(row)])
  ]


@style.styled
def information(panels: Sequence[Panel]) -> Figure:
  """The figure, with a row of two plots for each panel.

  Args:
    panels: From `with_bounds`, averaged over seeds.
  """
  figure = Figure((style.WIDTH, 1.2 + 2.3 * len(panels)), layout='constrained')
  grid = figure.subplots(len(panels), 2, squeeze=False)
  for (left, right), panel in zip(grid, panels, strict=True):
    rows = panel.rows
    end = 1.05 * max(1.0, *column(rows, 'rate'))
    _draw_images(left, rows, end)
    _draw_labels(right, panel, rows, end)
    style.title(left, panel.title)
  for axes in grid[-1]:
    axes.set_xlabel('rate R (nats)')
  rows = [row for panel in panels for row in panel.rows]
  style.key(figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)')
  style.key(figure, _key(panels), 'right', 'Bounds')
  return figure


def _draw_images(axes, rows, end):
  """Draws I(X;Z) between its bounds."""
  axes.plot([0, end], [0, end], label='R', **label_distortion.ENTROPY)
  for row in rows:
    axes.plot(
      [row.rate] * 2,
      [row.information_lower, row.information_upper],
      color=style.marginal_look(row.marginal).colour,
      linewidth=2,
      alpha=0.6,
      solid_capstyle='butt',
      label='between the bounds',
    )
  style.draw_runs(axes, rows, 'rate', 'information_upper')
  style.draw_runs(axes, rows, 'rate', 'information_lower')
  axes.set_xlim(0, end)
  axes.set_ylim(0, end)
  axes.set_ylabel('I(X;Z) (nats)')


def _draw_labels(axes, panel, rows, end):
  """Draws C, the least C and its floor."""
  entropy, known = panel.label_entropy, panel.input_entropy
  rates = np.linspace(0, end, 200)
  if known is not None:
    lines = [('discard', known, label_distortion.DISCARD)]
    if panel.title.startswith('MNIST'):
      signal = known - references.MNIST_NOISE
      lines.append(('discard signal', signal, NOISELESS))
    for name, total, line in lines:
      losses = references.random_discard(rates, entropy, total)
      axes.plot(rates, losses, label=name, zorder=2, **line)
  for row in rows:
    colour = style.marginal_look(row.marginal).colour
    floor = entropy - row.number('label_information_upper')
    axes.plot(row.rate, floor, '_', color=colour, label='floor', markersize=5)
    axes.plot(
      [row.rate] * 2,
      [row.label_distortion_least, row.label_distortion],
      color=colour,
      linewidth=2,
      alpha=0.6,
      label='C and least C',
    )
  style.draw_runs(axes, rows, 'rate', 'label_distortion')
  axes.set_xlim(0, end)
  axes.set_ylim(0, 1.06 * entropy)
  axes.set_ylabel('label distortion C (nats)')


def _key(panels):
  """The entries of the key of the lines in some panels."""
  grey = {'color': style.GREY}
  entries: list[Artist] = [
    Line2D([], [], label='I(X;Z) = R', **label_distortion.ENTROPY),
    Line2D(
      [],
      [],
      linewidth=2,
      label='bar: I(X;Z) between bounds; C to least C',
      **grey,
    ),
    Line2D([], [], marker='_', linestyle='none', label='floor of C', **grey),
  ]
  known = [panel for panel in panels if panel.input_entropy is not None]
  if known:
    look = label_distortion.DISCARD
    entries.append(Line2D([], [], label='random discard', **look))
  if any(panel.title.startswith('MNIST') for panel in known):
    name = 'random discard of H(X) − H(X|grey)'
    entries.append(Line2D([], [], label=name, **NOISELESS))
  return entries
