"""C and D of codes that cost a few nats, against rate.

The paper's decoders stand beside those that marginalise small transformations,
and beside clusters: of images by k-means, or of codes.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from plots import baseline_lines, label_distortion, pairs, style
from plots.panels import Panel
from plots.table import INVARIANT, Row, column
from vae_info import references

LARGEST = 10.0  # Nats: no larger rate is shown.
# What it has besides the methods of figure 1, and the columns of their rows.
METHODS = {
  'pca_water_filled': (
    'latent_size',
    'noise',
    'rate',
    *label_distortion.LOSSES,
  ),
  **dict.fromkeys(
    baseline_lines.CLUSTERS,
    ('latent_size', 'rate', 'distortion', *label_distortion.LOSSES),
  ),
}


def special(row: Row) -> bool:
  """Whether a row is of clusters, or of a decoder for low rates."""
  return row.method in baseline_lines.CLUSTERS or row.decoder in INVARIANT


def with_low_rates(panels: Sequence[Panel]) -> list[Panel]:
  """The panels that have such rows, without augmented trainings.

  Of the paper's decoders, only those with a marginal of such a decoder stay.

  Args:
    panels: Panels of all decoders, with `METHODS`.
  """
  return [
    dataclasses.replace(panel, rows=rows)
    for panel in panels
    if any(map(special, rows := _chosen(panel.rows)))
  ]


def _chosen(rows):
  marginals = {
    row.marginal for row in rows if row.method == 'vae' and special(row)
  }
  return [
    row
    for row in rows
    if not row.augmentation
    and (row.method != 'vae' or not marginals or row.marginal in marginals)
  ]


@style.styled
def low_rate(panels: Sequence[Panel]) -> Figure:
  """The figure, with a row of two plots for each panel.

  Args:
    panels: From `with_low_rates`.
  """
  figure, grid = pairs.make(panels, LARGEST)
  shown = []
  for (left, right), panel in zip(grid, panels, strict=True):
    vaes = [r for r in panel.of('vae') if r.number('rate') <= LARGEST]
    shown += [*vaes, *(row for row in panel.rows if row.method != 'vae')]
    _draw(left, panel, vaes, 'label_distortion')
    _draw(right, panel, vaes, 'distortion')
    corner = np.array([0, panel.label_entropy])
    floor = references.hard_floor(corner, panel.label_entropy)
    left.fill_between(corner, floor, **label_distortion.FLOOR)
    left.set_ylim(_lowest(panel, vaes), 1.06 * panel.label_entropy)
  style.key(figure, style.run_key(shown), 'left', 'β-VAEs (decoder, marginal)')
  lines: list[Artist] = [*baseline_lines.key(shown)]
  lines.append(
    Patch(label='impossible: C < H(Y) − R', **label_distortion.FLOOR)
  )
  style.key(figure, lines, 'right', 'Baselines')
  return figure


def _lowest(panel, vaes):
  """The lower end of C's axis, nats: 0, unless all is far above it."""
  shown = [*vaes, *_few(panel)]
  least = min(column(shown, 'label_distortion'), default=0.0)
  return 0.0 if least < panel.label_entropy / 3 else 0.9 * least


def _few(panel):
  """The rows of baselines at the rates that are shown."""
  return [
    row
    for row in panel.rows
    if row.rate is not None and row.rate <= LARGEST and row.method != 'vae'
  ]


def _draw(axes, panel, vaes, name):
  """Draws a column against the rate, up to `LARGEST`."""
  baseline_lines.draw(axes, panel, 'rate', name)
  style.draw_runs(axes, vaes, 'rate', name)
  rows = [row for row in (*vaes, *_few(panel)) if row.distortion is not None]
  if name == 'distortion' and rows:
    values = column(rows, name)
    axes.set_ylim(0.9 * min(values), 1.1 * max(values))
