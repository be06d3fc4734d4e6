"""Prints how good the models of MNIST are, beside the goals, in Markdown.

    python -m plots.goals

The goals were set before the runs of `--sweep=figures`. A family is represented
as in the claims; see `evidence`. D + R at beta = 1 is interpolated in log beta.
"""

import math
import pathlib
from collections.abc import Iterator, Sequence

from absl import app, flags

from plots import comparisons, table
from plots.claim_rules import CLOSE, KEPT_RATE, ONCE_LOSS, ONCE_RATE, lowest
from plots.curves import interpolated
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence, Family
from plots.seeds import Mean
from plots.table import Row, column
from vae_info import cli

FLAGS = flags.FLAGS

TOTALS = {'gaussian': 91.0, 'maf': 87.0, 'vampprior': 87.0}  # D + R at beta 1.
NO_RATE, TOTAL_WITHOUT_RATE = 0.5, 81.0  # Nats: what counts as R = 0.
APART = 1.0  # Percent of D + beta R, from curve to training at one beta.
SEEDS = 3
LEAST_TOTAL = 79.0  # Nats: no model of MNIST can have a smaller D + R.
ERRORS = 3.0  # Standard errors.

Line = tuple[str, str, str]  # What, its goal, and what was reached.


def lines(rows: Sequence[Row]) -> list[str]:
  """The table, as Markdown.

  Raises:
    UserError: The table of results lacks a family of MNIST, or its baselines.
  """
  digits = Evidence(rows, 'digit')
  found = [
    *_claims(digits),
    *_totals(digits),
    _without_rate(digits),
    _apart(rows),
    _seeds(digits),
    _impossible(rows),
  ]
  return [
    '| | goal | reached |',
    '|---|---|---|',
    *(f'| {" | ".join(line)} |' for line in found),
  ]


def _claims(digits) -> Iterator[Line]:
  losses = digits.losses(DECONV, KEPT_RATE)
  gap = min(losses, key=lambda loss: loss.value).minus(digits.supervised)
  yield (
    f'C at {KEPT_RATE:g} nats, deconvolutional, best marginal, less supervised',
    f'≤ {CLOSE}',
    str(gap),
  )
  loss, name = lowest(digits)
  yield (
    f'C up to {ONCE_RATE} nats, autoregressive',
    f'≤ {ONCE_LOSS}',
    f'{loss} ({name})',
  )


def at_beta(family: Family, beta: float, name: str) -> Mean | None:
  """A column of a family at a beta, averaged over seeds.

  It is None outside the range of a curve.
  """
  values, errors = [], []
  for curve in family.curves:
    places = [math.log(one) for one in column(curve.rows, 'beta')]
    value, error = (
      interpolated(math.log(beta), places, column(curve.rows, each))
      for each in (name, f'{name}_stderr')
    )
    if value is None or error is None:
      return None
    values.append(value)
    errors.append(error)
  return Mean.of(values, errors)


def _totals(digits) -> Iterator[Line]:
  for marginal, name in MARGINALS.items():
    family = digits.family(DECONV, marginal)
    total = at_beta(family, 1.0, 'rate_plus_distortion')
    yield (
      f'D + R at β = 1, deconvolutional, {name}',
      f'≤ {TOTALS[marginal]:g}',
      '–' if total is None else total.text(2),
    )


def _without_rate(digits) -> Line:
  """D + R of an autoregressive decoder whose code has nearly no rate."""
  totals = [
    Mean(
      row.number('rate_plus_distortion'),
      row.number('rate_plus_distortion_stderr'),
      count=row.seeds,
    )
    for marginal in MARGINALS
    for row in digits.family(AUTO, marginal).rows
    if row.number('rate') <= NO_RATE
  ]
  best = min(totals, key=lambda total: total.value, default=None)
  return (
    f'D + R at R ≤ {NO_RATE}, autoregressive',
    f'≤ {TOTAL_WITHOUT_RATE:g}',
    '–' if best is None else best.text(2),
  )


def _apart(rows) -> Line:
  mnist = [row for row in rows if row.dataset == 'binarized_mnist']
  vaes = table.rows_of_methods(mnist, comparisons.METHODS)
  changes = [
    100 * (pair.objective / pair.own_objective - 1)
    for pair in comparisons.comparisons(vaes)
    if pair.objective is not None
  ]
  return (
    'D + βR of a curve above that of a training at one β',
    f'≤ {APART:g} %',
    f'at most {max(changes):.1f} %, of {len(changes)}' if changes else '–',
  )


def _seeds(digits) -> Line:
  counts = [
    len(digits.family(decoder, marginal).curves)
    for decoder in (DECONV, AUTO)
    for marginal in MARGINALS
  ]
  return 'seeds of each family', str(SEEDS), str(min(counts))


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
    low, high = _mean(row, f'{name}_lower'), _mean(row, f'{name}_upper')
    if low and high:
      yield high, low, f'{name}_lower is above {name}_upper'
  losses = [
    _mean(row, 'label_distortion'),
    _mean(row, 'label_distortion_least'),
  ]
  top = _mean(row, 'label_information_upper')
  entropy = row.label_entropy
  for loss in filter(None, losses):
    if top and entropy is not None:
      floor = Mean(entropy, 0.0).minus(top)
      yield loss, floor, 'C is below its floor'
  total = _mean(row, 'rate_plus_distortion')
  if total and row.subject == 'MNIST':
    yield total, Mean(LEAST_TOTAL, 0.0), 'D + R is below H(X)'


def _mean(row, name) -> Mean | None:
  value, error = getattr(row, name), getattr(row, f'{name}_stderr')
  return None if value is None else Mean(value, error or 0.0)


def _impossible(rows) -> Line:
  return (
    'rows of the whole table with a lower bound above an upper one, C below '
    'its floor, or D + R below H(X)',
    'none',
    str(len(impossible(rows))),
  )


def main(argv):
  cli.no_arguments(argv)
  for text in lines(table.read(pathlib.Path(FLAGS.results))):
    print(text)


if __name__ == '__main__':
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )
  app.run(cli.one_line_errors(main))
