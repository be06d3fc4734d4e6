"""Means over seeds, and their errors.

Runs that differ in nothing but their seed are one configuration. Its results
are averaged at the same beta. The error is the standard error of the mean over
seeds. A result of one seed keeps its own error, which is over test images.

A limit is one-sided, with 95 % certainty, by Student's t with the degrees of
freedom of Welch and Satterthwaite. An error over test images counts as exactly
known, since there are thousands of images.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from scipy import stats

from plots.panels import Panel
from plots.table import Row

LEVEL = 0.95
# The methods that are averaged.
SEEDED = ('vae', 'kmeans', 'kmeans_deskewed', 'clusters')


@dataclasses.dataclass(frozen=True)
class Mean:
  """A number with its standard error.

  Attributes:
    value: The mean over seeds, or the result of one seed.
    stderr: Its standard error.
    freedom: Degrees of freedom of the error; infinite for one seed.
    count: The number of seeds.
  """

  value: float
  stderr: float
  freedom: float = math.inf
  count: int = 1

  @classmethod
  def of(cls, values: Sequence[float], errors: Sequence[float]) -> 'Mean':
    """The mean over seeds; `errors` has the error of each seed's value."""
    count = len(values)
    if count == 1:
      return cls(values[0], errors[0])
    error = statistics.stdev(values) / math.sqrt(count)
    return cls(statistics.fmean(values), error, count - 1, count)

  @classmethod
  def of_row(cls, row: Row, name: str) -> 'Mean | None':
    """A column of a row, which may be a mean over seeds; None if empty."""
    value, error = getattr(row, name), getattr(row, f'{name}_stderr')
    if value is None or error is None:
      return None
    freedom = row.seeds - 1 if row.seeds > 1 else math.inf
    return cls(value, error, freedom, row.seeds)

  def plus(self, other: 'Mean', factor: float = 1.0) -> 'Mean':
    """self + factor * other, for independent errors."""
    squares = self.stderr**2, (factor * other.stderr) ** 2
    total = sum(squares)
    spread = squares[0] ** 2 / self.freedom + squares[1] ** 2 / other.freedom
    return Mean(
      self.value + factor * other.value,
      math.sqrt(total),
      total**2 / spread if spread else math.inf,
      min(self.count, other.count),
    )

  def minus(self, other: 'Mean') -> 'Mean':
    """self - other, for independent errors."""
    return self.plus(other, -1.0)

  def times(self, factor: float) -> 'Mean':
    """The product with a number that is known exactly."""
    error = abs(factor) * self.stderr
    return dataclasses.replace(self, value=factor * self.value, stderr=error)

  @property
  def upper(self) -> float:
    """What the truth is below, with 95 % certainty."""
    return self.value + float(stats.t.ppf(LEVEL, self.freedom)) * self.stderr

  @property
  def lower(self) -> float:
    """What the truth is above, with 95 % certainty."""
    return 2 * self.value - self.upper

  def __str__(self):
    return self.text()

  def text(self, digits: int = 3) -> str:
    """Value and error, such as `0.166 ± 0.003`; `†` for one seed."""
    mark = '' if self.count > 1 else '†'
    value = f'{self.value:.{digits}f}'.replace('-', '\N{MINUS SIGN}')
    return f'{value} ± {self.stderr:.{digits}f}{mark}'


def cell(mean: Mean | None, digits: int = 3) -> str:
  """The text of a number with its error; a dash stands for a missing one."""
  return '–' if mean is None else mean.text(digits)


def average(means: Sequence[Mean], independent: bool = True) -> Mean:
  """The mean of several numbers.

  Args:
    means: The numbers.
    independent: Whether their errors are. Errors over the same test images are
      not; the mean's error is then at most the mean of the errors.
  """
  if not independent:
    return Mean(
      statistics.fmean(mean.value for mean in means),
      statistics.fmean(mean.stderr for mean in means),
      min(mean.freedom for mean in means),
      min(mean.count for mean in means),
    )
  total = means[0]
  for one in means[1:]:
    total = total.plus(one)
  return total.times(1 / len(means))


def averaged(rows: Sequence[Row]) -> list[Row]:
  """Rows of β-VAEs and of clusters, averaged over seeds.

  Others stay as they are. Averaged are results at the same beta, and with the
  same number of clusters. A curve is averaged where all of its seeds have a
  result, so that each of its points is of the same seeds. A column that a seed
  lacks is None.
  """
  groups: dict[tuple, list[Row]] = {}
  for row in rows:
    if row.method in SEEDED:
      # A training at one beta may have adapted it.
      beta = row.beta if row.beta_trained else None
      where = (
        row.configuration,
        row.task,
        row.classifier,
        beta,
        row.latent_size,
      )
      groups.setdefault(where, []).append(row)
  most: dict[tuple, int] = {}
  for where, group in groups.items():
    most[where[:3]] = max(most.get(where[:3], 0), len(group))
  means = [
    _mean(group)
    for where, group in groups.items()
    if len(group) == most[where[:3]]
  ]
  return means + [row for row in rows if row.method not in SEEDED]


def averaged_panel(panel: Panel) -> Panel:
  """A panel whose β-VAEs and clusters are averaged over seeds."""
  return dataclasses.replace(panel, rows=averaged(panel.rows))


def _mean(group: list[Row]) -> Row:
  """The mean of one result of several seeds."""
  first = group[0]
  if len(group) == 1:
    return first
  changed: dict[str, Any] = {}
  for field in dataclasses.fields(Row):
    name, error = field.name, f'{field.name}_stderr'
    values = [getattr(row, name) for row in group]
    if not (name == 'beta' or hasattr(first, error)):
      continue
    if None in values:
      # No beta is right for all seeds, but the row has to keep one.
      changed |= {} if name == 'beta' else {name: None, error: None}
      continue
    mean = Mean.of(values, [getattr(row, error, 0.0) for row in group])
    changed |= {name: mean.value}
    changed |= {error: mean.stderr} if hasattr(first, error) else {}
  return dataclasses.replace(first, seeds=len(group), **changed)


def notes(before: Sequence[Panel], after: Sequence[Panel]) -> list[str]:
  """Counts results that some seeds lack, a line for each panel."""
  lines = []
  for old, new in zip(before, after, strict=True):
    lost = sum(
      len(old.of(method)) - sum(row.seeds for row in new.of(method))
      for method in SEEDED
    )
    if lost:
      lines.append(
        f'not drawn in the panel {old.title}: {lost} results at a β, or with a '
        'number of clusters, that not all seeds have'
      )
  return lines
