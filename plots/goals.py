"""Prints how good the models of MNIST are, beside the goals, in Markdown.

    python -m plots.goals

The goals were set before the runs of `--sweep=figures`. A family is represented
as in the claims; see `evidence`. D and R at beta = 1 are interpolated in log
beta; if another training of the family has a lower sum, it counts, at whatever
size. D + R without rate is that of any autoregressive training.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from absl import app, flags

from plots import comparisons, table
from plots.claim_rules import CLOSE, KEPT_RATE, ONCE_LOSS, ONCE_RATE, lowest
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence
from plots.representatives import representatives
from plots.seeds import Mean, averaged, cell
from plots.table import Row
from vae_info import cli
from vae_info.config import SEED
from vae_info.errors import UserError

FLAGS = flags.FLAGS

TOTALS = {'gaussian': 91.0, 'maf': 87.0, 'vampprior': 87.0}  # D + R at beta 1.
NO_RATE, TOTAL_WITHOUT_RATE = 0.5, 81.0  # Nats: what counts as R = 0.
APART = 1.0  # Percent of D + beta R, from curve to training at one beta.
SEEDS = 3
LEAST_TOTAL = 79.0  # Nats: no model of MNIST can have a smaller D + R.
ERRORS = 3.0  # Standard errors.


@dataclasses.dataclass(frozen=True)
class Goal:
  """One line of the table.

  Attributes:
    what: What is measured.
    wanted: The most it may be.
    reached: The number; None if the table of results lacks it.
    text: The number as text, with its error.
    unit: The unit of `wanted`, if it is not nats.
    least: Whether `wanted` is the least it may be instead.
  """

  what: str
  wanted: float
  reached: float | None
  text: str
  unit: str = ''
  least: bool = False

  @property
  def met(self) -> str:
    """Whether the goal is reached, by the number without its error."""
    if self.reached is None:
      return 'not measured'
    reached = (
      self.reached >= self.wanted
      if self.least
      else (self.reached <= self.wanted)
    )
    return 'yes' if reached else 'no'

  def __str__(self):
    sign = '≥' if self.least else '≤'
    cells = self.what, f'{sign} {self.wanted:g}{self.unit}', self.text, self.met
    return f'| {" | ".join(cells)} |'


def of_mean(
  what: str, wanted: float, mean: Mean | None, more: str = ''
) -> Goal:
  """A goal for a number with an error, nats."""
  if mean is None:
    return Goal(what, wanted, None, '–')
  return Goal(what, wanted, mean.value, mean.text() + more)


def lines(rows: Sequence[Row]) -> list[str]:
  """The table, as Markdown.

  Where the table of results lacks a family or a baseline, a line says so.

  Raises:
    UserError: It has no digits of MNIST, or a row is damaged.
  """
  digits = Evidence(rows, 'digit')
  result = ['| | goal | reached | met |', '|---|---|---|---|']
  for part in (_claims, _totals, _without_rate, _apart, _seeds, _impossible):
    try:
      result += map(str, part(digits, rows))
    except UserError as error:
      name = (part.__doc__ or '').partition('.')[0]
      result.append(f'| {name} | – | {error} | not measured |')
  return result


def _claims(digits, _) -> Iterator[Goal]:
  """C of claims 1 and 2."""
  losses = digits.losses(DECONV, KEPT_RATE)
  gap = min(losses, key=lambda loss: loss.value).minus(digits.supervised)
  what = f'C at {KEPT_RATE:g} nats, deconvolutional, best marginal'
  yield of_mean(f'{what}, less supervised C', CLOSE, gap)
  loss, name = lowest(digits)
  what = f'C up to {ONCE_RATE} nats, autoregressive'
  yield of_mean(what, ONCE_LOSS, loss, f' ({name})')


def _totals(digits, _) -> Iterator[Goal]:
  """D + R at β = 1, deconvolutional."""
  for marginal, name in MARGINALS.items():
    usual = digits.family(DECONV, marginal)
    totals = [
      (total, family)
      for family in digits.trained(DECONV, marginal)
      if family.first.encoder == usual.first.encoder
      and (total := family.objective(1.0))
    ]
    least, best = min(
      totals, key=lambda one: one[0].value, default=(None, usual)
    )
    more = ''
    if best is not usual:
      how = [f' after {best.epochs:g} epochs', *best.first.unusual]
      more = f'{", ".join(how)}; '
      more += f'{cell(usual.objective(1.0))} after {usual.epochs:g}'
    what = f'D + R at β = 1, deconvolutional, {name}'
    yield of_mean(what, TOTALS[marginal], least, more)


def _without_rate(digits, _) -> Iterator[Goal]:
  """D + R of an autoregressive decoder whose code has nearly no rate."""
  totals = [
    total
    for row in averaged(digits.of('vae'))
    if row.decoder == AUTO
    and row.number('rate') <= NO_RATE
    and (total := Mean.of_row(row, 'rate_plus_distortion'))
  ]
  best = min(totals, key=lambda total: total.value, default=None)
  what = f'D + R where R is at most {NO_RATE}, autoregressive'
  yield of_mean(what, TOTAL_WITHOUT_RATE, best)


def _apart(_, rows) -> Iterator[Goal]:
  """D + βR of curves and of trainings at one β."""
  # R and D do not depend on the task.
  mnist = [
    row
    for row in rows
    if (row.dataset, row.task) == ('binarized_mnist', 'digit')
  ]
  vaes = table.rows_of_methods(mnist, comparisons.METHODS)
  usual = representatives(vaes)
  count, worst = _worst(usual)
  text = '–' if worst is None else f'{worst:.2f} % at most, of {count}'
  alone = [row for row in usual if not row.beta_trained]
  curves = [row for row in vaes if row.beta_trained]
  _, best = _worst([*alone, *curves])
  if worst is not None and best is not None and best < worst:
    text += f'; {best:.2f} % by the best curve of each family'
  what = 'D + βR of a curve above that of as long a training at one β'
  yield Goal(what, APART, worst, text, unit=' %')


def _worst(rows) -> tuple[int, float | None]:
  """Compares trainings at one beta with the best curve of each family.

  Returns:
    The number of trainings, and how much a curve is above one at most, in
    percent. Of each family, the curve counts for which this is least, among
    those that reach the most trainings.
  """
  changes: dict[tuple, dict[str, list[float]]] = {}
  alone = set()
  for pair in comparisons.comparisons(rows):
    if pair.objective is None:
      continue
    alone.add(pair.row.run)
    change = 100 * (pair.objective / pair.own_objective - 1)
    curves = changes.setdefault(pair.row.family, {})
    curves.setdefault(SEED.sub('', pair.curve), []).append(change)
  worst = []
  for curves in changes.values():
    most = max(map(len, curves.values()))
    whole = [found for found in curves.values() if len(found) == most]
    worst.append(min(map(max, whole)))
  return len(alone), max(worst, default=None)


def _seeds(digits, _) -> Iterator[Goal]:
  """The seeds of each family."""
  count = min(
    len(digits.family(decoder, marginal).curves)
    for decoder in (DECONV, AUTO)
    for marginal in MARGINALS
  )
  yield Goal('seeds of each family', SEEDS, count, str(count), least=True)


def impossible(rows: Sequence[Row]) -> list[str]:
  """Results that contradict a bound by more than three standard errors.

  Args:
    rows: The whole table.

  Returns:
    A sentence for each.
  """
  texts = []
  for row in rows:
    for high, low, name in _pairs(row):
      if low.minus(high).value > ERRORS * low.minus(high).stderr:
        texts.append(f'{row}: {name}')
  return texts


def _pairs(row) -> Iterator[tuple[Mean, Mean, str]]:
  """Pairs of results of which the first can not be less than the second."""
  for name in ('information', 'label_information'):
    low, high = (
      Mean.of_row(row, f'{name}_lower'),
      Mean.of_row(row, f'{name}_upper'),
    )
    if low and high:
      yield high, low, f'{name}_lower is above {name}_upper'
  entropy = Mean(row.label_entropy or 0.0, 0.0)  # Without it, C is above all.
  for name in ('label_distortion', 'label_distortion_least'):
    for most in ('label_information_upper', 'rate'):
      loss, information = Mean.of_row(row, name), Mean.of_row(row, most)
      if loss and information:
        yield loss, entropy.minus(information), f'{name} is below its floor'
  total = Mean.of_row(row, 'rate_plus_distortion')
  if total and row.subject == 'MNIST':
    name = f'D + R is below {LEAST_TOTAL:g} nats'
    yield total, Mean(LEAST_TOTAL, 0.0), name


def _impossible(_, rows) -> Iterator[Goal]:
  """Contradictions in the whole table."""
  count = len(impossible(rows))
  yield Goal(
    'contradictions in the whole table: a lower bound above an upper one, C '
    f'below a floor, D + R of MNIST below {LEAST_TOTAL:g}, each by more than '
    f'{ERRORS:g} standard errors',
    0,
    count,
    str(count),
  )


def main(argv):
  cli.no_arguments(argv)
  for text in lines(table.read(pathlib.Path(FLAGS.results))):
    print(text)


if __name__ == '__main__':
  cli.define_results()
  app.run(cli.one_line_errors(main))
