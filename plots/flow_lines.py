"""Lines of a normalizing flow's codes, as the figures draw them."""

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D

from plots import style
from plots.table import Row, column

# Variant -> its name in the key, its dashes and its marker.
FLOWS: dict[str, tuple[str, Any, str]] = {
  'all': ('flow, all dimensions', '-', 'x'),
  'coarse': ('flow, coarse dimensions', (0, (5, 1.5)), '+'),
  'untrained': ('flow, untrained', (0, (1, 1.2)), 'd'),
  'learned': ('flow, learned noise', (0, (5, 1.2, 1, 1.2)), '*'),
}
LINE: style.Keywords = {
  'color': style.GREY,
  'linewidth': 1.1,
  'markersize': 2.6,
  'zorder': 2.5,
}


def variants(rows: Sequence[Row]) -> dict[str, list[Row]]:
  """The rows of each variant of a flow's codes, in the order of their rate.

  Variants of a second flow have its name too.
  """
  found: dict[str, list[Row]] = {}
  flows = [row for row in rows if row.method == 'flow']
  for row in sorted(flows, key=lambda row: row.rate or 0.0):
    usual = row.configuration == flows[0].configuration
    name = row.variant if usual else f'{row.variant} of {row.configuration}'
    found.setdefault(name, []).append(row)
  return {name: found[name] for name in FLOWS if name in found} | found


def draw(axes, rows: Sequence[Row], x: str, y: str) -> None:
  """Draws column `y` against column `x`, a line for each variant and seed."""
  for variant, group in variants(rows).items():
    _, *shown = look(variant)
    for run in dict.fromkeys(row.run for row in group):
      line = [row for row in group if row.run == run]
      places = column(line, x), column(line, y)
      axes.plot(*places, label=f'flow {variant}', **_styled(*shown))


def key(panels: Sequence[Sequence[Row]]) -> list[Line2D]:
  """The entries of a key for the flows in the rows of several plots."""
  names = dict.fromkeys(name for rows in panels for name in variants(rows))
  return [
    Line2D([], [], label=name, **_styled(*shown))
    for name, *shown in map(look, names)
  ]


def look(variant: str) -> tuple[str, Any, str]:
  """The name in the key, the dashes and the marker of a variant."""
  return FLOWS.get(variant, (f'flow, {variant}', '-', 'x'))


def _styled(dashes, marker) -> style.Keywords:
  return {**LINE, 'linestyle': dashes, 'marker': marker}
