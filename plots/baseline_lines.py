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
    {'color': style.ORANGE, 'linewidth': 1.2, 'zorder': 2},
  ),
  'kmeans_deskewed': (
    'k-means without slant and position',
    {
      'color': style.ORANGE,
      'linewidth': 1.0,
      'linestyle': (0, (3, 1)),
      'zorder': 2,
    },
  ),
  'clusters': (
    'clusters of codes',
    {'color': style.PURPLE, 'linewidth': 1.2, 'zorder': 2},
  ),
}
CLUSTERS = ('kmeans', 'kmeans_deskewed', 'clusters')


def draw(axes, panel: Panel, x: str, y: str) -> None:
  """Draws column `y` against column `x`, for each method that has both."""
  for method, (_, line) in LINES.items():
    rows = panel.of(method)
    if not rows or getattr(rows[0], x) is None or getattr(rows[0], y) is None:
      continue
    # Rounded, since rates that should be equal differ in their last digits.
    places = np.array([round(value, 6) for value in column(rows, x)])
    values = np.array(column(rows, y))
    if method in CLUSTERS:
      chosen = np.argsort(places)
    else:
      chosen = references.envelope(places, values)
    axes.plot(places[chosen], values[chosen], label=method, **line)


def key(rows: Iterable[Row]) -> list[Line2D]:
  """The entries of a key for the methods in `rows`."""
  methods = {row.method for row in rows}
  return [
    Line2D([], [], label=name, **line)
    for method, (name, line) in LINES.items()
    if method in methods
  ]
