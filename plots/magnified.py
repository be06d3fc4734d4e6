"""Figure 2: C of digits where it is small, so that 0.02 nats can be seen.

A column is a decoder. Above is C against R on a logarithmic scale. In the
middle is C less that of a reference at the same rate: the deconvolutional
decoder with a Gaussian marginal. Its line is grey in the other columns. Below
is C against D.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
  FixedLocator,
  MultipleLocator,
  NullLocator,
  StrMethodFormatter,
)

from plots import baseline_lines, label_distortion, style
from plots.curves import interpolated
from plots.panels import Panel
from plots.table import Row, column

TOP = 0.5  # Nats: the largest C.
RATES = (5.0, 45.0)  # Nats: the rates that are shown.
GAP = 0.14  # Nats: the largest difference that is shown.
STEP = 0.02  # Nats: the distance of the lines behind the differences.
TICKS = (0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
FAMILY = ('conv', 'deconvolutional', 'gaussian')  # Of the reference.
REFERENCE: style.Keywords = {'color': '#AAAAAA', 'linewidth': 2, 'zorder': 1.8}
FAINT: style.Keywords = {'color': '#E6E6E6', 'linewidth': 0.5, 'zorder': 0}


def reference(rows: Sequence[Row]) -> list[Row]:
  """The curve of the reference, by rising rate; [] if the table has none.

  A curve has two rates at least. If there are several, it is the one of most
  seeds.
  """
  curves: dict[str, list[Row]] = {}
  for row in rows:
    plain = not row.kl_annealing_epochs and row.architecture != 'paper'
    if row.beta_trained and row.family == FAMILY and plain:
      curves.setdefault(row.run, []).append(row)
  curves = {run: rows for run, rows in curves.items() if len(rows) > 1}
  best = max(curves.values(), key=lambda curve: curve[0].seeds, default=[])
  return sorted(best, key=lambda row: row.number('rate'))


def differences(rows: Sequence[Row], curve: Sequence[Row]) -> list[Row]:
  """The rows with C less that of the curve; those outside its rates left out.

  Their errors are their own: the band of the figure has that of the curve.
  """
  rates, losses = column(curve, 'rate'), column(curve, 'label_distortion')
  result = []
  for row in rows:
    expected = interpolated(row.number('rate'), rates, losses)
    if expected is not None:
      gap = row.number('label_distortion') - expected
      result.append(dataclasses.replace(row, label_distortion=gap))
  return result


def notes(panel: Panel) -> list[str]:
  """Says in a line why the figure is not drawn; [] if it is."""
  if within(panel):
    return []
  return [
    f'figure2 is not drawn: no β-VAE of {panel.title} has C below {TOP:g} nats '
    f'at a rate of {RATES[0]:g} to {RATES[1]:g} nats'
  ]


def within(panel):
  """The results of β-VAEs inside the figure's limits."""
  return [
    row
    for row in panel.of('vae')
    if row.number('label_distortion') <= TOP
    and RATES[0] <= row.number('rate') <= RATES[1]
  ]


@style.styled
def magnified(panel: Panel) -> Figure:
  """Figure 2, of one panel of figure 1.

  Args:
    panel: Its β-VAEs may be averaged over seeds.
  """
  vaes = panel.of('vae')
  decoders = sorted(
    {row.decoder for row in vaes},
    key=lambda name: style.place(name, style.DECODERS),
  )
  curve = reference(vaes)
  figure = Figure((style.WIDTH, 7.2), layout='constrained')
  grid = figure.subplots(3, len(decoders), sharey='row', squeeze=False)
  for column_of, decoder in zip(grid.T, decoders, strict=True):
    own = [row for row in vaes if row.decoder == decoder]
    lines = [row for row in panel.rows if row.method != 'vae']
    part = dataclasses.replace(panel, rows=own + lines)
    other = [] if decoder == FAMILY[1] else curve
    _draw_losses(column_of[0], part, 'rate', other)
    _draw_gaps(column_of[1], own, curve)
    _draw_losses(column_of[2], part, 'distortion', other)
    name = style.decoder_look(decoder)[1]
    style.title(column_of[0], f'{panel.title}, {name}', above_bits=True)
    style.bits_above(column_of[0])
  _finish(figure, grid, panel, curve)
  return figure


def _draw_losses(axes, panel, x, other):
  """Draws C against column `x`, and the curve `other` in grey."""
  baseline_lines.draw(axes, panel, x, 'label_distortion')
  label_distortion.draw_baselines(axes, panel)
  ends = column(other, x), column(other, 'label_distortion')
  axes.plot(*ends, label='reference', **REFERENCE)
  style.draw_runs(axes, panel.rows, x, 'label_distortion')
  axes.set_yscale('log')
  axes.yaxis.set_major_locator(FixedLocator(TICKS))
  axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
  axes.yaxis.set_minor_locator(NullLocator())
  for tick in TICKS:
    axes.axhline(tick, **FAINT)


def _draw_gaps(axes, rows, curve):
  """Draws C less that of the reference, with its error as a band."""
  count = round(GAP / STEP)
  for number in range(-count, count + 1):
    axes.axhline(STEP * number, **FAINT)
  axes.yaxis.set_major_locator(MultipleLocator(2 * STEP))
  if not curve:
    return
  errors = np.array(column(curve, 'label_distortion_stderr'))
  rates = column(curve, 'rate')
  axes.plot(rates, np.zeros(len(rates)), label='reference', **REFERENCE)
  band = {'color': REFERENCE['color'], 'alpha': 0.4, 'linewidth': 0}
  axes.fill_between(rates, -errors, errors, zorder=1, **band)
  style.draw_runs(axes, differences(rows, curve), 'rate', 'label_distortion')


def _finish(figure, grid, panel, curve):
  """Sets the limits, and adds labels and keys."""
  losses = column(panel.rows, 'label_distortion')
  grid[0, 0].set_ylim(0.8 * min(*losses, 0.5 * TOP), TOP)
  grid[2, 0].set_ylim(grid[0, 0].get_ylim())
  grid[1, 0].set_ylim(-GAP, GAP)
  low = [row.number('distortion') for row in within(panel)]
  for axes in grid[:2].flat:
    axes.set_xlim(RATES)
    axes.set_xlabel('rate R (nats)')
  for axes in grid[2]:
    axes.set_xlabel('distortion D (nats)')
    if low:
      axes.set_xlim(0.95 * min(low), 1.05 * max(low))
  grid[0, 0].set_ylabel('C (nats)')
  grid[1, 0].set_ylabel('C less that of the reference (nats)')
  grid[2, 0].set_ylabel('C (nats)')
  rows = panel.rows
  style.key(figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)')
  # Random discarding is far above.
  no_discard = dataclasses.replace(panel, input_entropy=None)
  lines = label_distortion.lines_key([no_discard])
  if curve:
    name = style.family_name(*FAMILY[1:])
    lines.append(Line2D([], [], label=f'reference: {name}', **REFERENCE))
  style.key(figure, lines, 'right', 'Baselines')
