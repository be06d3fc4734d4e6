"""Label preference against rate: how far a code favours the label.

(H(Y) - C) / (H(Y) R / H(X)): label information kept, over what random
discarding would keep at the same rate. 1 is no preference. C >= H(Y) - R and
C >= 0 allow H(X) / max(R, H(Y)) at most, which is the edge of the shaded
corner.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from plots import label_distortion, style
from plots.table import Panel, Row

TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50)
LEAST = 0.4  # Of the axis, which is logarithmic.


def drawable(row: Row) -> bool:
  """Whether the row is a β-VAE whose preference is known and on the axis."""
  known = row.label_preference
  return row.method == 'vae' and known is not None and known >= LEAST


def panels(panels: Sequence[Panel]) -> list[Panel]:
  """Those with a H(X), without which there is no preference."""
  return [
    panel
    for panel in panels
    if panel.input_entropy is not None and any(map(drawable, panel.rows))
  ]


def notes(panels: Sequence[Panel]) -> list[str]:
  """Runs that the axis leaves out, a line for each panel with such."""
  lines = []
  for panel in panels:
    out = [row for row in panel.of('vae') if not drawable(row)]
    if out:
      lines.append(
        f'label preference of {panel.title}: {len(out)} results are below '
        f'{LEAST} or unknown and not drawn, the first of them {out[0]}'
      )
  return lines


@style.styled
def label_preference(panels: Sequence[Panel]) -> Figure:
  """A panel for each task."""
  figure = Figure((style.WIDTH, 2.9), layout='constrained')
  grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
  rows = [row for panel in panels for row in panel.rows if drawable(row)]
  limit = 1.05 * max(1.0, *(row.rate for row in rows))
  top = max(panel.input_entropy / panel.label_entropy for panel in panels)
  for axes, panel in zip(grid, panels, strict=True):
    shown = [row for row in panel.rows if drawable(row)]
    rates = np.linspace(0, limit, 400)
    ceiling = panel.input_entropy / np.maximum(rates, panel.label_entropy)
    axes.fill_between(rates, ceiling, 10 * top, **label_distortion.FLOOR)
    axes.axhline(1, label='discard', zorder=2, **label_distortion.DISCARD)
    style.draw_runs(axes, shown, 'rate', 'label_preference')
    axes.set_yscale('log')
    axes.set_ylim(LEAST, 1.15 * top)
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0, limit)
    axes.set_xlabel('rate R (nats)')
    style.title(axes, panel.title, True)
    style.bits_above(axes)
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
