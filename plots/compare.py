"""Compares multi-beta models with those trained at one beta, in Markdown.

    python -m plots.compare [--results=results.csv]

Each run at one beta is compared with the multi-beta models that have the same
data, networks, task, epochs and seed. D + beta R is compared at the same beta:
R and D of the multi-beta model are interpolated in log beta. C is compared at
the same rate, and interpolated in the rate. All numbers are in nats; see
`curves.py` for the interpolation.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import style, table, table_flags
from plots.comparisons import METHODS, Comparison, comparisons
from vae_info import cli

FLAGS = flags.FLAGS


def line(comparison: Comparison) -> str:
  """A row of a Markdown table."""
  row, own = comparison.row, comparison.own_objective
  own_loss = row.number('label_distortion')
  cells = [', '.join([' '.join(row.family), *row.unusual]), row.task]
  cells += [f'{row.beta:g}', f'{row.rate:.1f}', f'{own:.2f}']
  cells.append(comparison.trained)
  objective, loss = comparison.objective, comparison.label_distortion
  if objective is None:
    cells += ['–', '–']
  else:
    cells += [
      f'{objective:.2f}',
      style.signed(100 * (objective / own - 1), '.1f') + ' %',
    ]
  cells.append(f'{own_loss:.3f}')
  if loss is None:
    cells += ['–', '–']
  else:
    cells += [f'{loss:.3f}', style.signed(loss - own_loss, '.3f')]
  return f'| {" | ".join(cells)} |'


HEAD = """\
| encoder, decoder, marginal | task | β | R | D + βR | curve | D + βR of the curve | above | C | of the curve, at this R | above |
|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def summary(compared: Sequence[Comparison]) -> list[str]:
  """Counts how often a curve is as good as the training at one beta.

  Each decoder has a line of Markdown. It counts where D + beta R of the curve
  is at most 1 % above, and where it is below. Then it counts where C is within
  0.03 nats. R and D do not depend on the task, so they count once for a run.
  """
  lines = []
  for decoder in sorted({one.row.decoder for one in compared}):
    ours = [one for one in compared if one.row.decoder == decoder]
    once = {(one.row.run, one.curve): one for one in ours}
    objectives = [
      one.objective / one.own_objective - 1
      for one in once.values()
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
  compared = list(comparisons(table.rows_of_methods(rows, METHODS)))
  if not compared:
    print(
      f'*{FLAGS.results} has no training at one β beside a multi-beta model.*'
    )
    return
  print(HEAD)
  for comparison in compared:
    print(line(comparison))
  print()
  for text in summary(compared):
    print(text)


if __name__ == '__main__':
  table_flags.define_table_flags()
  app.run(cli.one_line_errors(main))
