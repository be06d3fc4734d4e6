"""Looks up the results of families and baselines at equal rates.

A curve is one multi-beta model, evaluated at several betas. Between these
points, C and the label preference are interpolated in the rate. A family is the
curves of several seeds. Each is interpolated alone, and then they are averaged.
"""

import dataclasses
import math
from collections.abc import Sequence

from plots.curves import crossing, interpolated
from plots.panels import best_configurations
from plots.representatives import preference
from plots.seeds import Mean, averaged
from plots.table import INVARIANT, MODEL, Row, column, rows_of_methods
from vae_info import references
from vae_info.errors import UserError

DECONV, AUTO = 'deconvolutional', 'autoregressive'
MARGINALS = {'gaussian': 'Gaussian', 'maf': 'MAF', 'vampprior': 'VampPrior'}
DATASETS = {
  'digit': 'binarized_mnist',
  'alphabet': 'omniglot',
  'character': 'omniglot',
}
COMPACT = 'compact'
_LOSSES = ('label_distortion', 'label_distortion_stderr', 'label_entropy')
_METHODS = {
  'vae': (*MODEL, 'rate', *_LOSSES),
  'pca': ('latent_size', 'rate', *_LOSSES),
  'random_dense': _LOSSES,
  'random_conv': _LOSSES,
  'supervised_simple': _LOSSES,
  'supervised_complex': _LOSSES,
}


@dataclasses.dataclass(frozen=True)
class Curve:
  """The results of one multi-beta model.

  Attributes:
    rows: One row for each beta at which it was evaluated.
  """

  rows: Sequence[Row]

  @property
  def first(self) -> Row:
    """Any row, to read what is the same in all."""
    return self.rows[0]

  @property
  def name(self) -> str:
    """Family, range of betas and epochs, as text; and what else is unusual."""
    row = self.first
    parts = [' '.join(row.family), row.training]
    if row.epochs:
      parts.append(f'{row.epochs:g} epochs')
    return ', '.join(parts + row.unusual)

  def at(
    self, place: float, name: str = 'label_distortion', along: str = 'rate'
  ) -> float | None:
    """A column, interpolated where another one has a value.

    It is None outside the curve, or if a row lacks a column.

    Args:
      place: By default a rate, nats.
      name: The column.
      along: The column that has the value `place`. Along beta, the
        interpolation is in its logarithm.
    """
    values, places = (column(self.rows, each) for each in (name, along))
    if None in values or None in places:
      return None
    if along == 'beta':
      place, places = math.log(place), [math.log(beta) for beta in places]
    return interpolated(place, places, values)


@dataclasses.dataclass(frozen=True)
class Family:
  """The curves of one configuration, which differ in their seed.

  Attributes:
    curves: One for each seed.
  """

  curves: Sequence[Curve]

  @property
  def name(self) -> str:
    """Family, range of betas and number of seeds, as text."""
    count = len(self.curves)
    seeds = f', {count} seeds' if count > 1 else ''
    return f'{self.curves[0].name}{seeds}'

  @property
  def first(self) -> Row:
    """Any row, to read what is the same in all."""
    return self.curves[0].first

  @property
  def epochs(self) -> float:
    """For how many epochs it was trained; 0 if the table does not know."""
    return self.first.epochs or 0.0

  @property
  def annealing(self) -> float:
    """For how many epochs beta grew at the beginning; 0 if it was constant."""
    return self.first.kl_annealing_epochs or 0.0

  @property
  def rows(self) -> list[Row]:
    """One row for each beta, averaged over seeds."""
    return averaged([row for curve in self.curves for row in curve.rows])

  @property
  def best(self) -> Row:
    """The averaged row with the least C."""
    return min(self.rows, key=lambda row: row.number('label_distortion'))

  def at(
    self, place: float, name: str = 'label_distortion', along: str = 'rate'
  ) -> Mean | None:
    """A column where another one has a value, averaged over seeds.

    Seeds without the column do not count. It is None outside the curve of any
    other seed, or if none is left. The arguments are those of `Curve.at`.
    """
    values, errors = [], []
    for curve in self.curves:
      if None in column(curve.rows, name):
        continue
      value, error = (
        curve.at(place, each, along) for each in (name, f'{name}_stderr')
      )
      if value is None or error is None:
        return None
      values.append(value)
      errors.append(error)
    return Mean.of(values, errors) if values else None

  def first_within(self, loss: float) -> float | None:
    """The least rate, nats, at which the mean C is at most `loss`.

    It is interpolated along the curve; None if C is above `loss` everywhere.
    """
    rows = sorted(self.rows, key=lambda row: row.number('rate'))
    rates = [row.number('rate') for row in rows]
    losses = [row.number('label_distortion') for row in rows]
    if losses[0] <= loss:
      return rates[0]
    place = crossing(loss, rates, losses)
    return place if math.isfinite(place) else None

  def objective(self, beta: float) -> Mean | None:
    """D + beta R at a beta, averaged over seeds; None outside the curve.

    D and R of an image are not independent. The errors of D, R and D + R give
    their covariance.
    """
    names = 'distortion', 'rate', 'rate_plus_distortion'
    distortion, rate, total = (
      self.at(beta, name, along='beta') for name in names
    )
    if not (distortion and rate and total):
      return None
    d, r, both = (one.stderr**2 for one in (distortion, rate, total))
    square = d + beta**2 * r + beta * (both - d - r)
    return dataclasses.replace(
      distortion,
      value=distortion.value + beta * rate.value,
      stderr=math.sqrt(max(0.0, square)),
    )


