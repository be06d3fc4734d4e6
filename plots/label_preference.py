"""Label preference against rate: how far a code favours the label.

Label preference is (H(Y) - C) / (H(Y) R / H(X)): the label information that the
code keeps, divided by what random discarding would keep at the same rate. 1
means no preference. Since C >= H(Y) - R and C >= 0, it is at most
H(X) / max(R, H(Y)), the edge of the shaded corner.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from plots import label_distortion, style
from plots.panels import Panel
from plots.table import Row, column

TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50)
LEAST = 0.4  # The lower end of the axis, which is logarithmic.
LEAST_RATE = 0.1  # Nats: no smaller rate is shown; there it is 0 over 0.


def drawable(panel: Panel) -> list[Row]:
  """The panel's β-VAEs whose preference is known and on the axes."""
  largest = panel.largest_rate
  return [
    row
    for row in panel.of('vae')
    if row.label_preference is not None
    and row.label_preference >= LEAST
    and LEAST_RATE <= row.number('rate') <= largest
  ]


def with_preference(panels: Sequence[Panel]) -> list[Panel]:
  """The panels for which label preference can be drawn: H(X) is known.

  Args:
    panels: The panels of figure 1.
  """
  return [
    panel
    for panel in panels
    if panel.input_entropy is not None and drawable(panel)
  ]


def notes(panels: Sequence[Panel]) -> list[str]:
  """Counts the results that the figure leaves out, a line for each panel."""
  lines = []
  for panel in panels:
    shown = set(drawable(panel))
    hidden = [row for row in panel.of('vae') if row not in shown]
    largest = panel.largest_rate
    rates = f'not between {LEAST_RATE:g} and {largest:g} nats'
    if math.isinf(largest):
      rates = f'below {LEAST_RATE:g} nats'
    if hidden:
      lines.append(
        f'label preference of {panel.title}: {len(hidden)} results are below '
        f'{LEAST}, unknown or {rates}, and not drawn, the first of them '
        f'{hidden[0]}'
      )
  return lines


@style.styled
def label_preference(panels: Sequence[Panel]) -> Figure:
  """The figure, with a panel for each task.

  Args:
    panels: From `with_preference`.
  """
  figure = Figure((style.WIDTH, 2.9), layout='constrained')
  grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
  rows = [row for panel in panels for row in drawable(panel)]
  top = max(_ceiling(panel, 0) for panel in panels)
  for axes, panel in zip(grid, panels, strict=True):
    _draw(axes, panel, top)
  grid[0].set_ylabel('label preference')
  style.key(
    figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)', 2
  )
  discard = label_distortion.DISCARD
  lines = [
    Line2D([], [], label='random discard', **discard),
    Patch(label='impossible', **label_distortion.FLOOR),
  ]
  style.key(figure, lines, 'right', 'Bounds')
  return figure


def _ceiling(panel, rates):
  """The largest preference that is possible at these rates in nats."""
  return panel.input_entropy / np.maximum(rates, panel.label_entropy)


def _draw(axes, panel, top):
  """Draws a panel up to just above the preference `top`."""
  limit = 1.05 * max(1.0, *column(drawable(panel), 'rate'))
  rates = np.linspace(0, limit, 400)
  axes.fill_between(
    rates, _ceiling(panel, rates), 10 * top, **label_distortion.FLOOR
  )
  axes.axhline(1, label='discard', zorder=2, **label_distortion.DISCARD)
  style.draw_runs(axes, drawable(panel), 'rate', 'label_preference')
  axes.set_yscale('log')
  axes.set_ylim(LEAST, 1.15 * top)
  axes.yaxis.set_major_locator(FixedLocator(TICKS))
  axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
  axes.yaxis.set_minor_locator(NullLocator())
  axes.set_xlim(0, limit)
  axes.set_xlabel('rate R (nats)')
  style.title(axes, panel.title, True)
  style.bits_above(axes)
