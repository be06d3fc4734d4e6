"""Figures 1 and 2: label distortion C against rate R and distortion D.

A dashed black line discards at random from an optimal lossless code, for which
R = H(X) - D: H(Y) (1 - R / H(X)) on the left, H(Y) D / H(X) on the right. No
method can be in the shaded corner, where C < H(Y) - R. Baselines of unbounded
rate are horizontal lines, over the spread of their seeds. PCA's line joins the
best of all its sizes and noises.

#### References

Fertig, Arbabi and Alemi. beta-VAEs can retain label information even at high
compression. NeurIPS workshop on Bayesian Deep Learning, 2018.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plots import style
from plots.table import Panel
from vae_info import references

# Method -> its name in the key, and its line. Colour-blind readers and prints
# in grey tell them by dashes and widths.
BASELINES = {
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
PCA = {'color': style.GREEN, 'linewidth': 1.2, 'zorder': 2}
DISCARD = {'color': style.BLACK, 'linestyle': (0, (4, 2)), 'linewidth': 0.9}
FLOOR = {'facecolor': '#DDDDDD', 'edgecolor': 'none', 'zorder': 0}
ENTROPY = {'color': style.GREY, 'linewidth': 0.5, 'linestyle': ':'}
MAGNIFIED = 0.5  # Nats: the largest C of figure 2.


@style.styled
def label_distortion(panels: Sequence[Panel]) -> Figure:
  """Figure 1: a row of C against R, and against D, for each panel."""
  figure = Figure((style.WIDTH, 1.3 + 1.9 * len(panels)), layout='constrained')
  grid = figure.subplots(
    len(panels), 2, sharex='col', sharey='row', squeeze=False
  )
  for (left, right), panel in zip(grid, panels, strict=True):
    _draw_row(left, right, panel)
    left.set_ylim(0, _top(panel))
    style.title(left, panel.title, left is grid[0, 0])
  every = [row for panel in panels for row in panel.of('vae')]
  _finish(figure, grid, panels)
  _span(grid[0, 0], every, 'rate')
  _span(grid[0, 1], every, 'distortion')
  return figure


@style.styled
def magnified(panel: Panel) -> Figure:
  """Figure 2: the same of one panel, where C is small."""
  figure = Figure((style.WIDTH, 3.5), layout='constrained')
  grid = figure.subplots(1, 2, sharey='row', squeeze=False)
  (left, right), every = grid[0], panel.of('vae')
  _draw_row(left, right, panel)
  left.set_ylim(0, MAGNIFIED)
  style.title(left, panel.title, True)
  _finish(figure, grid, [panel])
  shown = [row for row in every if row.label_distortion <= MAGNIFIED] or every
  _span(left, shown, 'rate')
  _span(right, shown, 'distortion')
  return figure


def _draw_row(left, right, panel):
  """C against R, and against D."""
  entropy, known = panel.label_entropy, panel.input_entropy
  corner = np.array([0, entropy])
  left.fill_between(corner, references.hard_floor(corner, entropy), **FLOOR)
  if known is not None:
    rates = np.array([0, known])
    values = references.random_discard(rates, entropy, known)
    left.plot(rates, values, label='discard', zorder=2, **DISCARD)
    right.plot(known - rates, values, label='discard', zorder=2, **DISCARD)
  pca = panel.of('pca')
  if pca:
    # Rounded, since noise follows from the rate but for its last digits.
    rates = np.array([round(row.rate, 6) for row in pca])
    losses = np.array([row.label_distortion for row in pca])
    best = references.envelope(rates, losses)
    left.plot(rates[best], losses[best], label='pca', **PCA)
  for axes, x in ((left, 'rate'), (right, 'distortion')):
    _draw_baselines(axes, panel)
    axes.axhline(entropy, **ENTROPY)
    style.draw_runs(axes, panel.rows, x, 'label_distortion')


def _draw_baselines(axes, panel):
  """Horizontal lines, and the least and largest of several seeds."""
  for method, (_, line) in BASELINES.items():
    values = [row.label_distortion for row in panel.of(method)]
    if values:
      mean = _baseline(panel, method)
      axes.axhline(mean, label=method, zorder=1.5, **line)
    if len(values) > 1:
      axes.axhspan(
        min(values),
        max(values),
        color=line['color'],
        alpha=0.2,
        linewidth=0,
        zorder=1,
      )


def _baseline(panel: Panel, method: str) -> float:
  """C of a baseline, the mean of its seeds; 0 where there is none."""
  values = [row.label_distortion for row in panel.of(method)]
  return float(np.mean(values)) if values else 0.0


def _top(panel: Panel) -> float:
  """The upper end of C's axis: all β-VAEs, and H(Y), are below it.

  A bad classifier may exceed H(Y); baselines that do so by far are left out.
  """
  entropy = panel.label_entropy
  baselines = max(_baseline(panel, method) for method in BASELINES)
  runs = max((row.label_distortion for row in panel.of('vae')), default=0.0)
  return max(1.06 * entropy, min(1.03 * baselines, 1.5 * entropy), 1.03 * runs)


def notes(panels: Sequence[Panel]) -> list[str]:
  """Baselines that are above their panel, a line each."""
  return [
    f'above the panel {panel.title}: {name}, '
    f'C = {_baseline(panel, method):.3f} nats'
    for panel in panels
    for method, (name, _) in BASELINES.items()
    if _baseline(panel, method) > _top(panel)
  ]


def _span(axes, rows, x):
  """The axis from 0 to just beyond the runs."""
  axes.set_xlim(0, 1.05 * max(max(getattr(row, x) for row in rows), 1.0))


def _finish(figure, grid, panels):
  """Labels, the axes in bits, and the two keys."""
  for left, right in grid:
    left.set_ylabel('label distortion C (nats)')
    style.bits_right(right)
  for axes in grid[0]:
    style.bits_above(axes)
  grid[-1, 0].set_xlabel('rate R (nats)')
  grid[-1, 1].set_xlabel('distortion D (nats)')
  rows = [row for panel in panels for row in panel.rows]
  style.key(figure, style.run_key(rows), 'left', 'β-VAEs (decoder, marginal)')
  lines = _lines_key(panels)
  if grid[0, 0].get_ylim()[1] > panels[0].label_entropy:
    lines.append(Line2D([], [], label='H(Y)', **ENTROPY))
  style.key(figure, lines, 'right', 'Baselines')


def _lines_key(panels):
  methods = {row.method for panel in panels for row in panel.rows}
  entries = []
  if any(panel.input_entropy is not None for panel in panels):
    entries.append(Line2D([], [], label='random discard', **DISCARD))
  if 'pca' in methods:
    entries.append(Line2D([], [], label='PCA with noise, the best', **PCA))
  entries += [
    Line2D([], [], label=name, **line)
    for method, (name, line) in BASELINES.items()
    if method in methods
  ]
  entries.append(Patch(label='impossible: C < H(Y) − R', **FLOOR))
  return entries
