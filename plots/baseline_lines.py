"""Lines of the baselines that have a rate: PCA, and clusters.

PCA's lines join the best of all its sizes and noises. Those of clusters, of
images by k-means or of codes, join all numbers of clusters. They have a
distortion as well.
"""

from collections.abc import Iterable

import numpy as np
from matplotlib.lines import Line2D

from plots import style
from plots.panels import Panel
from plots.table import Row, column
from vae_info import references

# Method -> its name in the key, and its line.
LINES: dict[str, tuple[str, style.Keywords]] = {
  'pca': (
    'PCA with noise, the best',
    {'color': style.GREEN, 'linewidth': 1.2, 'zorder': 2},
  ),
  'pca_water_filled': (
    'PCA, water-filled',
    {'color': style.GREEN, 'linewidth': 0.8, 'linestyle': ':', 'zorder': 2},
  ),
  'kmeans': (
    'k-means',
    {'color': style.SKY, 'linewidth': 1.2, 'zorder': 2},
  ),
  'kmeans_deskewed': (
    'k-means without slant and position',
    {
      'color': style.SKY,
      'linewidth': 1.0,
      'linestyle': (0, (3, 1)),
      'zorder': 2,
    },
  ),
  'clusters': (
    'clusters of codes',
    {'color': style.BLACK, 'linewidth': 1.3, 'zorder': 2},
  ),
}
CLUSTERS = ('kmeans', 'kmeans_deskewed', 'clusters')


def groups(rows: Iterable[Row], method: str) -> list[list[Row]]:
  """The rows of a method, in groups of one curve each.

  PCA is one curve. Clusters are one for each way to make them.
  """
  found: dict[tuple, list[Row]] = {}
  for row in rows:
    if row.method == method:
      place = (row.configuration, row.variant) if method in CLUSTERS else ()
      found.setdefault(place, []).append(row)
  return [*found.values()]


def draw(axes, panel: Panel, x: str, y: str) -> None:
  """Draws column `y` against column `x`, for each method that has both."""
  for method, (_, line) in LINES.items():
    known = [
      row
      for row in panel.rows
      if None not in (getattr(row, x), getattr(row, y))
    ]
    for rows in groups(known, method):
      # Rounded, since rates that should be equal differ in their last digits.
      places = np.array([round(value, 6) for value in column(rows, x)])
      values = np.array(column(rows, y))
      if method in CLUSTERS:
        chosen = np.argsort(places)
      else:
        chosen = references.envelope(places, values)
      # A single point makes no line.
      marker = '.' if len(chosen) == 1 else ''
      axes.plot(
        places[chosen], values[chosen], label=method, marker=marker, **line
      )


def key(rows: Iterable[Row]) -> list[Line2D]:
  """The entries of a key for the methods in `rows`."""
  methods = {row.method for row in rows}
  return [
    Line2D([], [], label=name, **line)
    for method, (name, line) in LINES.items()
    if method in methods
  ]
