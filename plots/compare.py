"""Compares multi-beta models with those trained at one beta, in Markdown.

    python -m plots.compare [--results=plots/results.csv]

Each run at one beta is compared with the multi-beta models that have the same
data, networks, task, epochs and seed. D + beta R is compared at the same beta:
R and D of the multi-beta model are interpolated in log beta. C is compared at
the same rate, and interpolated in the rate. All numbers are in nats; see
`curves.py` for the interpolation.
"""

import dataclasses
import math
import operator
import pathlib
from collections.abc import Iterator, Sequence

from absl import app, flags

from plots import table, table_flags
from plots.curves import interpolated
from plots.table import Row, column
from vae_info import cli

FLAGS = flags.FLAGS

# The methods that are compared, and the columns that their rows must have.
METHODS = {
  'vae': (
    'encoder',
    'decoder',
    'marginal',
    'beta',
    'rate',
    'distortion',
    'label_distortion',
  )
}


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A run at one beta, and the curve of a multi-beta model at the same place.

  Attributes:
    row: The result of the run at one beta.
    trained: The curve's range of betas, and whether beta was annealed.
    objective: D + beta R of the curve at the row's beta, nats; None if that
      beta is outside the curve.
    label_distortion: C of the curve at the row's rate, nats; None if that rate
      is outside the curve.
  """

  row: Row
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

  They are sorted by data set, task, family and beta.

  Args:
    rows: Results of β-VAEs, checked by `rows_of_methods`.
  """
  curves: dict[tuple[str, str], list[Row]] = {}
  for row in rows:
    if row.beta_trained:
      curves.setdefault((row.run, row.task), []).append(row)
  alone = [row for row in rows if not row.beta_trained]
  order = operator.attrgetter('dataset', 'task', 'family', 'beta')
  for row in sorted(alone, key=order):
    for curve in curves.values():
      if _all_but_beta(curve[0]) == _all_but_beta(row):
        yield _compare(row, curve)


def _all_but_beta(row):
  """What a run and a curve must have in common to be compared."""
  names = 'dataset task architecture latent_size epochs seed classifier'
  return row.family + tuple(getattr(row, name) for name in names.split())


def _compare(row, curve) -> Comparison:
  log_beta = math.log(row.beta)
  log_betas = [math.log(beta) for beta in column(curve, 'beta')]
  rate = interpolated(log_beta, log_betas, column(curve, 'rate'))
  distortion = interpolated(log_beta, log_betas, column(curve, 'distortion'))
  return Comparison(
    row=row,
    trained=curve[0].training,
    objective=None
    if rate is None or distortion is None
    else distortion + row.beta * rate,
    label_distortion=interpolated(
      row.rate, column(curve, 'rate'), column(curve, 'label_distortion')
    ),
  )


def line(comparison: Comparison) -> str:
  """A row of a Markdown table."""
  row, own = comparison.row, comparison.own_objective
  own_loss = row.number('label_distortion')
  cells = [' '.join(row.family), row.task]
  cells += [f'{row.beta:g}', f'{row.rate:.1f}', f'{own:.2f}']
  cells.append(comparison.trained)
  objective, loss = comparison.objective, comparison.label_distortion
  if objective is None:
    cells += ['–', '–']
  else:
    cells += [f'{objective:.2f}', f'{100 * (objective / own - 1):+.1f} %']
  cells.append(f'{own_loss:.3f}')
  if loss is None:
    cells += ['–', '–']
  else:
    cells += [f'{loss:.3f}', f'{loss - own_loss:+.3f}']
  return f'| {" | ".join(cells)} |'


HEAD = """\
| encoder, decoder, marginal | task | β | R | D + βR | curve | D + βR of the curve | | C | of the curve, at this R | |
|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def summary(compared: Sequence[Comparison]) -> list[str]:
  """Counts how often a curve is as good as the training at one beta.

  Each decoder has a line of Markdown. It counts where D + beta R of the curve
  is at most 1 % above, and where it is below. Then it counts where C is within
  0.03 nats.
  """
  lines = []
  for decoder in sorted({one.row.decoder for one in compared}):
    ours = [one for one in compared if one.row.decoder == decoder]
    objectives = [
      one.objective / one.own_objective - 1
      for one in ours
      if one.objective is not None
    ]
    losses = [
      abs(one.label_distortion - one.row.number('label_distortion'))
      for one in ours
      if one.label_distortion is not None
    ]
    better = sum(change < 0 for change in objectives)
    close = sum(change <= 0.01 for change in objectives)
    same = sum(change <= 0.03 for change in losses)
    lines.append(
      f'- {decoder}: D + βR of the curve is at most 1 % above in {close} of '
      f'{len(objectives)}, and below in {better}; C is within 0.03 nats in '
      f'{same} of {len(losses)}.'
    )
  return lines


def main(argv):
  cli.no_arguments(argv)
  rows = table.choose(
    table.read(pathlib.Path(FLAGS.results)), FLAGS.datasets, FLAGS.classifier
  )
  print(HEAD)
  compared = list(comparisons(table.rows_of_methods(rows, METHODS)))
  for comparison in compared:
    print(line(comparison))
  print()
  for text in summary(compared):
    print(text)


if __name__ == '__main__':
  table_flags.define_table_flags()
  app.run(cli.one_line_errors(main))
