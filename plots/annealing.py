"""What annealing beta does to the codes of an autoregressive decoder of MNIST.

A row is a marginal. On the left is C against R, on the right D + R against R.
Colour shows for how many epochs beta grew from 0, the marker how many epochs
the training had. The deconvolutional decoder with the same marginal is grey.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from plots import style
from plots.evidence import AUTO, DATASETS, DECONV, MARGINALS, Evidence, Family
from plots.magnified import FAINT, REFERENCE
from plots.table import Row, column

TASK = 'digit'
LARGEST = 45.0  # Nats: no larger rate is shown.
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
MARKERS = 'osv^Dp'  # By rising number of epochs.


def by_marginal(rows: Sequence[Row]) -> dict[str, list[Family]]:
  """The trainings of each marginal that has one with a constant beta, if any.

  The deconvolutional one of a marginal comes first.

  Args:
    rows: The whole table of results.

  Raises:
    UserError: A row that it reads is damaged.
  """
  if not any(
    row.dataset == DATASETS[TASK] and row.task == TASK for row in rows
  ):
    return {}
  digits = Evidence(rows, TASK)
  found = {}
  for marginal in MARGINALS:
    trained = [one for one in digits.compact(AUTO, marginal) if one.epochs]
    if len({bool(one.annealing) for one in trained}) == 2:
      simple = digits.usual(DECONV, marginal)
      reference = [digits.family(DECONV, marginal)] if simple else []
      found[marginal] = reference + trained
  return found


@style.styled
def annealing(trainings: dict[str, list[Family]]) -> Figure:
  """The figure, with a row of two plots for each marginal.

  Args:
    trainings: From `by_marginal`.
  """
  figure = Figure(
    (style.WIDTH, 1.2 + 2.2 * len(trainings)), layout='constrained'
  )
  grid = figure.subplots(len(trainings), 2, sharex=True, squeeze=False)
  looks = _looks([one for group in trainings.values() for one in group])
  for (left, right), (marginal, group) in zip(
    grid, trainings.items(), strict=True
  ):
    for family in group:
      _draw(left, family, 'label_distortion', looks)
      _draw(right, family, 'rate_plus_distortion', looks)
    _finish(left, right, group)
    style.title(left, f'MNIST digit, {MARGINALS[marginal]}')
  for axes in grid[-1]:
    axes.set_xlim(0, LARGEST)
    axes.set_xlabel('rate R (nats)')
  entries = [
    Line2D([], [], label=_text(place), linewidth=0.8, **look)
    for place, look in looks.items()
  ]
  style.key(figure, entries, 'left', 'Autoregressive decoder', 2)
  name = 'same marginal, most epochs'
  grey = Line2D([], [], label=name, **REFERENCE)
  style.key(figure, [grey], 'right', 'Deconvolutional decoder')
  return figure


def _place(family: Family) -> tuple[float, float]:
  """What colour and marker show: the epochs of annealing, and all epochs."""
  return family.annealing, family.epochs


def _looks(families: Sequence[Family]) -> dict[tuple[float, float], dict]:
  """The look of each kind of autoregressive training, in the key's order."""
  strong = [one for one in families if one.curves[0].first.decoder == AUTO]
  places = sorted({_place(family) for family in strong})
  annealed = sorted({place[0] for place in places})
  epochs = sorted({place[1] for place in places})
  shades = matplotlib.colormaps['plasma'](np.linspace(0, 0.85, len(annealed)))
  return {
    place: {
      'color': shades[annealed.index(place[0])],
      'marker': MARKERS[epochs.index(place[1]) % len(MARKERS)],
      'markersize': style.SMALL,
    }
    for place in places
  }


def _text(place):
  """A kind of training, for the key."""
  annealed, epochs = place
  how = f'β annealed for {annealed:g}' if annealed else 'constant β'
  return f'{how}, {epochs:g} epochs'


def _draw(axes, family, name, looks):
  """Draws one training, averaged over seeds, with standard errors."""
  rows = sorted(family.rows, key=lambda row: row.number('rate'))
  rates, values = column(rows, 'rate'), column(rows, name)
  if family.curves[0].first.decoder == DECONV:
    axes.plot(rates, values, label=family.name, **REFERENCE)
    return
  look = looks[_place(family)]
  errors = column(rows, f'{name}_stderr')
  axes.errorbar(
    rates,
    values,
    yerr=errors,
    linewidth=0.8,
    elinewidth=0.7,
    zorder=4,
    label=family.name,
    **look,
  )


def _finish(left, right, group):
  """Sets scales, limits and labels of a row."""
  rows = [row for family in group for row in family.rows]
  left.set_yscale('log')
  left.yaxis.set_major_locator(FixedLocator(TICKS))
  left.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
  left.yaxis.set_minor_locator(NullLocator())
  for tick in TICKS:
    left.axhline(tick, **FAINT)
  left.set_ylim(0.9 * min(column(rows, 'label_distortion')), 1.2)
  totals = [
    row.number('rate_plus_distortion')
    for row in rows
    if row.number('rate') <= LARGEST and row.decoder == AUTO
  ]
  span = max(totals) - min(totals)
  right.set_ylim(min(totals) - 0.1 * span, max(totals) + 0.1 * span)
  left.set_ylabel('label distortion C (nats)')
  right.set_ylabel('D + R (nats)')
