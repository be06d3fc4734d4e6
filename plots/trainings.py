"""Prints trainings at one beta, as a Markdown table.

python -m plots.trainings --datasets=static_mnist
"""

import pathlib

from absl import app, flags

from plots import table, table_flags
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

NUMBERS = ('rate', 'distortion', 'rate_plus_distortion', 'label_distortion')
METHODS = {
  'vae': (
    *table.MODEL,
    *table.with_errors(*NUMBERS, 'label_accuracy'),
  )
}
HEAD = """\
| encoder, decoder, marginal | task | β | epochs | R | D | D + R | C | accuracy | seconds |
|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def line(row: Row) -> str:
  """A row of the table, as Markdown: nats and percent, with standard errors."""
  epochs = '–' if row.epochs is None else f'{row.epochs:g}'
  parts = [' '.join(row.family), *row.unusual]
  if row.target_rate:
    parts.append(f'R held at {row.target_rate:g}')
  cells = [', '.join(parts), row.task, f'{row.number("beta"):g}', epochs]
  cells += [
    f'{row.number(name):.3f} ± {row.number(f"{name}_stderr"):.3f}'
    for name in NUMBERS
  ]
  cells.append(
    f'{100 * row.number("label_accuracy"):.2f} '
    f'± {100 * row.number("label_accuracy_stderr"):.2f} %'
  )
  cells.append('–' if row.train_seconds is None else f'{row.train_seconds:.0f}')
  return f'| {" | ".join(cells)} |'


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  chosen = table.choose(rows, FLAGS.datasets, FLAGS.classifier)
  alone = table.rows_of_methods(
    (row for row in chosen if not row.beta_trained), METHODS
  )
  if not alone:
    names = ' or '.join(sorted({row.dataset for row in chosen}))
    print(f'*{FLAGS.results} has no training of {names} at one β yet.*')
    return
  print(HEAD)
  for row in alone:
    print(line(row))


if __name__ == '__main__':
  table_flags.define_table_flags()
  app.run(cli.one_line_errors(main))
