"""What annealing beta does to the codes of an autoregressive decoder of MNIST.

A row is a marginal. On the left is C against R, on the right D + R against R.
Colour shows for how many epochs beta grew from 0, the marker how many epochs
the training had. A line is dashed if its range of beta is unusual. A cross is a
training at one beta, which was adapted to hold the rate from the first epochs
on. Results of the deconvolutional decoder with the same marginal are grey. The
limits of D + R are those of the autoregressive ones.
"""

import collections
import dataclasses
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from plots import style
from plots.evidence import (
  AUTO,
  COMPACT,
  DATASETS,
  DECONV,
  MARGINALS,
  Evidence,
  Family,
)
from plots.magnified import FAINT, REFERENCE
from plots.seeds import averaged
from plots.table import Row, column

Place = tuple[float, float, str]  # Epochs of annealing, all epochs, range.

TASK = 'digit'
LARGEST = 45.0  # Nats: no larger rate is shown.
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
MARKERS = 'osv^Dp'  # By rising number of epochs.


HELD: style.Keywords = {
  'color': style.BLACK,
  'marker': 'X',
  'markersize': 1.3 * style.LARGE,
  'linestyle': 'none',
  'zorder': 5,
}


HELD_TEXT = 'R held from the first epochs on'
SIMPLE: style.Keywords = {'color': REFERENCE['color']}


@dataclasses.dataclass(frozen=True)
class Trainings:
  """The trainings with one marginal.

  Attributes:
    strong: Multi-beta models with the autoregressive decoder.
    simple: The deconvolutional one that represents its family, if any.
    held: Results of trainings of both decoders whose rate was held.
  """

  strong: Sequence[Family]
  simple: Family | None
  held: Sequence[Row]

  @property
  def families(self) -> list[Family]:
    """All multi-beta models."""
    return [*self.strong, *filter(None, [self.simple])]


def by_marginal(rows: Sequence[Row]) -> dict[str, Trainings]:
  """The trainings of each marginal that was annealed in several ways.

  Two of them differ in the annealing, and not in epochs.

  Args:
    rows: The whole table of results.

  Raises:
    UserError: A row that it reads is damaged.
  """
  if not any(
    (row.method, row.dataset, row.task) == ('vae', DATASETS[TASK], TASK)
    for row in rows
  ):
    return {}
  digits = Evidence(rows, TASK)
  found = {}
  for marginal in MARGINALS:
    strong = [one for one in digits.compact(AUTO, marginal) if one.epochs]
    ways = {(one.epochs, one.annealing) for one in strong}
    if len(ways) > len({epochs for epochs, _ in ways}):
      usual = digits.usual(DECONV, marginal)
      simple = digits.family(DECONV, marginal) if usual else None
      held = [
        row
        for row in averaged(digits.of('vae'))
        if row.target_rate
        and row.architecture == COMPACT
        and not row.augmentation
        and row.family in {('conv', one, marginal) for one in (AUTO, DECONV)}
      ]
      found[marginal] = Trainings(strong, simple, held)
  return found


@style.styled
def annealing(trainings: dict[str, Trainings]) -> Figure:
  """The figure, with a row of two plots for each marginal.

  Args:
    trainings: From `by_marginal`.
  """
  figure = Figure(
    (style.WIDTH, 1.2 + 2.2 * len(trainings)), layout='constrained'
  )
  grid = figure.subplots(len(trainings), 2, sharex=True, squeeze=False)
  looks = _looks([one for group in trainings.values() for one in group.strong])
  for (left, right), (marginal, group) in zip(
    grid, trainings.items(), strict=True
  ):
    _draw(left, group, 'label_distortion', looks)
    _draw(right, group, 'rate_plus_distortion', looks)
    _finish(left, right, group)
    style.title(left, f'MNIST digit, {MARGINALS[marginal]}')
  for axes in grid[-1]:
    axes.set_xlim(0, LARGEST)
    axes.set_xlabel('rate R (nats)')
  entries = [
    Line2D([], [], label=_text(place, look), linewidth=0.8, **look)
    for place, look in looks.items()
  ]
  if any(row.decoder == AUTO for row in _held(trainings)):
    entries.append(Line2D([], [], label=HELD_TEXT, **HELD))
  style.key(figure, entries, 'left', 'Autoregressive decoder')
  grey = [Line2D([], [], label='as in figure 1', **REFERENCE)]
  if any(row.decoder == DECONV for row in _held(trainings)):
    grey.append(Line2D([], [], label=HELD_TEXT, **HELD | SIMPLE))
  style.key(figure, grey, 'right', 'Deconvolutional decoder')
  return figure


