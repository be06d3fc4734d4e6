"""Looks up the results of families and baselines at equal rates.

A curve is one multi-beta model, evaluated at several betas. Between these
points, C and the label preference are interpolated in the rate.
"""

import dataclasses
from collections.abc import Sequence

from plots.curves import interpolated
from plots.table import Row, column, rows_of_methods
from vae_info import references
from vae_info.errors import UserError

DECONV, AUTO = 'deconvolutional', 'autoregressive'
MARGINALS = {'gaussian': 'Gaussian', 'maf': 'MAF', 'vampprior': 'VampPrior'}
DATASETS = {
  'digit': 'binarized_mnist',
  'alphabet': 'omniglot',
  'character': 'omniglot',
}
_LOSSES = ('label_distortion', 'label_distortion_stderr', 'label_entropy')
_METHODS = {
  'vae': ('encoder', 'decoder', 'marginal', 'beta', 'rate', *_LOSSES),
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
    """Family, range of betas, and seed, as text."""
    row = self.first
    seed = f', seed {row.seed:g}' if row.seed else ''
    return f'{" ".join(row.family)}, {row.training}{seed}'

  @property
  def betas(self) -> tuple[float, float]:
    """The lowest and the highest beta of the training's range."""
    low, high = self.first.beta_trained.split(':')
    return float(low), float(high)

  @property
  def best(self) -> Row:
    """The row with the least C."""
    return min(self.rows, key=lambda row: row.number('label_distortion'))

  def at(self, rate: float, name: str = 'label_distortion') -> float | None:
    """A column, interpolated at a rate in nats; None outside the curve."""
    return interpolated(
      rate, column(self.rows, 'rate'), column(self.rows, name)
    )


class Evidence:
  """The results of one task.

  Args:
    rows: The whole table of results.
    task: A key of `DATASETS`.

  Raises:
    UserError: The table has no row of the task, or a row is damaged.
  """

  def __init__(self, rows: Sequence[Row], task: str):
    dataset = DATASETS[task]
    self.task = task
    self.rows = rows_of_methods(
      [row for row in rows if row.task == task and row.dataset == dataset],
      _METHODS,
    )
    if not self.rows:
      raise UserError(f'the table has no row of {dataset}, task {task}')
    runs: dict[str, list[Row]] = {}
    for row in self.of('vae'):
      if row.beta_trained:
        runs.setdefault(row.run, []).append(row)
    self.curves = [Curve(points) for _, points in sorted(runs.items())]

  def of(self, method: str) -> list[Row]:
    """The rows of one method, such as 'vae' or 'pca'."""
    return [row for row in self.rows if row.method == method]

  @property
  def label_entropy(self) -> float:
    """H(Y), nats."""
    return self.rows[0].number('label_entropy')

  def curve(self, decoder: str, marginal: str) -> Curve:
    """The curve that represents a family with the `conv` encoder.

    An autoregressive decoder with a VampPrior collapses unless beta is
    annealed, so that family has the annealed curve. If several curves remain,
    the one whose betas end first is chosen. On MNIST this decides between two
    curves of the autoregressive decoder with a Gaussian marginal, and chooses
    the better one.

    Raises:
      UserError: The table has no such curve.
    """
    chosen = [
      curve
      for curve in self.curves
      if curve.first.family == ('conv', decoder, marginal)
      and not curve.first.seed
      and bool(curve.first.kl_annealing_epochs)
      == ((decoder, marginal) == (AUTO, 'vampprior'))
    ]
    if not chosen:
      raise UserError(
        f'the table has no curve of {decoder}, {marginal}, task {self.task}'
      )
    return min(chosen, key=lambda curve: curve.betas[1])

  def losses(self, decoder: str, rate: float) -> list[float]:
    """C at a rate, nats, for each of `MARGINALS`.

    Raises:
      UserError: A curve is missing or does not reach the rate.
    """
    return [
      self.at(self.curve(decoder, marginal), rate) for marginal in MARGINALS
    ]

  def at(
    self, curve: Curve, rate: float, name: str = 'label_distortion'
  ) -> float:
    """A column of a curve, interpolated at a rate in nats.

    Raises:
      UserError: The curve does not reach the rate.
    """
    value = curve.at(rate, name)
    if value is None:
      raise UserError(f'the curve {curve.name} has no rate of {rate:g} nats')
    return value

  def pca(self, rate: float) -> float | None:
    """The least C of PCA at a rate, nats; None if the table has no such PCA."""
    losses = [
      row.number('label_distortion')
      for row in self.of('pca')
      if abs(row.number('rate') - rate) < 0.01
    ]
    return min(losses, default=None)

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

  def seeds(self, method: str) -> tuple[float, float]:
    """The least and the largest C of a baseline, nats, over its seeds.

    Raises:
      UserError: The table has no row of the baseline.
    """
    losses = column(self.of(method), 'label_distortion')
    if not losses:
      raise UserError(f'the table has no row of {method}, task {self.task}')
    return min(losses), max(losses)
