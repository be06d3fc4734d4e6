"""Which information survives: the share of each label's that codes keep.

On the left is the share of the label's entropy that the code keeps,

    (H(Y) - C) / H(Y),

against the rate R. On the right is the share of the information that a
supervised network gets from the pixels,

    (H(Y) - C) / (H(Y) - C_supervised).

The two differ where the pixels do not determine the label, such as a grey
digit's thickness. A row of panels is a data set and a decoder. Colour and
marker show the label, and the line's style the marginal. C_supervised is the
least C of the supervised networks, each averaged over its seeds.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots import style
from plots.curves import interpolated
from plots.panels import best_configurations, check_same
from plots.representatives import kind, representatives
from plots.seeds import averaged
from plots.table import MODEL, Row, column, rows_of_methods

# Name of the data -> its data sets, and its labels. The first data set that has
# a run with two labels is drawn.
WORLDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
  'MNIST': (
    ('binarized_mnist', 'static_mnist'),
    ('digit', 'area', 'length', 'thickness', 'slant', 'width', 'height'),
  ),
  'Omniglot': (('omniglot_lake',), ('alphabet', 'character', 'drawer')),
  'sprites': (('sprites',), ('shape', 'scale', 'orientation', 'x', 'y')),
}
_LOSSES = ('label_distortion', 'label_distortion_stderr', 'label_entropy')
METHODS = {
  'vae': (*MODEL, 'rate', *_LOSSES),
  'supervised_simple': _LOSSES,
  'supervised_complex': _LOSSES,
}
# A label's looks follow from its place among the labels of its data.
LOOKS = (
  (style.BLACK, 'o'),
  (style.ORANGE, 's'),
  (style.SKY, '^'),
  (style.GREEN, 'D'),
  (style.BLUE, 'v'),
  (style.VERMILLION, 'P'),
  (style.PURPLE, 'X'),
)
DASHES: dict[str, Any] = {
  'gaussian': '-',
  'maf': ':',
  'vampprior': (0, (4, 1.5)),
}
OTHER_DASHES = style.DASH_DOTTED


@dataclasses.dataclass(frozen=True)
class Curve:
  """What one family's codes keep of one label, at several rates.

  Attributes:
    task: The label.
    rows: The results, from the lowest rate up.
    supervised: The least C of a supervised network, nats; None if the table
      has none.
  """

  task: str
  rows: Sequence[Row]
  supervised: float | None

  @property
  def decoder(self) -> str:
    return self.rows[0].decoder

  @property
  def marginal(self) -> str:
    return self.rows[0].marginal

  @property
  def label_entropy(self) -> float:
    """H(Y), nats."""
    return self.rows[0].number('label_entropy')

  @property
  def rates(self) -> np.ndarray:
    """R at each point, nats."""
    return np.array(column(self.rows, 'rate'))

  def whole(self, of_pixels: bool) -> float | None:
    """The information that counts as a share of 1, nats.

    Args:
      of_pixels: Whether it is what the supervised network gets; else H(Y).
    """
    if not of_pixels:
      return self.label_entropy
    if self.supervised is None or self.supervised >= self.label_entropy:
      return None
    return self.label_entropy - self.supervised

  def shares(self, of_pixels: bool) -> np.ndarray | None:
    """The share kept at each point; None if the whole is unknown."""
    whole = self.whole(of_pixels)
    if whole is None:
      return None
    losses = np.array(column(self.rows, 'label_distortion'))
    return (self.label_entropy - losses) / whole

  def at(self, rate: float, of_pixels: bool) -> float | None:
    """The share kept at a rate, interpolated; None outside the curve."""
    shares = self.shares(of_pixels)
    if shares is None or len(shares) < 2:
      return None
    return interpolated(rate, self.rates.tolist(), shares.tolist())


@dataclasses.dataclass(frozen=True)
class Panel:
  """The curves of one data set and decoder.

  Attributes:
    world: A key of `WORLDS`.
    decoder: The decoder.
    curves: A curve for each label and run, labels in the order of `WORLDS`.
  """

  world: str
  decoder: str
  curves: Sequence[Curve]

  @property
  def title(self) -> str:
    return f'{self.world}, {style.decoder_look(self.decoder)[1]}'


def make_panels(rows: Sequence[Row]) -> list[Panel]:
  """The panels for which a table has rows; none if no run has two labels.

  Args:
    rows: The whole table, of any data sets.

  Raises:
    UserError: A row of a panel is damaged, or C of a task is by two
      classifiers.
  """
  panels = []
  for world in WORLDS:
    curves = _curves(rows, world)
    decoders = {curve.decoder for curve in curves}
    for decoder in sorted(
      decoders, key=lambda name: style.place(name, style.DECODERS)
    ):
      of_decoder = [curve for curve in curves if curve.decoder == decoder]
      panels.append(Panel(world, decoder, of_decoder))
  return panels


def _curves(rows, world):
  """The curves of the world's first data set whose runs have two labels."""
  datasets, tasks = WORLDS[world]
  for dataset in datasets:
    here = [row for row in rows if row.data == dataset and row.task in tasks]
    drawn = rows_of_methods(here, METHODS)
    for task in tasks:
      fitted = [r for r in drawn if r.task == task and r.method == 'vae']
      check_same(f'of {task}', fitted, 'classifier')
    labels: dict[str, set[str]] = {}
    for row in drawn:
      labels.setdefault(row.run, set()).add(row.task)
    several = [
      row
      for row in drawn
      if row.method == 'vae'
      and row.encoder == 'conv'
      and len(labels[row.run]) > 1
    ]
    means = averaged(representatives(several))
    runs: dict[tuple, list[Row]] = {}
    for row in sorted(means, key=lambda row: (tasks.index(row.task), row.run)):
      # Trainings at one beta each are points of their family's curve.
      alone = row.family, kind(row), bool(row.target_rate)
      name = row.configuration if row.beta_trained else alone
      runs.setdefault((row.task, name), []).append(row)
    if runs:
      return [
        Curve(
          task,
          sorted(points, key=lambda row: row.number('rate')),
          _supervised(drawn, task),
        )
        for (task, _), points in runs.items()
      ]
  return []