def _held(trainings):
  """All results of trainings whose rate was held."""
  return [row for group in trainings.values() for row in group.held]


def _place(family: Family) -> Place:
  """What the look of a training shows."""
  row = family.first
  return family.annealing, family.epochs, row.beta_trained


def _looks(families: Sequence[Family]) -> dict[Place, style.Keywords]:
  """The look of each kind of autoregressive training, in the key's order."""
  places = [_place(family) for family in families]
  annealed, epochs = (sorted({place[n] for place in places}) for n in (0, 1))
  ranges = collections.Counter(place[2] for place in places)
  [(usual, _)] = ranges.most_common(1)
  shades = matplotlib.colormaps['plasma'](np.linspace(0, 0.85, len(annealed)))
  return {
    place: {
      'color': shades[annealed.index(place[0])],
      'marker': MARKERS[epochs.index(place[1]) % len(MARKERS)],
      'markersize': style.SMALL,
      'linestyle': '-' if place[2] == usual else ':',
    }
    for place in sorted(set(places))
  }


def _text(place, look):
  """A kind of training, for the key."""
  annealed, epochs, betas = place
  beta = 'β' if look['linestyle'] == '-' else f'β in {betas}'
  how = f'{beta} annealed for {annealed:g}' if annealed else f'constant {beta}'
  return f'{epochs:g} epochs, {how}'


def _draw(axes, group, name, looks):
  """Draws the trainings of one marginal, with standard errors."""
  for family in group.families:
    rows = sorted(family.rows, key=lambda row: row.number('rate'))
    rates, values = column(rows, 'rate'), column(rows, name)
    if family is group.simple:
      axes.plot(rates, values, label=family.name, **REFERENCE)
      continue
    errors = column(rows, f'{name}_stderr')
    thin: style.Keywords = {'linewidth': 0.8, 'elinewidth': 0.7, 'zorder': 4}
    look = looks[_place(family)]
    axes.errorbar(rates, values, errors, label=family.name, **thin, **look)
  for decoder, look in ((AUTO, HELD), (DECONV, HELD | SIMPLE)):
    held = [row for row in group.held if row.decoder == decoder]
    values = column(held, 'rate'), column(held, name)
    axes.plot(*values, label=f'held {decoder}', **look)


def _finish(left, right, group):
  """Sets scales, limits and labels of a row."""
  rows = [row for family in group.families for row in family.rows]
  left.set_yscale('log')
  left.yaxis.set_major_locator(FixedLocator(TICKS))
  left.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
  left.yaxis.set_minor_locator(NullLocator())
  for tick in TICKS:
    left.axhline(tick, **FAINT)
  left.set_ylim(0.9 * min(column(rows, 'label_distortion')), 1.2)
  totals = [
    row.number('rate_plus_distortion')
    for row in [*rows, *group.held]
    if row.number('rate') <= LARGEST and row.decoder == AUTO
  ]
  span = max(totals) - min(totals)
  right.set_ylim(min(totals) - 0.1 * span, max(totals) + 0.1 * span)
  left.set_ylabel('label distortion C (nats)')
  right.set_ylabel('D + R (nats)')