class Evidence:
  """The results of one task.

  Args:
    rows: The whole table of results.
    task: A key of `DATASETS`.

  Raises:
    UserError: The table has no row of the task, a row is damaged, or C is by
      several classifiers.
  """

  def __init__(self, rows: Sequence[Row], task: str):
    dataset = DATASETS[task]
    self.task = task
    self.rows = rows_of_methods(
      [row for row in rows if row.task == task and row.data == dataset],
      _METHODS,
    )
    if not self.rows:
      raise UserError(f'the table has no row of {dataset}, task {task}')
    names = {
      row.classifier
      for row in self.rows
      if not row.method.startswith('supervised')
    }
    if len(names) > 1:
      raise UserError(
        f'C of the task {task} is by several classifiers, '
        f'{" and ".join(sorted(names))}: evaluate all runs with one'
      )
    runs: dict[str, list[Row]] = {}
    for row in self.of('vae'):
      if row.beta_trained:
        runs.setdefault(row.run, []).append(row)
    groups: dict[str, list[Curve]] = {}
    for _, points in sorted(runs.items()):
      groups.setdefault(points[0].configuration, []).append(Curve(points))
    families = [Family(curves) for curves in groups.values()]
    # Those of the paper's decoders come first.
    self.families = sorted(
      families, key=lambda family: family.first.decoder in INVARIANT
    )

  def of(self, method: str) -> list[Row]:
    """The rows of one method, such as 'vae' or 'pca'."""
    return [row for row in self.rows if row.method == method]

  @property
  def label_entropy(self) -> float:
    """H(Y), nats."""
    return self.rows[0].number('label_entropy')

  def family(self, decoder: str, marginal: str) -> Family:
    """The curves that represent a decoder and a marginal.

    They have the `conv` encoder, and are chosen as for the figures; see
    `representatives`. A deconvolutional decoder is not annealed.

    Raises:
      UserError: The table has no such curve.
    """
    chosen = self.usual(decoder, marginal)
    if not chosen:
      raise UserError(
        f'the table has no curve of {decoder}, {marginal}, task {self.task}'
      )

    def key(one):
      return preference(one.first, len(one.curves))

    return max(chosen, key=key)

  def finest(self, decoder: str, marginal: str, rate: float) -> Family | None:
    """The training with the least D at a rate, nats; None if none reaches it.

    It is chosen of `usual` without a look at the labels.
    """
    found = [
      (distortion.value, family)
      for family in self.usual(decoder, marginal)
      if (distortion := family.at(rate, 'distortion'))
    ]
    return min(found, key=lambda one: one[0], default=(0.0, None))[1]

  def usual(self, decoder: str, marginal: str) -> list[Family]:
    """Those of `compact` that may represent a decoder and a marginal."""
    return [
      family
      for family in self.compact(decoder, marginal)
      if decoder == AUTO or not family.annealing
    ]

  def compact(self, decoder: str, marginal: str) -> list[Family]:
    """Those of `trained` of compact size, with the `conv` encoder."""
    return [
      family
      for family in self.trained(decoder, marginal)
      if family.first.encoder == 'conv' and family.first.architecture == COMPACT
    ]

  def trained(self, decoder: str, marginal: str) -> list[Family]:
    """The families of a decoder and a marginal that saw images as they are."""
    return [
      family
      for family in self.families
      if family.first.family[1:] == (decoder, marginal)
      and not family.first.augmentation
    ]

  def at(
    self,
    decoder: str,
    marginal: str,
    rate: float,
    name: str = 'label_distortion',
  ) -> Mean:
    """A column of a family, interpolated at a rate in nats.

    Raises:
      UserError: There is no such family, or a curve does not reach the rate.
    """
    family = self.family(decoder, marginal)
    value = family.at(rate, name)
    if value is None:
      raise UserError(f'{family.name} has no {name} at {rate:g} nats')
    return value

  def losses(self, decoder: str, rate: float) -> list[Mean]:
    """C at a rate, nats, for each of `MARGINALS`; raises like `at`."""
    return [self.at(decoder, marginal, rate) for marginal in MARGINALS]

  def pca(self, rate: float) -> Mean | None:
    """The least C of PCA at a rate, nats; None if the table has no such PCA."""
    rows = [
      row for row in self.of('pca') if abs(row.number('rate') - rate) < 0.01
    ]
    losses = [_loss([row]) for row in rows]
    return min(losses, key=lambda loss: loss.value, default=None)

  def random_discard(self, rate: float) -> float:
    """C of random discarding at a rate, nats.

    Raises:
      UserError: The table has no H(X).
    """
    entropies = [row.input_entropy for row in self.rows if row.input_entropy]
    if not entropies:
      raise UserError(f'the table has no H(X) for the task {self.task}')
    return float(
      references.random_discard(rate, self.label_entropy, entropies[0])
    )

  def baseline(self, *methods: str) -> Mean:
    """The least C of some baselines, nats, each over the seeds of its best.

    Raises:
      UserError: The table has no row of these baselines.
    """
    groups = [best_configurations(self.of(method)) for method in methods]
    losses = [_loss(rows) for rows in groups if rows]
    if not losses:
      raise UserError(
        f'the table has no row of {" or ".join(methods)}, task {self.task}'
      )
    return min(losses, key=lambda loss: loss.value)

  @property
  def supervised(self) -> Mean:
    """C of the best supervised network, nats; raises like `baseline`."""
    return self.baseline('supervised_complex', 'supervised_simple')


def _loss(rows: Sequence[Row]) -> Mean:
  """C of some rows, which differ in their seed."""
  name = 'label_distortion'
  return Mean.of(column(rows, name), column(rows, f'{name}_stderr'))