def _supervised(rows, task):
  """The least C of a supervised network, each averaged over its seeds."""
  networks = [row for row in rows if row.task == task and row.method != 'vae']
  losses: dict[str, list[float]] = {}
  for row in best_configurations(networks):
    losses.setdefault(row.method, []).append(row.number('label_distortion'))
  return min((float(np.mean(each)) for each in losses.values()), default=None)


@style.styled
def attributes(panels: Sequence[Panel]) -> Figure:
  """The figure: a row for each data set and decoder.

  Args:
    panels: From `make_panels`.
  """
  figure = Figure((style.WIDTH, 0.5 + 1.55 * len(panels)), layout='constrained')
  grid = figure.subplots(len(panels), 2, sharey=True, squeeze=False)
  for panel, (left, right) in zip(panels, grid, strict=True):
    for axes, of_pixels in ((left, False), (right, True)):
      for curve in panel.curves:
        _draw(axes, curve, of_pixels)
      limit = max(curve.rates.max() for curve in panel.curves)
      axes.set_xlim(0, 1.05 * max(limit, 1.0))
      axes.axhline(1, color=style.GREY, linewidth=0.5, linestyle=':')
    style.title(left, panel.title)
    left.set_ylabel('share of H(Y)')
    right.set_ylabel('share of supervised')
    right.legend(
      handles=_task_key(panel), loc='center left', bbox_to_anchor=(1, 0.5)
    )
  grid[0, 0].set_ylim(-0.03, 1.08)
  for axes in grid[-1]:
    axes.set_xlabel('rate R (nats)')
  style.key(figure, _marginal_key(panels), 'left', 'Marginal', 4)
  return figure


def look(world: str, task: str) -> tuple[str, str]:
  """Colour and marker of a label."""
  return LOOKS[WORLDS[world][1].index(task)]


def _world(task):
  return next(world for world in WORLDS if task in WORLDS[world][1])


def _draw(axes, curve, of_pixels):
  """Draws a curve with error bars of one standard error of C."""
  shares, whole = curve.shares(of_pixels), curve.whole(of_pixels)
  if shares is None:
    return
  colour, marker = look(_world(curve.task), curve.task)
  errors = np.array(column(curve.rows, 'label_distortion_stderr')) / whole
  axes.errorbar(
    curve.rates,
    shares,
    yerr=errors,
    color=colour,
    marker=marker,
    markersize=2.2,
    linewidth=0.8,
    elinewidth=0.6,
    linestyle=DASHES.get(curve.marginal, OTHER_DASHES),
    label=f'{curve.task} {curve.rows[0].run}',
  )


def _task_key(panel):
  tasks = dict.fromkeys(curve.task for curve in panel.curves)
  entries = []
  for task in tasks:
    colour, marker = look(panel.world, task)
    entries.append(
      Line2D([], [], color=colour, marker=marker, markersize=3, label=task)
    )
  return entries


def _marginal_key(panels):
  marginals = {curve.marginal for panel in panels for curve in panel.curves}
  return [
    Line2D(
      [],
      [],
      color=style.GREY,
      linestyle=DASHES.get(name, OTHER_DASHES),
      label=style.marginal_look(name).name,
    )
    for name in sorted(
      marginals, key=lambda name: style.place(name, style.MARGINALS)
    )
  ]


def notes(panels: Sequence[Panel]) -> list[str]:
  """Names the labels that are not on the right, and why, a line for each."""
  lacking = {
    (f'{panel.world} {curve.task}', curve.supervised is None): None
    for panel in panels
    for curve in panel.curves
    if curve.whole(of_pixels=True) is None
  }
  return [
    f'{name} is not on the right of attributes: '
    + (
      'the table has no supervised network of it'
      if unknown
      else 'the supervised networks get nothing of it from the pixels'
    )
    for name, unknown in lacking
  ]
