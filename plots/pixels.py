"""What codes know of pixels: equation 6, the paper's reason for claim 4.

Pixel information is the sum over pixels of H(X_i) - D_i, by a decoder with
independent pixels that was refitted to the codes; see
`vae_info.evaluation.pixels`. On the left it is drawn against the rate. On the
right is C against it. With maps, rows of images follow: H(X_i) - D_i of each
pixel, for codes of both decoders at about the same rate.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots import style
from plots.panels import Panel
from plots.table import Row, column

SAME: style.Keywords = {
  'color': style.BLACK,
  'linestyle': (0, (4, 2)),
  'linewidth': 0.9,
}


@dataclasses.dataclass(frozen=True)
class Map:
  """What codes of one model at one beta know of each pixel.

  Attributes:
    decoder: The decoder that the codes were trained with.
    marginal: The marginal.
    rate: R, nats.
    values: H(X_i) - D_i of each pixel, nats, float `[H, W]`.
  """

  decoder: str
  marginal: str
  rate: float
  values: np.ndarray


def drawable(row: Row) -> bool:
  """Whether the row is a β-VAE whose pixel information is known."""
  return row.method == 'vae' and row.pixel_information is not None


def with_pixels(panels: Sequence[Panel]) -> list[Panel]:
  """The panels of figure 1 that have such results."""
  return [panel for panel in panels if any(map(drawable, panel.rows))]


@style.styled
def pixels(panels: Sequence[Panel]) -> Figure:
  """The figure of the table, with a row of two plots for each panel.

  Args:
    panels: From `with_pixels`.
  """
  figure = Figure((style.WIDTH, 1.2 + 2.1 * len(panels)), layout='constrained')
  grid = figure.subplots(len(panels), 2, squeeze=False)
  for (left, right), panel in zip(grid, panels, strict=True):
    rows = [row for row in panel.rows if drawable(row)]
    style.draw_runs(left, rows, 'rate', 'pixel_information')
    style.draw_runs(right, rows, 'pixel_information', 'label_distortion')
    most = max(column(rows, 'pixel_information'))
    left.plot([0, most], [0, most], label='same', **SAME)
    left.set_xlim(0, 1.05 * max(1.0, *column(rows, 'rate')))
    left.set_ylim(min(0.0, *column(rows, 'pixel_information')), 1.05 * most)
    left.set_ylabel('Σ (H(X$_i$) − D$_i$) (nats)')
    right.set_ylabel('label distortion C (nats)')
    right.set_ylim(0, 1.06 * panel.label_entropy)
    style.title(left, panel.title)
  grid[-1, 0].set_xlabel('rate R (nats)')
  grid[-1, 1].set_xlabel('Σ (H(X$_i$) − D$_i$) (nats)')
  rows = [row for panel in panels for row in panel.rows if drawable(row)]
  style.key(figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)')
  line = Line2D([], [], label='a nat of pixels for a nat of rate', **SAME)
  style.key(figure, [line], 'right', 'Line')
  return figure


@style.styled
def maps(rows: Sequence[Sequence[Map]]) -> Figure:
  """Maps of pixels: a row for each decoder, by falling rate, in one scale.

  Args:
    rows: Maps of one decoder each.
  """
  columns = max(map(len, rows))
  side = min((style.WIDTH - 0.6) / columns, 1.4)
  figure = Figure(
    (side * columns + 0.6, (side + 0.25) * len(rows)), layout='constrained'
  )
  grid = figure.subplots(len(rows), columns, squeeze=False)
  top = max(float(one.values.max()) for row in rows for one in row)
  scale = Normalize(0, top)
  for line, row in zip(grid, rows, strict=True):
    for axes in line[len(row) :]:
      axes.set_axis_off()
    for axes, one in zip(line, row, strict=False):
      axes.imshow(one.values, cmap='viridis', norm=scale)
      axes.set(xticks=[], yticks=[])
      sign = style.decoder_look(one.decoder)[0]
      look = style.marginal_look(one.marginal)
      total = float(one.values.sum())
      axes.set_title(
        f'({sign}, {look.sign})  R = {one.rate:.1f}\nΣ = {total:.1f}',
        fontsize=6.5,
        pad=2,
      )
  colours = ScalarMappable(scale, 'viridis')
  bar = figure.colorbar(colours, ax=grid, shrink=0.8, pad=0.02)
  bar.set_label('H(X$_i$) − D$_i$ (nats)')
  return figure
