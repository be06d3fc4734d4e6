"""Pairs of a training at one beta and a multi-beta model; see `compare`."""

import dataclasses
import math
import operator
from collections.abc import Iterator, Sequence

from plots.curves import interpolated
from plots.table import MODEL, Row, column

# The methods that are compared, and the columns that their rows must have.
METHODS = {'vae': (*MODEL, 'rate', 'distortion', 'label_distortion')}


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A run at one beta, and the curve of a multi-beta model at the same place.

  Attributes:
    row: The result of the run at one beta.
    curve: The name of the curve's run.
    trained: The curve's range of betas, and how beta was annealed.
    objective: D + beta R of the curve at the row's beta, nats; None if that
      beta is outside the curve.
    label_distortion: C of the curve at the row's rate, nats; None if that rate
      is outside the curve.
  """

  row: Row
  curve: str
  trained: str
  objective: float | None
  label_distortion: float | None

  @property
  def own_objective(self) -> float:
    """D + beta R of the run at one beta, nats."""
    row = self.row
    return row.number('distortion') + row.number('beta') * row.number('rate')


def comparisons(rows: Sequence[Row]) -> Iterator[Comparison]:
  """Pairs each run at one beta with every curve that is comparable to it.

  They are sorted by data set, task, family and beta. A run whose beta is 0, or
  was adapted to hold the rate, is left out.

  Args:
    rows: Results of β-VAEs, checked by `rows_of_methods`.
  """
  curves: dict[tuple[str, str, str], list[Row]] = {}
  for row in rows:
    if row.beta_trained:
      place = row.run, row.task, row.classifier
      curves.setdefault(place, []).append(row)
  alone = [
    row
    for row in rows
    if row.beta and not row.beta_trained and not row.target_rate
  ]
  order = operator.attrgetter('dataset', 'task', 'family', 'beta')
  for row in sorted(alone, key=order):
    for curve in curves.values():
      if _all_but_beta(curve[0]) == _all_but_beta(row):
        yield _compare(row, curve)


def _all_but_beta(row):
  """What a run and a curve must have in common to be compared."""
  names = 'data task architecture augmentation latent_size seed classifier'
  known = tuple(getattr(row, name) for name in names.split())
  length = row.step if row.epochs is None else row.epochs
  return *row.family, *known, length


def _compare(row, curve) -> Comparison:
  log_beta = math.log(row.beta)
  log_betas = [math.log(beta) for beta in column(curve, 'beta')]
  rate = interpolated(log_beta, log_betas, column(curve, 'rate'))
  distortion = interpolated(log_beta, log_betas, column(curve, 'distortion'))
  return Comparison(
    row=row,
    curve=curve[0].run,
    trained=curve[0].training,
    objective=None
    if rate is None or distortion is None
    else distortion + row.beta * rate,
    label_distortion=interpolated(
      row.rate, column(curve, 'rate'), column(curve, 'label_distortion')
    ),
  )
