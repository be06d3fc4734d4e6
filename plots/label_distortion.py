"""Figure 1: label distortion C against rate R and distortion D.

The dashed black line discards at random from an optimal lossless code, which
has R = H(X) - D. So C is H(Y) (1 - R / H(X)) on the left, and H(Y) D / H(X) on
the right. No method can reach the shaded corner, where C < H(Y) - R. Baselines
without a rate are horizontal lines; a band shows the spread of their seeds.
PCA's line is in `baseline_lines`. Figure 2 is in `magnified`. Baselines that
the paper does not have are in `low_rate` and `flow_figure`.

#### References

Fertig, Arbabi and Alemi. beta-VAEs can retain label information even at high
compression. NeurIPS workshop on Bayesian Deep Learning, 2018.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plots import baseline_lines, style
from plots.panels import Panel, task_panels
from plots.table import MODEL, Row, column, with_errors
from vae_info import references

# Method -> its name in the key, and its line. Dashes and widths differ as well,
# for colour-blind readers and for prints in grey.
BASELINES: dict[str, tuple[str, style.Keywords]] = {
  'random_dense': (
    'random, fully connected',
    {'color': style.VERMILLION, 'linewidth': 0.9},
  ),
  'random_conv': (
    'random, convolutional',
    {'color': style.SKY, 'linewidth': 1.8},
  ),
  'supervised_simple': (
    'supervised, simple',
    {'color': style.VERMILLION, 'linestyle': (0, (5, 2))},
  ),
  'supervised_complex': (
    'supervised, complex',
    {'color': style.GREEN, 'linestyle': (0, (2, 1)), 'linewidth': 1.4},
  ),
}
DISCARD: style.Keywords = {
  'color': style.BLACK,
  'linestyle': (0, (4, 2)),
  'linewidth': 0.9,
}
FLOOR: style.Keywords = {
  'facecolor': '#DDDDDD',
  'edgecolor': 'none',
  'zorder': 0,
}
ENTROPY: style.Keywords = {
  'color': style.GREY,
  'linewidth': 0.5,
  'linestyle': ':',
}
# The methods that are drawn, and the columns that their rows must have.
LOSSES = (*with_errors('label_distortion'), 'label_entropy')
METHODS = {
  'vae': (*MODEL, *with_errors('rate', 'distortion'), *LOSSES),
  'pca': ('latent_size', 'noise', 'rate', *LOSSES),
  **dict.fromkeys(BASELINES, LOSSES),
}


def make_panels(
  rows: Sequence[Row], others: Mapping[str, Sequence[str]] | None = None
) -> list[Panel]:
  """A panel for each task.

  Args:
    rows: Rows of any data set, task and method.
    others: Further methods that it has, and the columns of their rows.

  Raises:
    UserError: As `task_panels`.
  """
  return task_panels(rows, {**METHODS, **(others or {})})


@style.styled
def label_distortion(panels: Sequence[Panel]) -> Figure:
  """Figure 1: for each panel a row, with C against R and C against D.

  Args:
    panels: From `make_panels`.
  """
  figure = Figure((style.WIDTH, 1.3 + 1.9 * len(panels)), layout='constrained')
  grid = figure.subplots(
    len(panels), 2, sharex='col', sharey='row', squeeze=False
  )
  for (left, right), panel in zip(grid, panels, strict=True):
    _draw_row(left, right, panel)
    left.set_ylim(0, _top(panel))
    style.title(left, panel.title, left is grid[0, 0])
  vaes = [row for panel in panels for row in panel.of('vae')]
  _finish(figure, grid, panels)
  _span(grid[0, 0], vaes, 'rate')
  _span(grid[0, 1], vaes, 'distortion')
  return figure


def _draw_row(left, right, panel):
  """Draws C against R on the left, and against D on the right."""
  entropy = panel.label_entropy
  corner = np.array([0, entropy])
  left.fill_between(corner, references.hard_floor(corner, entropy), **FLOOR)
  draw_discard(left, panel)
  draw_discard(right, panel, by_distortion=True)
  for axes, x in ((left, 'rate'), (right, 'distortion')):
    baseline_lines.draw(axes, panel, x, 'label_distortion')
    draw_baselines(axes, panel)
    axes.axhline(entropy, **ENTROPY)
    style.draw_runs(axes, panel.rows, x, 'label_distortion')


def draw_discard(axes, panel: Panel, by_distortion: bool = False) -> None:
  """Draws random discarding against R, or against D; needs H(X)."""
  input_entropy = panel.input_entropy
  if input_entropy is None:
    return
  rates = np.array([0, input_entropy])
  losses = references.random_discard(rates, panel.label_entropy, input_entropy)
  places = input_entropy - rates if by_distortion else rates
  axes.plot(places, losses, label='discard', zorder=2, **DISCARD)


def draw_baselines(axes, panel):
  """Draws baselines as horizontal lines, with a band over several seeds."""
  for method, (_, line) in BASELINES.items():
    losses = column(panel.of(method), 'label_distortion')
    if losses:
      mean = _baseline(panel, method)
      axes.axhline(mean, label=method, zorder=1.5, **line)
    if len(losses) > 1:
      axes.axhspan(
        min(losses),
        max(losses),
        color=line['color'],
        alpha=0.2,
        linewidth=0,
        zorder=1,
      )


def _baseline(panel: Panel, method: str) -> float:
  """C of a baseline, nats, averaged over seeds; 0 if the panel has none."""
  losses = column(panel.of(method), 'label_distortion')
  return float(np.mean(losses)) if losses else 0.0


def _top(panel: Panel) -> float:
  """The upper end of C's axis, nats; all β-VAEs and H(Y) are below it.

  A bad classifier may exceed H(Y). Baselines that exceed it by far do not
  stretch the axis: they are left out.
  """
  entropy = panel.label_entropy
  baselines = max(_baseline(panel, method) for method in BASELINES)
  runs = max(column(panel.of('vae'), 'label_distortion'), default=0.0)
  return max(1.06 * entropy, min(1.03 * baselines, 1.5 * entropy), 1.03 * runs)


def notes(panels: Sequence[Panel]) -> list[str]:
  """Names the baselines that are above their panel, a line for each."""
  return [
    f'above the panel {panel.title}: {name}, '
    f'C = {_baseline(panel, method):.3f} nats'
    for panel in panels
    for method, (name, _) in BASELINES.items()
    if _baseline(panel, method) > _top(panel)
  ]


def _span(axes, rows, x):
  """Sets the horizontal axis from 0 to just beyond the runs."""
  axes.set_xlim(0, 1.05 * max(*column(rows, x), 1.0))


def _finish(figure, grid, panels):
  """Adds labels, axes in bits, and the two keys."""
  for left, right in grid:
    left.set_ylabel('label distortion C (nats)')
    style.bits_right(right)
  for axes in grid[0]:
    style.bits_above(axes)
  grid[-1, 0].set_xlabel('rate R (nats)')
  grid[-1, 1].set_xlabel('distortion D (nats)')
  rows = [row for panel in panels for row in panel.rows]
  style.key(figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)')
  lines = lines_key(panels)
  lines.append(Patch(label='impossible: C < H(Y) − R', **FLOOR))
  if grid[0, 0].get_ylim()[1] > panels[0].label_entropy:
    lines.append(Line2D([], [], label='H(Y)', **ENTROPY))
  style.key(figure, lines, 'right', 'Baselines')


def discard_key(panels: Sequence[Panel]) -> list[Line2D]:
  """The entry of a key for random discarding, if a panel has it."""
  if all(panel.input_entropy is None for panel in panels):
    return []
  return [Line2D([], [], label='random discard', **DISCARD)]


def lines_key(panels: Sequence[Panel]) -> list[Artist]:
  """The entries of a key for all lines that are no β-VAEs."""
  rows = [row for panel in panels for row in panel.rows]
  methods = {row.method for row in rows}
  entries: list[Artist] = [*discard_key(panels), *baseline_lines.key(rows)]
  entries += [
    Line2D([], [], label=name, **line)
    for method, (name, line) in BASELINES.items()
    if method in methods
  ]
  return entries
